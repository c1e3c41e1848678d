"""The column as a case's masks mark it: vertebrae and discs by name, and by shape.

It knows one case and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spinekit.curation.doctor.census import Census, Structure
from spinekit.curation.doctor.cores import (
    Lump,
    column_axis,
    find_bodies,
    find_discs,
    level_step_mm,
)

APART = 0.6
"""In usual distances along the column: structures farther apart are two."""
LEAST_WHOLE = 0.6
"""Of the median structure: one so large under a name without a body of its own is a whole vertebra
fused to its neighbour, not part of it."""
LEAST_CUT = 0.3
"""The same for one that the upper or lower edge cuts."""
ABOVE = 0.45
"""In usual distances along the column: the middle of what is left of a vertebra at an edge lies
farther than this from its neighbour's; two names that lie closer share one body."""
LEAST_HOME = 0.3
"""Of a lump: a name found nowhere else that covers so much of it is what the lump should be
called, though a name with a lump of its own covers more."""
LONGEST_STEP_MM = 60.0
"""No two neighbouring levels are farther apart."""
USUAL_STEP_MM = 25.0
"""Where a case marks too little to measure one: between cervical and lumbar."""


LEAST_SHARE = 0.1
"""Of a body or disc, that another name must cover to be told."""
LEAST_MM3 = 100.0
"""Names that meet at a border swap a few voxels; less than this is no mix."""


@dataclass(frozen=True)
class Mix:
    """Two names on one structure."""

    main: Structure
    other: Structure
    """Its name covers less."""
    share: float
    """Of the body or disc that bears the other name."""
    centre_ras_mm: NDArray[np.float64]
    """Of what bears the other name."""


@dataclass(frozen=True)
class Double:
    """A name on two structures."""

    structure: Structure
    second: Lump
    """The smaller of the two."""
    apart_mm: float
    """Along the column."""


@dataclass(frozen=True)
class Column:
    """Named vertebrae and discs, and the bodies and discs that their shapes tell."""

    census: Census
    vertebrae: tuple[Structure, ...]
    """With a level, from the top by name."""
    discs: tuple[Structure, ...]
    bodies: tuple[Lump, ...]
    """Counts are by index into `vertebrae`."""
    disc_lumps: tuple[Lump, ...]
    """Counts are by index into `discs`."""
    step_mm: float
    """Median distance between neighbouring bodies, or discs; infinity for fewer than two."""

    @cached_property
    def mixes(self) -> tuple[Mix, ...]:
        """Bodies and discs that bear two names."""
        limit = LEAST_MM3 / self.census.grid.voxel_mm3
        return (
            *_mixes(self.census, self.vertebrae, self.bodies, self.step_mm, limit),
            *_mixes(self.census, self.discs, self.disc_lumps, self.step_mm, limit),
        )

    @cached_property
    def doubles(self) -> tuple[Double, ...]:
        """Names that two bodies, or two discs, bear."""
        return (
            *_doubles(self.vertebrae, self.bodies, self.step_mm),
            *_doubles(self.discs, self.disc_lumps, self.step_mm),
        )

    def body_of(self, structure: Structure) -> Lump | None:
        """The largest body or disc that bears mostly this name; None where there is none."""
        for structures, lumps in (
            (self.vertebrae, self.bodies),
            (self.discs, self.disc_lumps),
        ):
            if structure in structures:
                index = structures.index(structure)
                own = [lump for lump in lumps if lump.main == index]
                return max(own, key=lambda lump: lump.counts[index], default=None)
        return None

    def place_of(self, structure: Structure) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """Centre of a structure's body, or of all of it: in RAS mm, and as a voxel."""
        body = self.body_of(structure)
        if body is not None:
            return body.centre_ras_mm, body.centre_ijk
        return structure.centre_ras_mm, structure.centre_ijk

    def are_fused(self, one: Structure, other: Structure) -> bool:
        """Whether two vertebrae are one body by shape."""
        if one not in self.vertebrae or other not in self.vertebrae:
            return False
        pair = {self.vertebrae.index(one), self.vertebrae.index(other)}
        least = [LEAST_WHOLE * lump.voxels / 2 for lump in self.bodies]
        return any(
            pair <= {n for n, count in lump.counts.items() if count >= limit}
            for lump, limit in zip(self.bodies, least, strict=True)
        )


def trace_column(census: Census) -> Column:
    """Find the column in a census.

    Args:
        census: Of a case; one without levels gives empty fields.

    Returns:
        The column.
    """
    vertebrae = tuple(s for s in census.of_kind("vertebra") if s.rank is not None)
    discs = tuple(s for s in census.of_kind("disc") if s.rank is not None)
    bodies, disc_lumps = find_bodies(census, vertebrae), find_discs(census, discs)
    step_mm = level_step_mm(bodies)
    if not np.isfinite(step_mm):
        step_mm = level_step_mm(disc_lumps)
    return Column(census, vertebrae, discs, bodies, disc_lumps, step_mm)


def _doubles(
    structures: Sequence[Structure], lumps: Sequence[Lump], step_mm: float
) -> Iterator[Double]:
    if len(lumps) < 2:
        return
    step = step_mm if np.isfinite(step_mm) else USUAL_STEP_MM
    names = _names_of(lumps)
    for index, structure in enumerate(structures):
        own = [lump for lump, name in zip(lumps, names, strict=True) if name == index]
        own.sort(key=lambda lump: -lump.voxels)
        for other in own[1:]:
            # Halves of one structure lie side by side.
            apart = _apart_mm(lumps, other.centre_ras_mm - own[0].centre_ras_mm)
            if apart >= APART * step:
                yield Double(structure, other, apart)


def _mixes(
    census: Census,
    structures: Sequence[Structure],
    lumps: Sequence[Lump],
    step_mm: float,
    least_voxels: float,
) -> Iterator[Mix]:
    names = _names_of(lumps)
    usual = float(np.median([s.voxels for s in structures])) if structures else 0.0
    for lump, main in zip(lumps, names, strict=True):
        for index, voxels in lump.counts.items():
            if index == main or voxels < max(least_voxels, LEAST_SHARE * lump.voxels):
                continue
            away = lump.centres_ras_mm[index] - lump.centres_ras_mm[main]
            # What an edge leaves may be processes, which lie beside each other as well as below.
            is_cut = census.is_cut(structures[main])
            apart = float(np.linalg.norm(away)) if is_cut else _apart_mm(lumps, away)
            # Two whole structures that touch are one lump to the eye, and rightly named.
            least = LEAST_CUT if census.is_cut(structures[index]) else LEAST_WHOLE
            is_whole = index not in names and structures[index].voxels > least * usual
            if apart > (ABOVE if is_whole else APART) * min(step_mm, LONGEST_STEP_MM):
                continue
            share = voxels / lump.voxels
            yield Mix(structures[main], structures[index], share, lump.centres_ras_mm[index])


def _names_of(lumps: Sequence[Lump]) -> list[int]:
    """What each lump should be called: the name that most of it bears, but for one at home there.

    A name is at home in the lump that holds most of its voxels. Where a neighbour's name covers
    more than half of a body, what is left of its own name still tells which it is.
    """
    homes: dict[int, Lump] = {}
    for lump in lumps:
        for index, voxels in lump.counts.items():
            if index not in homes or voxels > homes[index].counts[index]:
                homes[index] = lump
    names = []
    for lump in lumps:
        own = [
            index
            for index, voxels in lump.counts.items()
            if homes[index] is lump and voxels >= LEAST_HOME * lump.voxels
        ]
        names.append(max(own, key=lump.counts.__getitem__, default=lump.main))
    return names


def _apart_mm(lumps: Sequence[Lump], away_mm: NDArray[np.float64]) -> float:
    """Distance along the column of two places (3,) apart; with two lumps nothing tells its way."""
    if len(lumps) < 3:
        return float(np.linalg.norm(away_mm))
    return float(abs(away_mm @ column_axis(np.array([lump.centre_ras_mm for lump in lumps]))))
