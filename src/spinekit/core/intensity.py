"""The one intensity normalisation, shared by training and prediction.

Knows no geometry, contrast or scanner: numbers in, numbers in [0, 1] out.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOW_PERCENTILE = 0.5
"""Everything below this percentile of the scan becomes 0: air and outliers."""
HIGH_PERCENTILE = 99.5
"""Everything above this percentile becomes 1: bright fat by the coil, vessels, metal."""
_ENOUGH_SAMPLES = 1_000_000
"""Percentiles of larger scans come from a regular lattice of about this many voxels."""
_SAFE_RANGE = (1e-30, 1e30)
"""Ranges outside are divided in float64, where float32 would overflow or vanish."""


def normalise_intensity(array: NDArray[Any]) -> NDArray[np.float32]:
    """Clip at the 0.5 and 99.5 percentiles of the finite voxels and map to [0, 1].

    Args:
        array: Image of any shape. NaN becomes 0, +Inf 1 and -Inf 0.

    Returns:
        float32 of the same shape. A constant, empty or wholly non-finite array gives zeros.
    """
    image = np.asarray(array, dtype=np.float32)
    low, high = robust_range(image)
    if not high > low:
        return np.zeros(image.shape, np.float32)
    safe = _SAFE_RANGE[0] < high - low < _SAFE_RANGE[1]
    kind = np.float32 if safe else np.float64
    result: NDArray[Any] = np.clip(image, low, high).astype(kind, copy=False)
    result -= kind(low)
    result /= kind(high - low)
    result = result.astype(np.float32, copy=False)
    np.nan_to_num(result, copy=False, nan=0.0)
    return np.clip(result, 0, 1, out=result)


def robust_range(image: NDArray[np.float32]) -> tuple[float, float]:
    """The 0.5 and 99.5 percentiles of the finite voxels; (0, 0) where there are none.

    Where both are one value the lowest and the highest take their place.

    Args:
        image: Of any shape.
    """
    step = max(1, math.ceil(math.sqrt(image.size / _ENOUGH_SAMPLES)))
    samples = image[..., ::step, ::step] if image.ndim > 1 else image
    samples = samples[np.isfinite(samples)]
    if samples.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(samples, (LOW_PERCENTILE, HIGH_PERCENTILE)).tolist()
    if not high > low:
        # Almost everything has one value: only the full range can tell the rest apart.
        finite = image[np.isfinite(image)]
        low, high = float(finite.min()), float(finite.max())
    return low, high
