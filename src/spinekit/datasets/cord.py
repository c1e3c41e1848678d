"""The cord inside a canal mask, seen as the dark tube in bright fluid of T2-weighted scans.

It knows grey values and one mask, no levels and no files. All arrays are (I, J, K) in the frame
i→R, j→A, k→S.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

WINDOW_MM = 12.0
"""Height over which the grey of fluid and of cord is taken to be the same."""
CONTRAST = 1.35
"""Fluid must be brighter than cord by this factor, or nothing is said."""
THIN_MM = 4.5
"""What is thinner from front to back is a bundle of roots: the conus has ended above."""
ROOT_MM = 1.85
"""Radius of the opening, a little less than half of `THIN_MM`."""
SHARE = 0.45
"""Cord is what is darker than this share of the way from its grey to the fluid's."""
SHORT_MM = 15.0
"""A shorter stretch is no cord."""


def cord_in_canal(
    image: NDArray[np.floating], canal: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Find the cord: dark, one piece from the top of the canal mask down, thicker than roots.

    At each height, Otsu's threshold (1979, eq. 12) parts the canal's voxels within `WINDOW_MM` into
    cord and fluid; cord is what is darker than `SHARE` of the way between their medians. Roots are
    removed by opening; the first height from above at which what is left is thinner than
    `THIN_MM` ends it.

    Args:
        image: (I, J, K) T2-weighted intensities.
        canal: (I, J, K) canal with cord.
        spacing_mm: Voxel size.

    Returns:
        (I, J, K) cord; all False where nothing can be told.
    """
    nothing = np.zeros(canal.shape, bool)
    heights = np.flatnonzero(canal.any(axis=(0, 1)))
    if not len(heights):
        return nothing
    box = ndimage.find_objects(canal.astype(np.uint8))[0]
    smooth = ndimage.gaussian_filter(
        image[box].astype(np.float32), [0.0 if mm > 2 else 0.7 / mm for mm in spacing_mm]
    )
    inside = canal[box]
    dark = inside & (smooth < _thresholds(smooth, inside, spacing_mm[2]))
    tube = _opened(dark, spacing_mm, ROOT_MM)
    if not tube.any():
        return nothing
    cord = nothing.copy()
    cord[box] = _from_above(tube, spacing_mm)
    return cord


def _thresholds(
    smooth: NDArray[np.float32], inside: NDArray[np.bool_], step_mm: float
) -> NDArray[np.float32]:
    """(K,) grey between cord and fluid, −inf at heights that show no such contrast."""
    size = inside.shape[2]
    reach = max(1, round(WINDOW_MM / 2 / step_mm))
    found = np.full(size, -np.inf, np.float32)
    for k in range(size):
        stretch = np.s_[:, :, max(0, k - reach) : k + reach + 1]
        values = smooth[stretch][inside[stretch]]
        if len(values) < 20:
            continue
        cut = _otsu(values)
        low, high = values[values < cut], values[values >= cut]
        if len(low) and np.median(high) > CONTRAST * np.median(low):
            found[k] = np.median(low) + SHARE * (np.median(high) - np.median(low))
    return found


def _otsu(values: NDArray[np.float32]) -> float:
    counts, edges = np.histogram(values, bins=64)
    middles = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * middles)
    above = below[-1] + counts[-1] - below
    gap = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + int(np.argmax(below * above * gap**2))])


def _opened(
    mask: NDArray[np.bool_], spacing_mm: tuple[float, float, float], radius_mm: float
) -> NDArray[np.bool_]:
    """Opening in every sagittal plane by a disk, through the distance to its outside."""
    spacing = spacing_mm[1:]
    opened = np.zeros_like(mask)
    for i in np.flatnonzero(mask.any(axis=(1, 2))):
        padded = np.pad(mask[i], ((1, 1), (1, 1)))
        padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
        core = ndimage.distance_transform_edt(padded, sampling=spacing) > radius_mm
        if core.any():
            away = ndimage.distance_transform_edt(~core, sampling=spacing)
            opened[i] = (away <= radius_mm)[1:-1, 1:-1] & mask[i]
    return opened


def _from_above(
    tube: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """The largest piece, down to where it becomes thin."""
    labels, _ = ndimage.label(tube)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    piece = labels == int(sizes.argmax())
    thick = piece.sum(axis=1).max(axis=0) * spacing_mm[1]
    heights = np.flatnonzero(thick)
    thin = heights[thick[heights] < THIN_MM]
    bottom = int(thin.max()) + 1 if len(thin) else int(heights[0])
    kept = piece.copy()
    kept[:, :, :bottom] = False
    tall = np.count_nonzero(kept.any(axis=(0, 1))) * spacing_mm[2]
    return kept if tall >= SHORT_MM else np.zeros_like(kept)
