"""One point per disc on the middle of the canal, numbered by the disc's name.

It knows named labels and their grid, not how names came about: numbers are never counted, so a
disc that was missed leaves a gap and moves no other number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from spinekit.anatomy.numbering import ABOVE_C1, ABOVE_C2, point_number
from spinekit.anatomy.scheme import VALUES
from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.structures import Structure

SCHEMA_VERSION = 1
"""Of the JSON file's layout."""
SMOOTHING_MM = 8.0
"""Standard deviation of the smoothing along the canal, mm: bulging discs dent it, a curve stays."""
STEP_MM = 0.5
"""Distance between neighbouring points of the centre line, mm."""
BEYOND_MM = 30.0
"""The centre line is continued straight this far, mm: one vertebra."""
RIM_MM = 1.5
"""The rear rim of a disc is what lies this near to its rearmost tip, mm."""
MOST_OFF_MM = 2.0
"""A voxel of the canal this near to a point, or one spacing, stands for it, mm."""
TUBE = ("spinal_canal", "spinal_cord")
END_SHARE = 0.02
"""The ends of a vertebra along the canal leave out this share of its voxels."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelPoint:
    """A point of the canal at the height of one disc."""

    number: int | None
    """As the Spinal Cord Toolbox numbers it; None where the disc has no name."""
    name: str
    """The disc, or `above-C1`, `C1-C2`."""
    voxel: tuple[int, int, int]
    """The voxel that stands for it, from 0."""
    ras_mm: tuple[float, float, float]
    """The point on the centre line itself, RAS+ mm."""
    in_canal: bool
    """The voxel belongs to canal or cord; False where the canal was not found at this height."""
    probability: float | None
    """That the name is right, 0 to 1; None where no name was given."""


def find_levels(
    labels: NDArray[np.uint8], grid: Grid, structures: Sequence[Structure]
) -> tuple[LevelPoint, ...]:
    """Mark the height of every disc on the middle of the canal.

    The rear rim of each disc is projected onto the smoothed centre line of canal and cord, as the
    Spinal Cord Toolbox does it (De Leener et al., NeuroImage 2017; 145:24). Above the discs, 1
    lies at the tip of the dens where C1 is in view, and 2 half way from there to the lower end of
    C2, both where the scan's edge does not cut C2. 1 is as sure as the less sure of C1 and C2, 2
    as C2, and a point at a disc as the disc.

    Args:
        labels: (I, J, K) on `grid`, this package's values.
        grid: Where they lie; any orientation.
        structures: The table, for names, order and probabilities.

    Returns:
        Points from the top, no two in the same voxel; none for what lies beyond the ends of the
        line. Empty without a canal to lie on; without a disc only 1 and 2 are left.
    """
    line = _centre_line(labels, grid)
    if line is None:
        return ()
    voxels = _voxels_by_value(labels)
    rows = {row.name: row for row in structures}
    mm = {name: grid.ijk_to_ras(voxels[VALUES[name]]) for name in rows if VALUES[name] in voxels}
    places: list[tuple[str, float | None, Floats]] = []
    for name, of, place in _above_the_discs(mm, line, rows):
        places.append((name, _least_sure([rows[bone] for bone in of]), place))
    for row in structures:
        if row.part == "disc" and row.name in mm:
            at = _project_disc(mm[row.name], line)
            if _is_within(at, line):
                places.append((row.name, row.probability, line[at]))
    tube = [voxels[VALUES[name]] for name in TUBE if VALUES[name] in voxels]
    return _give_voxels(places, np.concatenate(tube), grid)


def draw_levels(points: Sequence[LevelPoint], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Draw numbered points into an empty map, one voxel each.

    Args:
        points: From `find_levels`; those without a number are left out.
        shape: (I, J, K) of the map.

    Returns:
        (I, J, K) uint8; all zeros for no point.
    """
    drawn = np.zeros(shape, np.uint8)
    for point in points:
        if point.number is not None:
            drawn[point.voxel] = point.number
    return drawn


def describe_levels(points: Sequence[LevelPoint]) -> dict[str, Any]:
    """The content of `<stem>_levels.json`."""
    return {
        "schema_version": SCHEMA_VERSION,
        "numbering": "Spinal Cord Toolbox: the vertebra below the point, counted from C1",
        "points": [asdict(point) for point in points],
    }


def _centre_line(labels: NDArray[np.uint8], grid: Grid) -> Floats | None:
    """(N, 3) smoothed middle of canal and cord from the top, STEP_MM apart, in RAS+ mm."""
    upright = oriented_grid(grid)
    tube = resample_nearest(labels, grid, upright)
    tube = (tube == VALUES["spinal_canal"]) | (tube == VALUES["spinal_cord"])
    area = tube.sum(axis=(0, 1)).astype(np.float64)
    layers = np.flatnonzero(area)
    if len(layers) == 0:
        return None
    middle = [
        np.tensordot(tube.sum(axis=1 - axis), np.arange(tube.shape[axis]), (0, 0))[layers]
        / area[layers]
        for axis in (0, 1)
    ]
    centres = upright.ijk_to_ras(np.stack([*middle, layers], axis=1))
    down = (layers[-1] - layers) * upright.spacing_mm[2]
    order = np.argsort(down)
    return _smooth(centres[order], down[order].astype(np.float64), area[layers][order])


def _smooth(points: Floats, at_mm: Floats, weights: Floats) -> Floats:
    """Local linear regression on the height, continued straight at both ends, in equal steps."""
    heights = np.arange(at_mm[0], at_mm[-1] + STEP_MM, STEP_MM)
    delta = at_mm[None, :] - heights[:, None]
    # Small layers are ends of the canal or pieces of it: their middle says less.
    weight = np.exp(-0.5 * (delta / SMOOTHING_MM) ** 2) * np.sqrt(weights)
    s0, s1, s2 = weight.sum(1), (weight * delta).sum(1), (weight * delta**2).sum(1)
    spread = s0 * s2 - s1**2
    thin = spread < 1e-6 * s0**2
    intercept = np.where(thin[:, None], 1.0, s2[:, None] - s1[:, None] * delta)
    scale = np.where(thin, s0, spread)
    smooth = (weight * intercept) @ points / scale[:, None]
    if len(smooth) < 2:
        smooth = smooth[[0, 0]] + np.array([[0, 0, 0.0], [0, 0, -STEP_MM]])
    reach = min(len(smooth) - 1, round(2 * SMOOTHING_MM / STEP_MM))
    out = np.arange(1, round(BEYOND_MM / STEP_MM) + 1)[:, None] * STEP_MM
    top, bottom = smooth[0] - smooth[reach], smooth[-1] - smooth[-1 - reach]
    above = smooth[0] + out[::-1] * top / np.linalg.norm(top)
    below = smooth[-1] + out * bottom / np.linalg.norm(bottom)
    return np.concatenate([above, smooth, below])


def _nearest(points: Floats, line: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """(N,) distances of points to the line in mm, and the (N,) index of the nearest of it."""
    far, index = cKDTree(line).query(points)
    return far, index


def _project_disc(points: Floats, line: Floats) -> int:
    """Index on the canal's centre line of a disc's rear rim, the part that is nearest to it."""
    far, _ = _nearest(points, line)
    rim = points[far <= far.min() + RIM_MM].mean(axis=0)
    return int(_nearest(rim[None], line)[1][0])


def _is_within(at: float, line: Floats) -> bool:
    """Whether a projection is one: all that lies beyond an end of the line falls on that end."""
    return 0 < at < len(line) - 1


def _above_the_discs(
    mm: Mapping[str, Floats], line: Floats, rows: Mapping[str, Structure]
) -> list[tuple[str, tuple[str, ...], Floats]]:
    """The points 1 and 2, where C1 and C2 are in view and whole enough to tell.

    Each with the bones without whose names it would not be there.
    """
    if "C2" not in mm or rows["C2"].touches_edge:
        return []
    tip, end = np.quantile(_nearest(mm["C2"], line)[1], [END_SHARE, 1 - END_SHARE])
    if "C2-C3" in mm:
        end = _project_disc(mm["C2-C3"], line)
    if not (_is_within(tip, line) and _is_within(end, line)):
        return []
    above: list[tuple[str, tuple[str, ...], Floats]] = []
    if "C1" in mm:
        above.append((ABOVE_C1, ("C1", "C2"), line[round(tip)]))
    return [*above, (ABOVE_C2, ("C2",), line[round((tip + end) / 2)])]


def _least_sure(rows: Sequence[Structure]) -> float | None:
    """The lowest probability of some names; None where one has none."""
    sure = [row.probability for row in rows]
    known = [probability for probability in sure if probability is not None]
    return min(known) if len(known) == len(sure) else None


def _voxels_by_value(labels: NDArray[np.uint8]) -> dict[int, NDArray[np.intp]]:
    """Value → (N, 3) voxels that bear it, for every value but 0."""
    where = np.flatnonzero(labels)
    values = labels.ravel()[where]
    order = np.argsort(values, kind="stable")
    found, starts = np.unique(values[order], return_index=True)
    groups = np.split(where[order], starts[1:])
    return {
        int(value): np.stack(np.unravel_index(group, labels.shape), axis=1)
        for value, group in zip(found, groups, strict=True)
    }


def _give_voxels(
    places: Sequence[tuple[str, float | None, Floats]], tube: NDArray[np.intp], grid: Grid
) -> tuple[LevelPoint, ...]:
    """The voxel of each place: of the canal where it is near by, and each voxel only once."""
    tree = cKDTree(grid.ijk_to_ras(tube))
    reach = max(MOST_OFF_MM, *grid.spacing_mm)
    taken: set[tuple[int, int, int]] = set()
    points = []
    for name, probability, place in places:
        # Enough for a free one to be among them, and for ties to be settled by order.
        far, nearest = tree.query(place, k=len(taken) + 27, distance_upper_bound=reach)
        near = nearest[np.lexsort((nearest, np.round(far, 3)))]
        free = [voxel for voxel in map(_key, tube[near[near < len(tube)]]) if voxel not in taken]
        voxel = free[0] if free else _free_voxel(place, grid, taken)
        taken.add(voxel)
        right, front, up = (round(float(at), 2) for at in place)
        number = point_number(name)
        points.append(LevelPoint(number, name, voxel, (right, front, up), bool(free), probability))
    return tuple(points)


def _free_voxel(
    place: Floats, grid: Grid, taken: set[tuple[int, int, int]]
) -> tuple[int, int, int]:
    """The voxel of the grid nearest to a place that no other point has."""
    middle = np.rint(grid.ras_to_ijk(place[None])[0]).astype(np.intp)
    for reach in range(max(grid.shape)):
        box = [
            np.arange(max(0, min(at, size - 1) - reach), min(size, max(0, at) + reach + 1))
            for at, size in zip(middle, grid.shape, strict=True)
        ]
        voxels = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, 3)
        far = np.linalg.norm(grid.ijk_to_ras(voxels) - place, axis=1)
        for n in np.argsort(far, kind="stable"):
            if _key(voxels[n]) not in taken:
                return _key(voxels[n])
    raise AssertionError("a grid has more voxels than a spine has discs")


def _key(voxel: NDArray[np.intp]) -> tuple[int, int, int]:
    return int(voxel[0]), int(voxel[1]), int(voxel[2])
