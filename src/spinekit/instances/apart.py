"""Bones of a mask that do not touch: each piece one vertebra, if sizes and distances say so.

It knows one mask of bone and nothing of discs, sacrum or names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SPECK_SHARE = 0.08
"""A piece smaller than this share of the largest one is no bone."""
SIZES = (0.4, 1.8)
"""Least and most of a bone's volume, in its neighbours' on either side."""
STEPS = (0.6, 4.5)
"""Least and most from one bone to the next, in the column's usual distance: halves lie nearer, and
what lies farther is no part of the column."""
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
    for cores in (bone, ndimage.binary_erosion(bone, IN_PLANE)):
        numbers = _number_pieces(cores, spacing_mm)
        if numbers is not None:
            return numbers if cores is bone else _grow_back(numbers, bone, spacing_mm)
    return None


def _number_pieces(
    bone: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8] | None:
    """As `number_bones`, of pieces that share no face of a voxel."""
    pieces, count = ndimage.label(bone)
    size = np.bincount(pieces.ravel(), minlength=count + 1)[1:].astype(np.float64)
    large = 1 + np.flatnonzero(size >= SPECK_SHARE * size.max(initial=0.0))
    if not LEAST <= len(large) <= MOST:
        return None
    middle = np.array(ndimage.center_of_mass(bone, pieces, large)) * spacing_mm
    order = np.argsort(middle[:, 2], kind="stable")
    large, middle = large[order], middle[order]
    if not _are_vertebrae(size[large - 1], middle, _are_cut(pieces, large)):
        return None
    table = np.zeros(count + 1, np.uint8)
    table[large] = np.arange(1, len(large) + 1)
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
    size: NDArray[np.float64], middle_mm: NDArray[np.float64], is_cut: NDArray[np.bool_]
) -> bool:
    """Whether pieces from below have the sizes and distances of vertebrae.

    Args:
        size: (n,) of each, in any unit.
        middle_mm: (n, 3) of each.
        is_cut: (n,) which are cut, and may be of any size.
    """
    for n, own in enumerate(size):
        beside = [*range(max(0, n - NEIGHBOURS), n), *range(n + 1, n + 1 + NEIGHBOURS)]
        usual = np.median([size[m] for m in beside if m < len(size)])
        if own > SIZES[1] * usual or (own < SIZES[0] * usual and not is_cut[n]):
            return False
    ways = np.diff(middle_mm, axis=0)
    steps = np.linalg.norm(ways, axis=1)
    if (ways[:, 2] < RISE * steps).any():
        return False
    steps /= np.median(steps)
    return bool(STEPS[0] <= steps.min() and steps.max() <= STEPS[1])
