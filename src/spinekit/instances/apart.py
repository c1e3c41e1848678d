"""Bones of a mask that do not touch: each piece one vertebra, if sizes and distances say so.

It knows one mask of bone and nothing of discs, sacrum or names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SPECK_SHARE, NEAR_MM = 0.08, 60.0
"""A piece smaller than this share of the largest one within so many mm of height is no bone: the
bodies of one column grow tenfold and more from the neck to the loin."""
SIZES = (0.4, 1.8)
"""Least and most of a bone's volume, in its neighbours' on either side."""
TOP_SIZES, TOP_RISE, NECK_MM3 = (0.0, 2.6), 0.5, 8000.0
"""SIZES and RISE of the first two bones where those beside them are no larger than the bodies of a
neck, mm³: they may be C1's arch, small and in front of the dens, and C2, with the dens 2.3 of the
next ones."""
STEPS = (0.6, 4.5)
"""Least and most from one bone to the next, in the column's usual distance: halves lie nearer, and
what lies farther is no part of the column."""
WHOLE = 0.75
"""Least volume, in its neighbours', of a bone near which the edge cuts another: of one body that is
cut and broken, the other half has less."""
RISE = 0.64
"""Least share of the way from one bone to the next that leads upwards, 50° off the vertical: what
lies beside the column rises less."""
NEIGHBOURS = 2
"""How many on either side a bone is compared with."""
LEAST = 3
"""So many bones at least tell what is usual."""
MOST = 254
"""Numbers that a map holds."""
IN_PLANE = ndimage.generate_binary_structure(2, 1)[None]
"""A voxel and the four beside it in a sagittal slice: what touches by less is parted."""


def number_bones(
    bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8] | None:
    """Number the pieces of a mask, if each is a vertebra by itself.

    A curve through voxels turns at a column's ends, where a tilted body is wider than high, so that
    splitting along it may cut that body in two; pieces that do not touch need no splitting.

    Args:
        bone: (I, J, K); i to the right, j to the front, k upwards. Bones may touch by a voxel.
        spacing_mm: voxel size.

    Returns:
        (I, J, K) a number per bone from below, 0 for specks and background; None where a piece is
        too large or too small for one vertebra, lies too near to the next, too far from it or
        beside it, or too few are there.
    """
    whole = _without_specks(bone, spacing_mm)
    numbers = _number_pieces(whole, spacing_mm)
    if numbers is not None:
        return numbers
    cores = _without_specks(ndimage.binary_erosion(whole, IN_PLANE), spacing_mm)
    numbers = _number_pieces(cores, spacing_mm)
    if numbers is None:
        return None
    grown = _grow_back(numbers, whole, spacing_mm)
    pieces, count = ndimage.label(whole)
    # A thin bone may have no core: it is none the less one.
    is_lost = len(np.unique(pieces[grown > 0])) < count
    return None if is_lost else grown


def _without_specks(
    bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """The mask without pieces far smaller than what lies at their height."""
    pieces, count = ndimage.label(bone)
    size = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    middle = np.reshape(ndimage.center_of_mass(bone, pieces, np.arange(1, count + 1)), (-1, 3))
    layer = np.rint(middle[:, 2]).astype(np.int64)
    largest = np.zeros(bone.shape[2], np.int64)
    np.maximum.at(largest, layer, size)
    near = ndimage.maximum_filter1d(largest, 2 * int(NEAR_MM / spacing_mm[2]) + 1)
    return np.append(False, size >= SPECK_SHARE * near[layer])[pieces]


def _number_pieces(
    bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8] | None:
    """As `number_bones`, of pieces that share no face of a voxel and are no specks."""
    pieces, count = ndimage.label(bone)
    if not LEAST <= count <= MOST:
        return None
    middle = np.array(ndimage.center_of_mass(bone, pieces, np.arange(1, count + 1))) * spacing_mm
    size_mm3 = (np.bincount(pieces.ravel())[1:] * np.prod(spacing_mm)).astype(np.float64)
    order = np.argsort(middle[:, 2], kind="stable")
    if not _are_vertebrae(size_mm3[order], middle[order], _are_cut(pieces, 1 + order)):
        return None
    table = np.zeros(count + 1, np.uint8)
    table[1 + order] = np.arange(1, count + 1)
    return table[pieces]


def _grow_back(
    numbers: NDArray[np.uint8], bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """Every voxel of the mask beside a numbered one with the number of the nearest."""
    away_mm, nearest = ndimage.distance_transform_edt(
        numbers == 0, sampling=spacing_mm, return_indices=True
    )
    near = bone & (away_mm <= 2.0 * max(spacing_mm[1:]))
    return np.where(near, numbers[tuple(nearest)], 0).astype(np.uint8)


def _are_cut(pieces: NDArray[np.integer], numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """(n,) which pieces the upper or lower edge cuts."""
    return np.isin(numbers, np.union1d(pieces[:, :, 0], pieces[:, :, -1]))


def _are_vertebrae(
    size_mm3: NDArray[np.float64], middle_mm: NDArray[np.float64], is_cut: NDArray[np.bool_]
) -> bool:
    """Whether pieces from below have the sizes and distances of vertebrae.

    Args:
        size_mm3: (n,) of each.
        middle_mm: (n, 3) of each.
        is_cut: (n,) which are cut: they may be of any size, and nearer to the next whole one.
    """
    usual = _usual(size_mm3)
    is_top = (np.arange(len(usual)) >= len(usual) - 2) & (usual <= NECK_MM3)
    least, most = (np.where(is_top, *pair) for pair in zip(TOP_SIZES, SIZES, strict=True))
    if (size_mm3 > most * usual).any() or ((size_mm3 < least * usual) & ~is_cut).any():
        return False
    ways = np.diff(middle_mm, axis=0)
    steps = np.linalg.norm(ways, axis=1)
    if (ways[:, 2] < np.where(is_top[:-1], TOP_RISE, RISE) * steps).any():
        return False
    steps /= np.median(steps)
    may_be_near = is_cut | (size_mm3 >= WHOLE * usual)
    may_be_near = (is_cut[1:] | is_cut[:-1]) & may_be_near[1:] & may_be_near[:-1]
    return bool(steps[~may_be_near].min(initial=np.inf) >= STEPS[0] and steps.max() <= STEPS[1])


def _usual(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the median size of up to NEIGHBOURS on either side of each."""
    rows = range(len(size))
    beside = [[m for m in rows if 0 < abs(m - n) <= NEIGHBOURS] for n in rows]
    return np.array([np.median(size[near]) for near in beside])
