"""Which sagittal slices a network sees together, in training and prediction alike.

Knows nothing of networks or of what the slices show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def neighbour_slices(
    total: int, *, slice_mm: float, neighbour_mm: float, context: int
) -> NDArray[np.intp]:
    """Every slice with the ones beside it, from left to right in the scan's frame i→R.

    Args:
        total: Slices of the scan.
        slice_mm: From one slice to the next.
        neighbour_mm: From a slice to its neighbour; rounded to whole slices, one at least.
        context: Slices seen together, an odd number; the middle one is the slice itself.

    Returns:
        (total, context) indices; beyond the ends the outermost slice is repeated.
    """
    step = max(1, round(neighbour_mm / slice_mm))
    offsets = (np.arange(context) - context // 2) * step
    return np.clip(np.arange(total)[:, None] + offsets, 0, total - 1)
