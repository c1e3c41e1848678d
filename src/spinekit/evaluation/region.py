"""The stretch of the column in which a scan is annotated.

Knows the annotated voxels of one kind of structure, not what was predicted.
"""

import numpy as np
from numpy.typing import NDArray

from spinekit.metrics.dice import Mask
from spinekit.metrics.surface import Spacing

MARGIN_MM = 3.0  # beyond the outermost annotated voxel
SLAB_MM = 20.0  # height of the pieces that stand in for instances along a tube


def annotated_region(
    annotated: Mask, spacing_mm: Spacing, *, instances: NDArray[np.integer] | None = None
) -> Mask:
    """Voxels between the outermost annotated structures along the column, plus 3 mm.

    The two ends are planes at right angles to the column, whose direction there is the line
    through the centres of the two outermost instances. So the region ends along the tilted
    endplate of L5 rather than at a height that the sacrum shares.

    Args:
        annotated: (I, J, K) everything annotated of one kind, k→S.
        spacing_mm: voxel size along i, j, k.
        instances: (I, J, K) its instances. Without two of them, as for a canal, pieces 20 mm
            high take their place.

    Returns:
        (I, J, K) mask; nothing is inside when nothing is annotated.
    """
    if not annotated.any():
        return np.zeros(annotated.shape, dtype=bool)
    voxels = np.argwhere(annotated)
    voxels_mm = voxels * np.asarray(spacing_mm)
    centres: list[NDArray[np.float64]] = []
    if instances is not None:
        labels = instances[tuple(voxels.T)]
        centres = _centres(voxels_mm[labels > 0], labels[labels > 0])
    if len(centres) < 2:
        centres = _centres(voxels_mm, (voxels_mm[:, 2] // SLAB_MM).astype(int))
    region = np.ones(annotated.shape, dtype=bool)
    for outward in _outward_directions(centres):
        limit_mm = float((voxels_mm @ outward).max()) + MARGIN_MM
        i, j, k = (
            np.arange(size) * step * part
            for size, step, part in zip(annotated.shape, spacing_mm, outward, strict=True)
        )
        region &= i[:, None, None] + j[None, :, None] + k[None, None, :] <= limit_mm
    return region


def _centres(
    voxels_mm: NDArray[np.float64], labels: NDArray[np.integer]
) -> list[NDArray[np.float64]]:
    """Centres of all labels from the lowest to the highest."""
    found = [voxels_mm[labels == label].mean(axis=0) for label in np.unique(labels)]
    return sorted(found, key=lambda centre: float(centre[2]))


def _outward_directions(
    centres: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors out of the lower and the upper end, within the sagittal plane."""
    up = np.array([0.0, 0.0, 1.0])
    if len(centres) < 2:
        return -up, up
    ends = []
    for inner, outer in ((centres[1], centres[0]), (centres[-2], centres[-1])):
        step = (outer - inner) * np.array([0.0, 1.0, 1.0])
        ends.append(step / np.linalg.norm(step))
    return ends[0], ends[1]
