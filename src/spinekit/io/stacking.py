"""Stacking: single slices with a position each, sorted into volumes on one regular grid.

Knows no file format: whoever made the slices tells where they lie and how to load them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.io.header import LPS_TO_RAS
from spinekit.io.voxels import (
    check_size,
    check_slices,
    check_volume_index,
    make_grid,
    volume_notice,
)

_SAME_DIRECTION = 1e-3
"""Largest difference of direction cosines within one stack (0.06 degrees)."""
_SAME_PLACE_MM = 0.02
"""Slices closer than this along the normal lie at one position."""
_UNEVEN = 0.05
"""Distances may differ by this share from the usual one (scanner rounding, patient table)."""
_SKIP = (0.9, 1.5)
"""Distance of slices in multiples of the stated one; of the thickness alone it is somewhat more."""
_ORDINALS = {2: "second", 3: "third"}
_IN_LINE_MM = 0.5
"""Largest distance of a slice's corner from the line through the first and last one."""
_FORCE = "use --force to interpolate, or copy the missing files"
_PLANES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Frame:
    """One slice and its place in LPS+ mm."""

    label: str
    """How to name it to the user, such as its file name."""
    position: NDArray[np.float64]
    """(3,) centre of its first pixel."""
    along_row: NDArray[np.float64]
    """(3,) unit vector in which columns count up."""
    along_column: NDArray[np.float64]
    """(3,) unit vector in which rows count up."""
    spacing_mm: tuple[float, float]
    """Distance of columns, distance of rows."""
    size: tuple[int, int]
    """Number of columns, number of rows."""
    thickness_mm: float
    """Distance of slices as the header states it, else their thickness."""
    order: tuple[float, ...]
    """Sorts slices at one position: echo, time, kind, instance."""
    load: Callable[[], NDArray[np.float32]]
    """(columns, rows) values, high ones bright."""
    kind: tuple[int, str] = (0, "")
    """What its values are, where slices at one position may differ in that; the lowest is taken."""
    number: float | None = None
    """Its number in the series, where each slice has its own."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Frames by position and volume, and where they lie along the stack."""

    frames: list[list[Frame]]
    """For each position from first to last, its frames in order."""
    places: NDArray[np.float64]
    """Position of each along the stack, in slices of the grid."""
    grid: Grid
    notices: list[Notice]


def stack_frames(
    name: str, frames: Sequence[Frame], *, volume_index: int | None = None, force: bool = False
) -> tuple[NDArray[np.float32], Grid, list[Notice]]:
    """Sort slices along their normal and load them.

    Several slices at each position are volumes (echoes, time points): their mean or the chosen
    one is taken. Where they differ in what their values are, such as magnitude and phase, one kind
    is.

    Args:
        name: Name of the folder or file, for messages.
        frames: The slices, in any order.
        volume_index: Which of several volumes; None takes their mean.
        force: Interpolate where slices are missing or uneven, keep the largest of several
            stacks, and read more than 2 GiB.

    Returns:
        (columns, rows, slices) values, their grid and notices.

    Raises:
        InputError: Without ``force``, if slices are missing, uneven, of mixed orientation or
            too many; always, if the slices have no area.
        GeometryError: If the positions make no grid.
        UsageError: If there is no volume ``volume_index``.
    """
    chosen, notices = _one_stack(name, frames, force=force)
    positions, apart = _one_station(name, _by_position(chosen), force=force)
    positions, alike = _one_kind(positions, volume_index)
    positions, more = _equally_many(name, positions, force=force)
    plan = _plan(name, positions, force=force)
    notices += apart + alike + more + plan.notices
    count = len(plan.frames[0])
    check_volume_index(name, volume_index, count)
    check_size(name, (*plan.grid.shape, count), 2, force=force)
    check_slices(name, plan.grid.shape)
    if count > 1:
        notices.append(volume_notice(volume_index, count))
    return _load(plan, volume_index), plan.grid, notices


def _one_stack(
    name: str, frames: Sequence[Frame], *, force: bool
) -> tuple[list[Frame], list[Notice]]:
    """The frames, if all share orientation and size; with force the largest such group."""
    groups: list[list[Frame]] = []
    for frame in frames:
        fitting = (group for group in groups if _parallel(frame, group[0]))
        group = next(fitting, None)
        if group is None:
            groups.append([frame])
        else:
            group.append(frame)
    if len(groups) == 1:
        return groups[0], []
    told = ", ".join(f"{len(group)} {_plane(group[0])}" for group in groups[:6])
    if not force:
        raise InputError(
            "mixed-orientation",
            f"{name}: the series mixes {len(groups)} stacks ({told}); it may be a localizer",
            "choose another series, or use --force to take the largest stack",
        )
    largest = max(groups, key=len)
    text = f"of {len(groups)} stacks ({told}) the largest was used"
    return largest, [Notice("mixed-orientation", text)]


def _parallel(one: Frame, other: Frame) -> bool:
    """Whether two slices can lie in one stack."""
    if one.size != other.size or not np.allclose(one.spacing_mm, other.spacing_mm, rtol=1e-3):
        return False
    difference = np.abs([one.along_row - other.along_row, one.along_column - other.along_column])
    return bool(difference.max() <= _SAME_DIRECTION)


def _plane(frame: Frame) -> str:
    """Sagittal, coronal or axial, and the size in pixels."""
    axis = int(np.argmax(np.abs(_normal(frame))))
    return f"{_PLANES[axis]} {frame.size[0]}×{frame.size[1]}"


def _normal(frame: Frame) -> NDArray[np.float64]:
    return np.asarray(np.cross(frame.along_row, frame.along_column))


def _by_position(frames: list[Frame]) -> list[list[Frame]]:
    """Frames by rising position along the normal, in order at each."""
    normal = _normal(frames[0])
    along = np.array([frame.position @ normal for frame in frames])
    order = np.argsort(along, kind="stable")
    positions: list[list[Frame]] = []
    last = -np.inf
    for index in order:
        if along[index] - last > _SAME_PLACE_MM:
            positions.append([])
            last = float(along[index])
        positions[-1].append(frames[index])
    for group in positions:
        group.sort(key=lambda frame: (frame.order, frame.label))
    return positions


def _one_station(
    name: str, positions: list[list[Frame]], *, force: bool
) -> tuple[list[list[Frame]], list[Notice]]:
    """The positions, if all frames at one lie on each other; with force those of one station.

    Slices of the upper and the lower spine in one series lie in the same planes, far apart in them.
    """
    first = positions[0]
    place = first[0].position
    in_place = [np.linalg.norm(frame.position - place) <= _IN_LINE_MM for frame in first]
    alike = len({frame.order[:4] for frame in first}) == 1
    if len(positions) == 1 < len(first) and alike and all(in_place):
        if force:
            return positions, []
        raise InputError(
            "no-geometry",
            f"{name}: all {len(first)} slices state the same position",
            "export the series again with its positions, or use --force to take their mean",
        )
    kept: list[list[Frame]] = []
    for group in positions:
        beside = [float(np.linalg.norm(frame.position - place)) for frame in group]
        place = group[int(np.argmin(beside))].position
        kept.append([f for f in group if np.linalg.norm(f.position - place) <= _IN_LINE_MM])
    dropped = sum(map(len, positions)) - sum(map(len, kept))
    if not dropped:
        return positions, []
    text = f"{dropped} of {sum(map(len, positions))} slices lie beside others in the same planes"
    if not force:
        raise InputError(
            "mixed-orientation",
            f"{name}: the series holds stacks side by side ({text})",
            "put each stack's files into a folder of its own, or use --force to take one stack",
        )
    return kept, [Notice("mixed-orientation", f"{text}; one stack was used")]


def _one_kind(
    positions: list[list[Frame]], volume_index: int | None
) -> tuple[list[list[Frame]], list[Notice]]:
    """The frames of one kind, if that lies everywhere beside others and no volume is chosen."""
    kinds = sorted({frame.kind for group in positions for frame in group})
    best = kinds[0]
    if len(kinds) == 1 or volume_index is not None:
        return positions, []
    kept = [[frame for frame in group if frame.kind == best] for group in positions]
    if not all(kept):
        return positions, []
    told = ", ".join(kind for _, kind in kinds)
    text = f"the series holds images of several kinds ({told}); {best[1]} was used"
    return kept, [Notice("kinds-mixed", f"{text}, --volume N takes another")]


def _equally_many(
    name: str, positions: list[list[Frame]], *, force: bool
) -> tuple[list[list[Frame]], list[Notice]]:
    """The positions, if equally many frames lie at each; with force the first of each."""
    counts = [len(group) for group in positions]
    if min(counts) == max(counts):
        return positions, []
    usual = max(set(counts), key=lambda count: (counts.count(count), count))
    odd = next(group for group in positions if len(group) != usual)
    text = f"{len(odd)} slices lie where {odd[0].label} does, {usual} at other places"
    if not force:
        raise InputError(
            "uneven-volumes", f"{name}: {text}", "copy the missing files, or use --force"
        )
    fewest = min(counts)
    text += f"; the first {fewest} of each were used"
    return [group[:fewest] for group in positions], [Notice("uneven-volumes", text)]


def _plan(name: str, positions: list[list[Frame]], *, force: bool) -> _Plan:
    """Grid of the stack; raises on gaps unless ``force``."""
    first = positions[0][0]
    columns, rows = first.size
    notices: list[Notice] = []
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing_mm[0]
    affine[:3, 1] = first.along_column * first.spacing_mm[1]
    affine[:3, 3] = first.position
    normal = _normal(first)
    if len(positions) == 1:
        affine[:3, 2] = normal * first.thickness_mm
        grid = make_grid(name, (columns, rows, 1), LPS_TO_RAS @ affine)
        return _Plan(positions, np.zeros(1), grid, notices)
    corners = np.array([group[0].position for group in positions])
    along = corners @ normal
    problem = _unevenness(positions, along) or _out_of_line(positions, corners, along)
    if problem and not force:
        raise InputError("uneven-slices", f"{name}: {problem}", _FORCE)
    if problem:
        notices.append(Notice("uneven-slices", f"{problem}; slices were interpolated"))
    elif skipped := _skipped(positions, along):
        notices.append(Notice("slices-skipped", skipped))
    length = along[-1] - along[0]
    count = round(length / _usual_gap(along)) + 1 if problem else len(positions)
    affine[:3, 2] = (corners[-1] - corners[0]) / (count - 1)
    places = (along - along[0]) / length * (count - 1)
    if not problem:
        places = np.arange(count, dtype=np.float64)
    grid = make_grid(name, (columns, rows, count), LPS_TO_RAS @ affine)
    return _Plan(positions, places, grid, notices)


def _usual_gap(along: NDArray[np.float64]) -> float:
    """The lower median of the distances, since a missing slice only makes them longer."""
    gaps = np.sort(np.diff(along))
    return float(gaps[(len(gaps) - 1) // 2])


def _unevenness(positions: list[list[Frame]], along: NDArray[np.float64]) -> str:
    """A sentence about the distance that differs most from the usual one, or nothing."""
    gaps = np.diff(along)
    usual = _usual_gap(along)
    off = np.abs(gaps - usual)
    worst = int(np.argmax(off))
    if off[worst] <= _UNEVEN * usual + 0.01:
        return ""
    missing = round(float(gaps[worst]) / usual) - 1
    text = (
        f"{positions[worst][0].label} and {positions[worst + 1][0].label} lie "
        f"{gaps[worst]:.4g} mm apart (at {along[worst]:.4g} and {along[worst + 1]:.4g} mm), "
        f"other slices {usual:.4g} mm"
    )
    if missing < 1:
        return f"slices are unevenly spaced: {text}"
    return f"{missing} {'slice is' if missing == 1 else 'slices are'} missing: {text}"


def _skipped(positions: list[list[Frame]], along: NDArray[np.float64]) -> str:
    """A sentence if slices seem to be left out regularly, by their numbers and their distance.

    Either alone is common: gaps as wide as a slice are, and numbers count other things too.
    """
    numbers = [group[0].number for group in positions if group[0].number is not None]
    if len(numbers) < max(3, len(positions)):
        return ""
    steps = np.abs(np.diff(numbers)) / len(positions[0])
    every = round(float(steps[0]))
    gap, stated = float(np.diff(along).mean()), positions[0][0].thickness_mm
    if every < 2 or not (steps == every).all():
        return ""
    if not _SKIP[0] <= gap / (every * stated) <= _SKIP[1]:
        return ""
    return (
        f"only every {_ORDINALS.get(every, f'{every}th')} slice seems to be here: they lie "
        f"{gap:.4g} mm apart, the header states {stated:.4g} mm, and their numbers skip alike"
    )


def _out_of_line(
    positions: list[list[Frame]], corners: NDArray[np.float64], along: NDArray[np.float64]
) -> str:
    """A sentence about the slice that lies farthest beside the stack's line, or nothing."""
    share = ((along - along[0]) / (along[-1] - along[0]))[:, None]
    line = corners[0] + share * (corners[-1] - corners[0])
    beside = np.linalg.norm(corners - line, axis=1)
    worst = int(np.argmax(beside))
    if beside[worst] <= _IN_LINE_MM:
        return ""
    return f"{positions[worst][0].label} lies {beside[worst]:.4g} mm beside the others"


def _load(plan: _Plan, volume_index: int | None) -> NDArray[np.float32]:
    """Load slice after slice; those between two positions are interpolated."""
    result = np.zeros(plan.grid.shape, np.float32)
    loaded: dict[int, NDArray[np.float32]] = {}
    for target in range(plan.grid.shape[2]):
        above = int(np.searchsorted(plan.places, target - 1e-6))
        above = min(above, len(plan.places) - 1)
        below = above if abs(plan.places[above] - target) < 1e-6 else max(above - 1, 0)
        loaded = {index: plane for index, plane in loaded.items() if index in (below, above)}
        for index in (below, above):
            if index not in loaded:
                loaded[index] = _volume_slice(plan.frames[index], volume_index)
        span = plan.places[above] - plan.places[below]
        share = np.float32((target - plan.places[below]) / span if span > 0 else 0)
        result[:, :, target] = loaded[below] * (1 - share) + loaded[above] * share
    return result


def _volume_slice(frames: list[Frame], volume_index: int | None) -> NDArray[np.float32]:
    """The chosen frame at one position, or the mean of all."""
    if volume_index is not None:
        return frames[volume_index].load()
    total = frames[0].load().astype(np.float64)
    for frame in frames[1:]:
        total += frame.load()
    return np.asarray(total / len(frames), dtype=np.float32)
