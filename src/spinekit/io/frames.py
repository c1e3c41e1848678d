"""Frames: single slices with a place each, and which of them make one stack.

Knows no file format: whoever made the slices tells where they lie and how to load them.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice

IN_LINE_MM = 0.5
"""Largest distance of a slice's corner from the line through the first and last one."""
_SAME_DIRECTION = 1e-3
"""Largest difference of direction cosines within one stack (0.06 degrees)."""
SAME_PLACE_MM = 0.02
"""Slices closer than this along the normal lie at one position."""
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
    """Sorts slices at one position: echo, time, kind, acquisition, instance."""
    load: Callable[[], NDArray[np.float32]]
    """(columns, rows) values, high ones bright, NaN where nothing was imaged."""
    kind: tuple[int, str] = (0, "")
    """What its values are, where slices at one position may differ in that; the lowest is taken."""
    number: float | None = None
    """Its number in the series, where each slice has its own."""


def one_stack(
    name: str, frames: Sequence[Frame], *, force: bool
) -> tuple[list[Frame], list[Notice]]:
    """The frames, if all share orientation and size; with force the largest such group.

    Of groups of as many frames the one with most pixels is the largest.

    Args:
        name: Name of the folder or file, for messages.
        frames: The slices, in any order; at least one.
        force: Keep the largest group.

    Returns:
        The frames of one group, and notices.

    Raises:
        InputError: Without ``force``, if there are several groups.
    """
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
    largest = max(groups, key=lambda group: (len(group), math.prod(group[0].size)))
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
    axis = int(np.argmax(np.abs(normal_of(frame))))
    return f"{_PLANES[axis]} {frame.size[0]}×{frame.size[1]}"


def normal_of(frame: Frame) -> NDArray[np.float64]:
    """(3,) unit vector at right angles to a slice, in LPS+."""
    return np.asarray(np.cross(frame.along_row, frame.along_column))


def by_position(frames: list[Frame]) -> list[list[Frame]]:
    """Frames by rising position along the normal, in order at each."""
    normal = normal_of(frames[0])
    along = np.array([frame.position @ normal for frame in frames])
    order = np.argsort(along, kind="stable")
    positions: list[list[Frame]] = []
    last = -np.inf
    for index in order:
        if along[index] - last > SAME_PLACE_MM:
            positions.append([])
            last = float(along[index])
        positions[-1].append(frames[index])
    for group in positions:
        group.sort(key=lambda frame: (frame.order, frame.label))
    return positions


def one_station(
    name: str, positions: list[list[Frame]], *, force: bool
) -> tuple[list[list[Frame]], list[Notice]]:
    """The positions, if all frames at one lie on each other; with force those of one station.

    Slices of the upper and the lower spine in one series lie in the same planes, far apart in them.

    Args:
        name: Name of the folder or file, for messages.
        positions: From `by_position`.
        force: Keep one station.

    Returns:
        The positions with the frames kept, and notices.

    Raises:
        InputError: Without ``force``, if there are several stations, or all frames of a series
            state one position.
    """
    first = positions[0]
    place = first[0].position
    in_place = [np.linalg.norm(frame.position - place) <= IN_LINE_MM for frame in first]
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
        kept.append([f for f in group if np.linalg.norm(f.position - place) <= IN_LINE_MM])
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


def one_kind(
    positions: list[list[Frame]], volume_index: int | None
) -> tuple[list[list[Frame]], list[Notice]]:
    """The frames of one kind, if that lies everywhere beside others and no volume is chosen.

    Args:
        positions: From `by_position`.
        volume_index: The volume that was chosen, if any.

    Returns:
        The positions with the frames kept, and notices.
    """
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


def equally_many(
    name: str, positions: list[list[Frame]], *, force: bool
) -> tuple[list[list[Frame]], list[Notice]]:
    """The positions, if equally many frames lie at each; with force those of whole volumes.

    Args:
        name: Name of the folder or file, for messages.
        positions: From `by_position`.
        force: Keep the volumes that are whole; if none is, the one that lacks fewest slices. Where
            echo, time and acquisition tell no volumes apart, keep the first frames at each
            position, as many as lie everywhere.

    Returns:
        The positions with the frames kept, those without any left out, and notices.

    Raises:
        InputError: Without ``force``, if their numbers differ.
    """
    counts = [len(group) for group in positions]
    if min(counts) == max(counts):
        return positions, []
    usual = max(set(counts), key=lambda count: (counts.count(count), count))
    odd = next(group for group in positions if len(group) != usual)
    lie = "slice lies" if len(odd) == 1 else "slices lie"
    text = f"{len(odd)} {lie} where {odd[0].label} does, {usual} at other places"
    if not force:
        mend = "copy the missing files" if len(odd) < usual else "take out those that lie twice"
        raise InputError("uneven-volumes", f"{name}: {text}", f"{mend}, or use --force")
    kept, done = _even_out(positions)
    return kept, [Notice("uneven-volumes", f"{text}; {done}")]


def _even_out(positions: list[list[Frame]]) -> tuple[list[list[Frame]], str]:
    """As many frames at each position of what lies there, and how they were chosen."""
    # Acquisitions are volumes too, but some scanners count slices by them.
    for depth in (4, 3):
        if kept := _share(positions, depth):
            return kept, _tell_kept(positions, kept, depth)
    volumes = [volume for group in positions for volume in {frame.order[:3] for frame in group}]
    fullest = min(volumes, key=lambda volume: (-volumes.count(volume), volume))
    if 2 * volumes.count(fullest) < len(positions):
        # Echo or time differ from slice to slice and tell no volumes apart.
        fewest = min(map(len, positions))
        return [group[:fewest] for group in positions], f"the first {fewest} of each were used"
    fitting = [[frame for frame in group if frame.order[:3] == fullest] for group in positions]
    kept = _share([group for group in fitting if group], 3)
    missing = f"{len(positions) - len(kept)} of {len(positions)} slices"
    return kept, f"one volume was used, which lacks {missing}"


def _tell_kept(positions: list[list[Frame]], kept: list[list[Frame]], depth: int) -> str:
    """Whether whole volumes were kept, or frames of several that are told apart by nothing.

    Args:
        positions: From `by_position`.
        kept: From `_share`.
        depth: How many of what sorts frames told volumes apart.
    """
    count = len(kept[0])
    used = {frame.order[:depth] for frame in kept[0]}
    if all(sum(frame.order[:depth] in used for frame in group) == count for group in positions):
        return "only volumes that lack no slice were used"
    if kept == [group[:count] for group in positions]:
        return f"the first {count} of each were used"
    return "of volumes that lack no slice as many of each were used as lie everywhere"


def _share(positions: list[list[Frame]], depth: int) -> list[list[Frame]]:
    """Of each volume that has frames at all positions, as many of each; empty if none has.

    Args:
        positions: From `by_position`.
        depth: How many of what sorts frames tell volumes apart.
    """
    counts = [Counter(frame.order[:depth] for frame in group) for group in positions]
    shared = functools.reduce(operator.and_, counts)
    return [
        [
            frame
            for volume, count in shared.items()
            for frame in [frame for frame in group if frame.order[:depth] == volume][:count]
        ]
        for group in positions
        if shared
    ]
