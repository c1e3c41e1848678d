"""Where up and front are by the anatomy, against where the header says they are.

From masks: the column runs upwards along its named levels, and bodies lie in front of canal,
cord and posterior elements. It knows no file. Left and right look alike in a spine, so nobody
can tell them apart here: they are taken from the header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spinekit.core.grid import Grid
from spinekit.curation.doctor.census import Census, Structure
from spinekit.curation.doctor.column import Column
from spinekit.curation.doctor.cores import Lump, column_axis

LEAST_COSINE = 0.77
"""A direction within 40 degrees of an axis is told; a short lordotic stretch may tilt by 30."""
LEAST_SPAN_MM, SLENDER = 40.0, 0.3
"""Centres of a column spread over this at least, and aside by no more than this share of it: a
scan of a body and a half has no direction."""
LEAST_OFFSET_MM = 6.0
"""Bodies' centres lie farther in front of canal and posterior elements than this."""
_LETTERS = (("R", "L"), ("A", "P"), ("S", "I"))


@dataclass(frozen=True)
class AxisReading:
    """What was told of a scan's axes."""

    stated: str
    """By the header: where array axes i, j, k point to, such as `RAS`."""
    found: str
    """By the anatomy; equals `stated` where nothing speaks against it."""
    told: str
    """Which of `S` (up) and `A` (front) were told, such as `SA`; empty for none."""
    source: Literal["masks", "image"]
    names_reversed: bool = False
    """The names run upwards while other evidence says that the header is right."""
    upside_sure: bool = True
    """Something beside the order of names says which end is up."""

    @property
    def is_wrong(self) -> bool:
        """Whether the anatomy contradicts the header."""
        return self.found != self.stated

    @property
    def is_sure(self) -> bool:
        """Whether it may be acted upon unseen.

        The masks' word may; the model's where it exchanges axes and is clear about the front,
        but not where it exchanges the ends of an axis.
        """
        if self.source == "masks":
            return True
        return _unsigned(self.stated) != _unsigned(self.found) and "A" in self.told


def _unsigned(letters: str) -> str:
    return letters.translate(str.maketrans("LPI", "RAS"))


def read_axes(column: Column) -> AxisReading | None:
    """Tell up and front from the masks of a case.

    Args:
        column: What its masks mark.

    Returns:
        The reading; None when the masks tell neither.
    """
    census, vertebrae, bodies = column.census, column.vertebrae, column.bodies
    up, reversed_names, sure = _upwards(census, vertebrae, bodies)
    front = _forwards(census, vertebrae, bodies, up)
    if up is None and front is None:
        return None
    return _reading(
        census.grid, up, front, "masks", names_reversed=reversed_names, upside_sure=sure
    )


def _upwards(
    census: Census, vertebrae: Sequence[Structure], bodies: Sequence[Lump]
) -> tuple[NDArray[np.float64] | None, bool, bool]:
    """Unit vector upwards, whether the names run the other way, and whether more than names say so.

    Where only the names speak, they are believed.
    """
    points, ranks = _ranked_points(census, vertebrae, bodies)
    if len(points) < 2:
        return None, False, True
    axis = column_axis(points)
    along = points @ axis
    span = float(np.ptp(along))
    aside = points - points.mean(axis=0) - np.outer(along - along.mean(), axis)
    if span < LEAST_SPAN_MM or float(np.sqrt((aside**2).sum(axis=1).mean())) > SLENDER * span:
        return None, False, True
    by_names = np.sign(np.sum((ranks[:, None] - ranks) * (along[:, None] - along)))
    up = -axis * (by_names or 1.0)
    others = _ends(census, points, up, bodies)
    if len(points) < 3 or others == 0:
        return up, False, False
    return (up, False, True) if others > 0 else (-up, True, True)


def _ranked_points(
    census: Census, vertebrae: Sequence[Structure], bodies: Sequence[Lump]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres in RAS mm and ranks of bodies and discs."""
    points, ranks = [], []
    for index, structure in enumerate(vertebrae):
        own = [lump for lump in bodies if lump.main == index]
        if own and structure.rank is not None:
            points.append(max(own, key=lambda lump: lump.voxels).centre_ras_mm)
            ranks.append(structure.rank)
    for structure in census.of_kind("disc"):
        if structure.rank is not None:
            points.append(structure.centre_ras_mm)
            ranks.append(structure.rank)
    return np.array(points).reshape(-1, 3), np.array(ranks)


def _ends(
    census: Census, points: NDArray[np.float64], up: NDArray[np.float64], bodies: Sequence[Lump]
) -> int:
    """Whether unnumbered anatomy agrees with `up` (1), contradicts it (-1) or is silent (0)."""
    middle = float(np.median(points @ up))
    for structure in census.of_kind("sacrum"):
        return -1 if float(structure.centre_ras_mm @ up) > middle else 1
    cord, canal = census.of_kind("cord"), census.of_kind("canal")
    if cord and canal:
        above = float((cord[0].centre_ras_mm - canal[0].centre_ras_mm) @ up)
        if abs(above) > 15.0:
            return 1 if above > 0 else -1
    return _growth(bodies, up)


def _growth(bodies: Sequence[Lump], up: NDArray[np.float64]) -> int:
    """Bodies grow downwards: 1 if they do along `up`, -1 if they shrink, 0 if it is unclear."""
    inner = sorted(bodies, key=lambda lump: float(lump.centre_ras_mm @ up))[1:-1]
    if len(inner) < 5:
        return 0
    sizes = np.log([lump.voxels for lump in inner])
    slope = float(np.corrcoef(np.arange(len(inner)), sizes)[0, 1])
    if abs(slope) < 0.9:
        return 0
    return 1 if slope < 0 else -1


def _forwards(
    census: Census,
    vertebrae: Sequence[Structure],
    bodies: Sequence[Lump],
    up: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """Unit vector forwards, at right angles to the column; None where nothing lies behind."""
    fronts, backs = _bodies_and_backs(census, vertebrae, bodies)
    if not fronts:
        return None
    offset = np.median(np.array(fronts) - np.array(backs), axis=0)
    if up is not None:
        offset = offset - (offset @ up) * up
    length = float(np.linalg.norm(offset))
    return offset / length if length > LEAST_OFFSET_MM else None


def _bodies_and_backs(
    census: Census, vertebrae: Sequence[Structure], bodies: Sequence[Lump]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Centres of bodies or discs, and of what lies behind each."""
    fronts, backs = [], []
    tubes = [*census.of_kind("canal"), *census.of_kind("cord")]
    if tubes:
        tube = max(tubes, key=lambda structure: structure.voxels)
        voxels = np.argwhere(census.mask_of(tube)) + [side.start for side in tube.box]
        places = census.grid.ijk_to_ras(voxels[:: max(1, len(voxels) // 4000)])
        centres = [lump.centre_ras_mm for lump in bodies]
        centres += [s.centre_ras_mm for s in census.of_kind("disc") if s.rank is not None]
        for centre in centres:
            near = places[np.linalg.norm(places - centre, axis=1).argsort()[:30]]
            fronts.append(centre)
            backs.append(near.mean(axis=0))
        return fronts, backs
    for index, structure in enumerate(vertebrae):
        own = [lump for lump in bodies if lump.main == index]
        if own:
            body = max(own, key=lambda lump: lump.voxels)
            rest = structure.voxels - sum(lump.counts[index] for lump in own)
            if rest > 0.15 * structure.voxels:
                # The whole vertebra's centre lies between its body's and that of all behind it.
                behind = structure.centre_ras_mm - body.centre_ras_mm
                fronts.append(body.centre_ras_mm)
                backs.append(body.centre_ras_mm + behind * structure.voxels / rest)
    return fronts, backs


def _reading(
    grid: Grid,
    up: NDArray[np.float64] | None,
    front: NDArray[np.float64] | None,
    source: Literal["masks", "image"],
    *,
    names_reversed: bool = False,
    upside_sure: bool = True,
) -> AxisReading:
    """Letters of the array axes once up and front, in the header's RAS frame, are known."""
    stated = grid.orientation
    header = np.array([grid.affine[:3, n] / grid.spacing_mm[n] for n in range(3)])
    letters: list[str | None] = [None, None, None]
    told = ""
    for vector, plus, minus in ((up, "S", "I"), (front, "A", "P")):
        if vector is None:
            continue
        cosines = header @ vector
        axis = int(np.abs(cosines).argmax())
        if abs(cosines[axis]) >= LEAST_COSINE and letters[axis] is None:
            letters[axis] = plus if cosines[axis] > 0 else minus
            told += plus
    found = _complete(letters, stated)
    return AxisReading(stated, found, told, source, names_reversed, upside_sure)


def _complete(letters: list[str | None], stated: str) -> str:
    """Give each axis not told a letter: the header's where it is free, else the one left over."""
    taken = {next(n for n, pair in enumerate(_LETTERS) if letter in pair)
             for letter in letters if letter}  # fmt: skip
    result = list(letters)
    for axis in range(3):
        stated_axis = next(n for n, pair in enumerate(_LETTERS) if stated[axis] in pair)
        if result[axis] is None and stated_axis not in taken:
            result[axis] = stated[axis]
            taken.add(stated_axis)
    for axis in range(3):
        if result[axis] is None:
            left = next(n for n in range(3) if n not in taken)
            result[axis] = _LETTERS[left][0]
            taken.add(left)
    return "".join(str(letter) for letter in result)
