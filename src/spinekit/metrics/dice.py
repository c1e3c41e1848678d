"""Overlap of two masks.

Knows neither spacing nor instances: counts voxels only.
"""

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def measure_dice(pred: Mask, ref: Mask, *, where: Mask | None = None) -> float:
    """Dice coefficient 2|A∩B| / (|A| + |B|) of two masks.

    Source: Dice, Ecology 26:297 (1945).

    Args:
        pred: (I, J, K) predicted mask.
        ref: (I, J, K) reference mask.
        where: (I, J, K) voxels that count; every voxel when omitted.

    Returns:
        A number in 0…1; nan where both masks are empty, because nothing was asked.
    """
    if where is not None:
        pred, ref = pred & where, ref & where
    total = int(np.count_nonzero(pred)) + int(np.count_nonzero(ref))
    if total == 0:
        return float("nan")
    return 2.0 * int(np.count_nonzero(pred & ref)) / total


def tolerance_band(ref: Mask) -> Mask:
    """Voxels outside a mask that share a face with it within a sagittal slice.

    References that were cleaned leave a gap between neighbouring structures; a prediction that
    closes the gap is not wrong there. The band lies outside the reference only, so that the
    reference itself must still be covered.

    Args:
        ref: (I, J, K) reference mask, k running along the column.

    Returns:
        (I, J, K) mask, one voxel wide along j and k; empty for an empty reference.
    """
    band = np.zeros_like(ref)
    band[:, 1:] |= ref[:, :-1]
    band[:, :-1] |= ref[:, 1:]
    band[:, :, 1:] |= ref[:, :, :-1]
    band[:, :, :-1] |= ref[:, :, 1:]
    return band & ~ref
