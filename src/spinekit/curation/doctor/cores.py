"""Bodies and discs found without their names: what a name should cover, and covers.

It knows which voxels bear which name and splits them by shape alone: the inside of a vertebral
body is deep, posterior elements are thin, and discs lie apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.curation.doctor.census import Census, Structure

CORE_DEPTH = 0.55
"""The core of a body lies deeper than this share of the greatest depth under the same name."""
LEAST_DEPTH = 0.45
"""Of the median over all names of the greatest depth: where only a spinous process is in view,
nothing is deep."""
LEAST_BODY = 0.3
"""Of the usual size: smaller lumps are posterior pieces, or cut by an edge."""
SAMPLE_MM = 2.0
"""Voxels are thinned out along an axis as long as they stay this close: shape needs no more."""
_TOUCHING = np.ones((3, 3, 3), bool)


@dataclass(frozen=True)
class Lump:
    """One body or disc, told by shape."""

    counts: dict[int, int]
    """Voxels under each name, by index into the structures given."""
    centre_ijk: tuple[float, float, float]
    centre_ras_mm: NDArray[np.float64]
    voxels: int
    centres_ras_mm: dict[int, NDArray[np.float64]]
    """Centre of the voxels under each name."""

    @property
    def main(self) -> int:
        """The name that most of it bears."""
        return max(self.counts, key=lambda index: self.counts[index])


def find_bodies(census: Census, structures: Sequence[Structure]) -> tuple[Lump, ...]:
    """Vertebral bodies under the names of vertebrae.

    A voxel's depth is its distance to the nearest voxel without any of the names (the edge of the
    scan is no surface). Deep voxels that hang together are the core of a body; the body is what of
    the names lies within the missing depth of its core.

    Args:
        census: Of the case.
        structures: Vertebrae of it.

    Returns:
        Bodies in no particular order; none for no structures.
    """
    if not structures:
        return ()
    tags, offset, stride = _cropped(census, structures)
    sampling = np.array(census.grid.spacing_mm) * stride
    depth = ndimage.distance_transform_edt(tags > 0, sampling=sampling)
    deepest = ndimage.maximum(depth, tags, np.arange(len(structures) + 1))
    deepest = np.asarray(deepest)
    limits = np.maximum(CORE_DEPTH * deepest, LEAST_DEPTH * np.median(deepest[1:]))[tags]
    core = (tags > 0) & (depth >= limits)
    numbered, count = ndimage.label(core, _TOUCHING)
    away, nearest = ndimage.distance_transform_edt(
        numbered == 0, sampling=sampling, return_indices=True
    )
    owner = numbered[tuple(nearest)]
    reach = np.asarray(ndimage.maximum(depth, numbered, np.arange(count + 1)))[owner]
    owner[(tags == 0) | (away > (1 - CORE_DEPTH) * reach + 1e-3)] = 0
    return _large(_lumps(census, tags, owner, offset, stride))


def find_discs(census: Census, structures: Sequence[Structure]) -> tuple[Lump, ...]:
    """Discs under the names of discs: what hangs together.

    Args:
        census: Of the case.
        structures: Discs of it.

    Returns:
        Discs in no particular order; none for no structures.
    """
    if not structures:
        return ()
    tags, offset, stride = _cropped(census, structures)
    numbered, _ = ndimage.label(tags > 0, _TOUCHING)
    return _large(_lumps(census, tags, numbered, offset, stride))


def column_axis(points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vector along which points (N, 3) lie, of either sign; N of at least 2.

    The first principal axis (Pearson 1901, "On lines and planes of closest fit").
    """
    centred = points_mm - points_mm.mean(axis=0)
    axis: NDArray[np.float64] = np.linalg.svd(centred, full_matrices=False)[2][0]
    return axis


def level_step_mm(lumps: Sequence[Lump]) -> float:
    """Median distance in mm between neighbouring lumps along the column.

    Returns:
        Infinity for fewer than two. Lumps closer than 8 mm are no neighbours but one structure.
    """
    if len(lumps) < 2:
        return float("inf")
    points = np.array([lump.centre_ras_mm for lump in lumps])
    along = np.sort(points @ column_axis(points))
    steps = np.diff(along)
    steps = steps[steps > 8.0]
    return float(np.median(steps)) if steps.size else float("inf")


def _large(lumps: tuple[Lump, ...]) -> tuple[Lump, ...]:
    """Those of a body's or disc's size; usual is that of the median voxel's lump."""
    if not lumps:
        return ()
    sizes = np.sort([lump.voxels for lump in lumps])
    usual = float(sizes[np.searchsorted(sizes.cumsum(), sizes.sum() / 2)])
    return tuple(lump for lump in lumps if lump.voxels >= LEAST_BODY * usual)


def _cropped(
    census: Census, structures: Sequence[Structure]
) -> tuple[NDArray[np.uint16], NDArray[np.intp], NDArray[np.intp]]:
    """Thinned box around the structures: 1-based indices, the box's first voxel, the step."""
    tags = census.union(structures)
    starts = [max(0, min(s.box[axis].start for s in structures) - 1) for axis in range(3)]
    stops = [max(s.box[axis].stop for s in structures) + 1 for axis in range(3)]
    stride = [max(1, int(SAMPLE_MM // mm)) for mm in census.grid.spacing_mm]
    box = tuple(slice(a, b, n) for a, b, n in zip(starts, stops, stride, strict=True))
    return tags[box], np.array(starts), np.array(stride)


def _lumps(
    census: Census,
    tags: NDArray[np.uint16],
    owner: NDArray[np.int32],
    offset: NDArray[np.intp],
    stride: NDArray[np.intp],
) -> tuple[Lump, ...]:
    dense = int(np.prod(stride))
    lumps = []
    for number, box in enumerate(ndimage.find_objects(owner), start=1):
        if box is None:
            continue
        voxels = np.argwhere(owner[box] == number)
        under = tags[box][tuple(voxels.T)].astype(int) - 1
        voxels = (voxels + [side.start for side in box]) * stride + offset
        counts = np.bincount(under) * dense
        found = [int(index) for index in np.flatnonzero(counts)]
        i, j, k = voxels.mean(axis=0).tolist()
        centres = {n: census.grid.ijk_to_ras(voxels[under == n].mean(axis=0))[0] for n in found}
        lumps.append(
            Lump(
                {n: int(counts[n]) for n in found},
                (i, j, k),
                census.grid.ijk_to_ras((i, j, k))[0],
                len(voxels) * dense,
                centres,
            )
        )
    return tuple(lumps)
