"""The anterior arch of the atlas, which lies in front of the dens and not above it.

It knows the top of the column and nothing of names. A network calls the whole ring posterior
elements, which in front of the dens can be nothing else; in a mask where the arch is body like the
dens, two bodies side by side at the top of a neck are looked for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from spinekit.anatomy.parts import POSTERIOR
from spinekit.instances.bodies import Planes
from spinekit.instances.column import Column, coords_mm
from spinekit.instances.profile import BIN_MM, NECK_DEPTH_MM, Profile

MIN_ARCH_MM3 = 80.0
"""What is smaller in front of the dens is no arch, mm³."""
MAX_SHARE = 0.6
"""The arch is smaller than the axis: at most this share of the topmost stretch."""
IN_FRONT_MM = 5.0
"""Least distance of the arch's centre in front of the dens, mm."""
BORDER_MM = 9.0
"""How far below the centre of the anterior arch the posterior arch still reaches, mm."""
RING_FRONT_MM = 2.0
"""Of a ring, what lies this far in front of the dens's axis is its anterior arch, mm."""
RING_BESIDE_MM = 11.0
"""And this near the middle, mm."""
RING_HEIGHTS_MM = (-6.0, 28.0)
"""From above the tip of the dens to below it, mm."""

Floats = NDArray[np.float32]


def take_arch(
    column: Column, profile: Profile, spacing_mm: tuple[float, float, float]
) -> tuple[Column, NDArray[np.intp]]:
    """Take posterior elements in front of the dens out of the column: they are C1's anterior arch.

    Args:
        column: parts and straightened coordinates.
        profile: depth of the bodies along the column, and where it begins.
        spacing_mm: voxel size.

    Returns:
        The column without these voxels, and their indices (n, 3); none where the column's top is
        no neck.
    """
    nothing = np.zeros((0, 3), dtype=np.intp)
    top = profile.extent[0]
    if profile.depth_mm[top : top + round(RING_HEIGHTS_MM[1])].mean() >= NECK_DEPTH_MM:
        return column, nothing
    mask = column.parts == POSTERIOR
    t, u, v = column.curve.straighten(coords_mm(mask, spacing_mm)).T
    mine = (v > RING_FRONT_MM) & (np.abs(u) < RING_BESIDE_MM)
    below = t - top * BIN_MM
    mine &= (below > RING_HEIGHTS_MM[0]) & (below < RING_HEIGHTS_MM[1])
    before = np.zeros_like(mask)
    before[mask] = mine
    labels, count = ndimage.label(before, structure=np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel(), minlength=count + 1)
    size[0] = 0
    if size.max(initial=0) * float(np.prod(spacing_mm)) < MIN_ARCH_MM3:
        return column, nothing
    arch = labels == size.argmax()
    parts = np.where(arch, np.uint8(0), column.parts)
    return replace(column, parts=parts), np.argwhere(arch)


def add_arch(
    stretch: NDArray[np.int64], planes: Planes, arch: Floats
) -> tuple[NDArray[np.int64], Planes, int]:
    """Make room for an anterior arch above all other stretches.

    Args:
        stretch: (N,) stretch of the body voxels.
        planes: the separators.
        arch: (n, 3) straightened coordinates of the arch, n > 0.

    Returns:
        Stretches moved down by one, planes with one more below the arch, and the arch's stretch.
    """
    used = stretch[stretch >= 0]
    top = int(used.min()) if len(used) else 0
    border = float(arch[:, 0].mean()) + BORDER_MM
    if top < len(planes.at):
        border = min(border, float(planes.at[top]) - 1.0)
    at = np.insert(planes.at, top, border)
    right, front = (np.insert(slope, top, 0.0) for slope in (planes.right, planes.front))
    moved = np.where(stretch >= 0, stretch + 1, stretch)
    return moved, Planes(at.astype(np.float32), right, front), top


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
        planes: the separators; without any, nothing changes.
        depth_mm: depth of the bodies per mm of the curve.
        voxel_mm3: volume of one voxel.

    Returns:
        Stretches and planes; where an arch is found it becomes the topmost stretch, the others move
        down by one and a plane is added above.
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
    moved, planes, top = add_arch(stretch, planes, straight[mine][piece == arch])
    moved[np.flatnonzero(mine)[piece == arch]] = top
    return moved, planes


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
