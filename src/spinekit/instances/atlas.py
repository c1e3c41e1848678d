"""The anterior arch of the atlas, which lies in front of the dens and not above it.

It knows the topmost stretch of the column and nothing of names: it looks for two bodies side by
side at the top of a neck.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from spinekit.instances.bodies import Planes
from spinekit.instances.profile import NECK_DEPTH_MM

MIN_ARCH_MM3 = 80.0
MAX_SHARE = 0.6
"""The arch is smaller than the axis: at most this share of the topmost stretch."""
IN_FRONT_MM = 5.0
"""Least distance of the arch's centre in front of the dens, mm."""
BORDER_MM = 9.0
"""How far below the centre of the anterior arch the posterior arch still reaches, mm."""

Floats = NDArray[np.float32]


def part_atlas(
    mask: NDArray[np.bool_],
    straight: Floats,
    stretch: NDArray[np.int64],
    planes: Planes,
    depth_mm: NDArray[np.float64],
    voxel_mm3: float,
) -> tuple[NDArray[np.int64], Planes]:
    """Give the anterior arch of C1 a stretch of its own.

    Args:
        mask: (I, J, K) body voxels.
        straight: (N, 3) their straightened coordinates, in the order of np.nonzero.
        stretch: (N,) their stretch.
        planes: the separators, at least one.
        depth_mm: depth of the bodies per mm of the curve.
        voxel_mm3: volume of one voxel.

    Returns:
        Stretches and planes; where an arch is found it is stretch 0, the others move down by one
        and a plane is added above.
    """
    used = stretch[stretch >= 0]
    if len(used) == 0 or len(planes.at) == 0:
        return stretch, planes
    top = int(used.min())
    mine = stretch == top
    lowest = int(np.clip(np.quantile(straight[mine, 0], 0.9), 0, len(depth_mm) - 1))
    if depth_mm[lowest] >= NECK_DEPTH_MM or top >= len(planes.at):
        return stretch, planes
    piece = _pieces(mask, mine)
    arch = _find_arch(piece, straight[mine], voxel_mm3)
    if arch is None:
        return stretch, planes
    moved = np.where(stretch >= 0, stretch + 1, stretch)
    moved[np.flatnonzero(mine)[piece == arch]] = top
    border = float(straight[mine][piece == arch, 0].mean()) + BORDER_MM
    at = np.insert(planes.at, top, min(border, float(planes.at[top]) - 1.0))
    flat = [np.insert(slope, top, 0.0) for slope in (planes.right, planes.front)]
    return moved, Planes(at.astype(np.float32), flat[0], flat[1])


def _pieces(mask: NDArray[np.bool_], mine: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(n,) connected piece of each voxel of the stretch, after a cut where two barely touch."""
    where = np.argwhere(mask)[mine]
    low = where.min(axis=0)
    crop = np.zeros(where.max(axis=0) - low + 1, dtype=bool)
    crop[tuple((where - low).T)] = True
    labels, count = ndimage.label(crop)
    eroded = ndimage.binary_erosion(crop, structure=np.ones((1, 3, 3)))
    cores, core_count = ndimage.label(eroded)
    if core_count > count and core_count > 1:
        seeds = np.argwhere(cores)
        nearest = spatial.cKDTree(seeds).query(where - low)[1]
        return cores[tuple(seeds.T)][nearest].astype(np.int64)
    return labels[tuple((where - low).T)].astype(np.int64)


def _find_arch(piece: NDArray[np.int64], straight: Floats, voxel_mm3: float) -> int | None:
    """The piece in front of the upper half of the largest one, if there is one."""
    size = np.bincount(piece)
    size[0] = 0
    axis = int(size.argmax())
    dens = straight[piece == axis]
    middle = float(np.median(dens[:, 0]))
    found = None
    for n in np.flatnonzero(size * voxel_mm3 >= MIN_ARCH_MM3):
        if n == axis or size[n] > MAX_SHARE * size.sum():
            continue
        other = straight[piece == n]
        beside = dens[np.abs(dens[:, 0] - other[:, 0].mean()) < 8.0]
        level = beside if len(beside) else dens
        in_front = other[:, 2].mean() - level[:, 2].mean()
        is_higher = other[:, 0].mean() < middle + 3.0
        if in_front > IN_FRONT_MM and is_higher and (found is None or size[n] > size[found]):
            found = int(n)
    return found
