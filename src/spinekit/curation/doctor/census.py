"""A census of a case's masks: every structure with its size, place and pieces.

It knows label maps on one grid; what is right or wrong about them is decided in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from spinekit.core.grid import Grid
from spinekit.curation.doctor.meaning import Kind, kind_of, rank_of
from spinekit.curation.doctor.specimen import Specimen
from spinekit.curation.layer import Layer

Box = tuple[slice, slice, slice]
CUT_SHARE = 0.1
"""Of the structure: a piece so large at an edge means that the scan cuts the structure."""
_TOUCHING = np.ones((3, 3, 3), bool)
"""Voxels that share a corner belong to one piece."""


@dataclass(frozen=True)
class Piece:
    """A connected piece of a structure."""

    voxels: int
    centre_ijk: tuple[float, float, float]
    box: Box
    gap_mm: float
    """Shortest distance to the largest piece of the same structure; 0 for that piece itself."""
    spot_ijk: tuple[float, float, float]
    """A voxel inside."""


@dataclass(frozen=True, eq=False)
class Structure:
    """What one mask calls by one name."""

    name: str
    value: int
    layer: int
    """Index of its mask among the layers."""
    box: Box
    """Smallest box around it."""
    voxels: int
    centre_ijk: tuple[float, float, float]
    centre_ras_mm: NDArray[np.float64]
    pieces: tuple[Piece, ...]
    """Largest first."""

    @property
    def kind(self) -> Kind:
        """Vertebra, disc and so on."""
        return kind_of(self.name)

    @property
    def rank(self) -> float | None:
        """Place in the column, downwards; None without a level."""
        return rank_of(self.name)


@dataclass(frozen=True)
class Census:
    """All structures of a case."""

    grid: Grid
    layers: tuple[Layer, ...]
    structures: tuple[Structure, ...]

    @cached_property
    def levels(self) -> tuple[Structure, ...]:
        """Structures with a level, from the top by name."""
        ranked = [(s.rank, s) for s in self.structures if s.rank is not None]
        return tuple(s for _, s in sorted(ranked, key=lambda pair: pair[0]))

    def of_kind(self, kind: Kind) -> tuple[Structure, ...]:
        """Structures of one kind, from the top where they have a level."""
        found = [s for s in self.structures if s.kind == kind]
        return tuple(sorted(found, key=lambda s: -1.0 if s.rank is None else s.rank))

    def mask_of(self, structure: Structure) -> NDArray[np.bool_]:
        """The voxels of one of these structures, as a mask of its box."""
        layer = self.layers[structure.layer]
        array = layer.volume.array[structure.box]
        return array != 0 if layer.mask.binary else array == structure.value

    def is_cut(self, structure: Structure) -> bool:
        """Whether it reaches the upper or lower edge, so that more of it may lie outside."""
        letters = self.grid.orientation
        large = [p for p in structure.pieces if p.voxels >= CUT_SHARE * structure.voxels]
        for axis in range(3):
            if letters[axis] in "SI":
                size = self.grid.shape[axis]
                return any(p.box[axis].start == 0 or p.box[axis].stop == size for p in large)
        return False

    def union(self, structures: Iterable[Structure]) -> NDArray[np.uint16]:
        """(I, J, K) of 1-based indices into the given structures, 0 elsewhere; the later wins."""
        found = np.zeros(self.grid.shape, np.uint16)
        for index, structure in enumerate(structures, start=1):
            found[structure.box][self.mask_of(structure)] = index
        return found

    @cached_property
    def marked(self) -> NDArray[np.bool_]:
        """(I, J, K): voxels that any mask marks."""
        found = np.zeros(self.grid.shape, bool)
        for layer in self.layers:
            found |= layer.volume.array != 0
        return found


def take_census(specimen: Specimen) -> Census | None:
    """Count the structures of all masks of a case.

    Args:
        specimen: The case, opened.

    Returns:
        The census; None without any usable mask.
    """
    if not specimen.layers:
        return None
    grid = specimen.layers[0].volume.grid
    structures: list[Structure] = []
    for index, layer in enumerate(specimen.layers):
        values, ranks = _ranked(layer)
        for rank, box in enumerate(ndimage.find_objects(ranks), start=1):
            value = values[rank - 1]
            name = layer.names.get(value, f"value {value}")
            structures.append(_describe(name, value, index, box, ranks[box] == rank, grid))
    return Census(grid, specimen.layers, tuple(structures))


def _ranked(layer: Layer) -> tuple[list[int], NDArray[np.uint32]]:
    """The values above 0 that a mask holds, and (I, J, K) of their 1-based places among them.

    A mask of one structure counts as one value. What looks for objects takes memory for every
    number up to the largest, which a value may be far beyond and a place is not.
    """
    array = layer.volume.array
    if layer.mask.binary:
        return [1], (array != 0).astype(np.uint32)
    values = np.unique(array)
    values = values[values > 0]
    ranks = np.empty(array.shape, np.uint32)
    for plane, row in zip(array, ranks, strict=True):
        row[:] = np.searchsorted(values, plane, side="right")
    return values.tolist(), ranks


def _describe(
    name: str, value: int, layer: int, box: Box, mask: NDArray[np.bool_], grid: Grid
) -> Structure:
    pieces = _pieces(mask, box, grid)
    counts = np.array([piece.voxels for piece in pieces], float)
    centre = np.average([piece.centre_ijk for piece in pieces], axis=0, weights=counts)
    i, j, k = centre.tolist()
    return Structure(
        name, value, layer, box, int(counts.sum()), (i, j, k), grid.ijk_to_ras(centre)[0], pieces
    )


def _pieces(mask: NDArray[np.bool_], box: Box, grid: Grid) -> tuple[Piece, ...]:
    """Connected pieces, largest first; gaps are measured from the main piece's surface."""
    numbered, count = ndimage.label(mask, _TOUCHING)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    order = (np.argsort(-sizes, kind="stable") + 1).tolist()
    offset = np.array([side.start for side in box])
    spacing = np.array(grid.spacing_mm)
    boxes = ndimage.find_objects(numbered)
    pieces: list[Piece] = []
    surface: cKDTree | None = None
    for number in order:
        part = boxes[number - 1]
        inside = numbered[part] == number
        voxels = np.argwhere(inside) + [side.start for side in part]
        middle = voxels.mean(axis=0)
        inner = voxels[np.abs(voxels - middle).sum(axis=1).argmin()]
        gap = 0.0
        if surface is not None:
            gap = float(surface.query(voxels[:: max(1, len(voxels) // 500)] * spacing)[0].min())
        elif count > 1:
            hollow = np.pad(inside, 1)
            hollow = (hollow & ~ndimage.binary_erosion(hollow))[1:-1, 1:-1, 1:-1]
            surface = cKDTree((np.argwhere(hollow) + [side.start for side in part]) * spacing)
        i, j, k = (
            slice(side.start + start, side.stop + start)
            for side, start in zip(part, offset.tolist(), strict=True)
        )
        pieces.append(
            Piece(len(voxels), _triple(middle + offset), (i, j, k), gap, _triple(inner + offset))
        )
    return tuple(pieces)


def _triple(point: NDArray[np.floating] | NDArray[np.integer]) -> tuple[float, float, float]:
    i, j, k = (float(n) for n in point)
    return i, j, k
