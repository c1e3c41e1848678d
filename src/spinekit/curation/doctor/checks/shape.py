"""Holes, stray voxels, slices left out, and structures cut by the edge.

It knows shapes of single structures. Small pieces close by are how thick slices show thin
processes, and are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.curation.doctor.census import Census, Structure
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

HOLE_MM3, HOLE_VOXELS = 60.0, 4
"""Smaller holes are veins and noise."""
SPECK_GAP_MM = 22.0
"""Farther than this from its structure, nothing belongs to it."""
CUT_GAP_MM = 45.0
"""The same of a structure that the upper or lower edge cuts: of a vertebra, body and spinous
process may both be in view, and what joins them not."""
FULL = 0.5
"""Of the largest area: a slice with so much of a structure shows it fully."""
SPECK_MM3 = 500.0
"""A larger piece far away is no stray voxel: a spinous process behind the canal, or a second
structure."""
LEAST_KNOWN_MM3 = 3000.0
"""A vertebra, disc or other structure smaller than this has no shape to judge pieces by."""
LEAST_DISC_MM3 = 800.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report holes, specks, skipped slices and cut structures."""
    column = evidence.column
    if column is None:
        return
    census = column.census
    doubled = {double.structure.name for double in column.doubles}
    mixed = {structure.name for mix in column.mixes for structure in (mix.main, mix.other)}
    for structure in census.structures:
        if structure.name in doubled or not _has_shape(census, structure):
            continue
        yield from _holes(evidence, census, structure)
        skipped = list(_skipped(evidence, census, structure))
        yield from skipped
        if not skipped and structure.name not in mixed:
            yield from _specks(evidence, census, structure)


def _has_shape(census: Census, structure: Structure) -> bool:
    """Whether it is one structure, whole enough to tell what belongs to it."""
    if structure.kind == "other" and not census.layers[structure.layer].mask.binary:
        return False
    size = structure.voxels * census.grid.voxel_mm3
    return size >= (LEAST_DISC_MM3 if structure.kind == "disc" else LEAST_KNOWN_MM3)


def _holes(evidence: Evidence, census: Census, structure: Structure) -> Iterator[Finding]:
    mask, box = census.mask_of(structure), structure.box
    hollow = ndimage.binary_fill_holes(mask) & ~census.marked[box]
    numbered, count = ndimage.label(hollow)
    if count == 0:
        return
    sizes = np.bincount(numbered.ravel())[1:]
    largest = int(sizes.argmax())
    volume = float(sizes[largest]) * census.grid.voxel_mm3
    if volume < HOLE_MM3 or sizes[largest] < HOLE_VOXELS:
        return
    spot = np.argwhere(numbered == largest + 1).mean(axis=0) + [side.start for side in box]
    text = f"{structure.name} has a hole of {sizes[largest]} voxels ({volume:.0f} mm³)"
    yield evidence.finding("hole", text, structure, spot=spot)


def _specks(evidence: Evidence, census: Census, structure: Structure) -> Iterator[Finding]:
    least_mm = CUT_GAP_MM if census.is_cut(structure) else SPECK_GAP_MM
    far = [
        piece
        for piece in structure.pieces[1:]
        if piece.gap_mm > least_mm and piece.voxels * census.grid.voxel_mm3 < SPECK_MM3
    ]
    # A sacrum may leave the scan and come back as coccyx.
    if not far or structure.kind == "sacrum":
        return
    voxels = sum(piece.voxels for piece in far)
    gap = max(piece.gap_mm for piece in far)
    text = (
        f"{voxels} voxels in {len(far)} piece{'s' if len(far) > 1 else ''} named {structure.name} "
        f"lie up to {gap:.0f} mm away from it"
    )
    yield evidence.finding("specks", text, structure, spot=far[0].spot_ijk)


def _skipped(evidence: Evidence, census: Census, structure: Structure) -> Iterator[Finding]:
    """A slice without the structure between two that have it, along the thickest spacing."""
    spacing = census.grid.spacing_mm
    axis = int(np.argmax(spacing))
    if spacing[axis] < 1.5 * sorted(spacing)[1]:
        return
    mask = census.mask_of(structure)
    others = tuple(n for n in range(3) if n != axis)
    areas = mask.sum(axis=others)
    thick = np.flatnonzero(areas >= 0.3 * areas.max())
    empty = [n for n in range(thick[0], thick[-1] + 1) if areas[n] == 0]
    if not empty or (census.is_cut(structure) and not _is_single(empty, areas)):
        return
    spot = [*structure.centre_ijk]
    spot[axis] = empty[0] + structure.box[axis].start
    text = f"{structure.name} is not marked in slice {int(spot[axis])}, but on both sides of it"
    yield evidence.finding("slice-skipped", text, structure, spot=spot)


def _is_single(empty: list[int], areas: NDArray[np.integer]) -> bool:
    """Whether one slice is empty between two full ones.

    What an edge leaves of a vertebra may be two processes, with the canal's width between them.
    """
    beside = min(areas[empty[0] - 1], areas[empty[-1] + 1])
    return len(empty) == 1 and bool(beside >= FULL * areas.max())
