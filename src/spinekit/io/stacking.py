"""Stacking: single slices with a position each, sorted into volumes on one regular grid.

Knows no file format: whoever made the slices tells where they lie and how to load them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.io.frames import (
    IN_LINE_MM,
    Frame,
    by_position,
    equally_many,
    normal_of,
    one_kind,
    one_stack,
    one_station,
)
from spinekit.io.header import LPS_TO_RAS
from spinekit.io.voxels import (
    VolumeMean,
    check_size,
    check_slices,
    check_volume_index,
    make_grid,
    volume_notice,
)

_UNEVEN = 0.05
"""Distances may differ by this share from the usual one (scanner rounding, patient table)."""
_SKIP = (0.9, 1.5)
"""Distance of slices in multiples of the stated one; of the thickness alone it is somewhat more."""
_ORDINALS = {2: "second", 3: "third"}
_FORCE = "use --force to interpolate, or copy the missing files"
_FORCE_MOVING = (
    "put each block of slices into a folder of its own, or use --force to move slices within "
    "their planes and interpolate"
)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Frames by position and volume, and where they lie along the stack."""

    frames: list[list[Frame]]
    """For each position from first to last, its frames in order."""
    places: NDArray[np.float64]
    """Position of each along the stack, in slices of the grid."""
    moves: NDArray[np.float64]
    """(positions, 2) columns and rows by which each lies beside the grid's."""
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
        force: Interpolate where slices are missing or uneven, move those within their planes
            that lie beside the others, keep the largest of several stacks, and read more than
            2 GiB.

    Returns:
        (columns, rows, slices) values, NaN where nothing was imaged; their grid and notices.

    Raises:
        InputError: Without ``force``, if slices are missing, uneven, out of line, of mixed
            orientation or too many; always, if the slices have no area.
        GeometryError: If the positions make no grid.
        UsageError: If there is no volume ``volume_index``.
    """
    chosen, notices = one_stack(name, frames, force=force)
    positions, apart = one_station(name, by_position(chosen), force=force)
    positions, alike = one_kind(positions, volume_index)
    positions, more = equally_many(name, positions, force=force)
    plan = _plan(name, positions, force=force)
    notices += apart + alike + more + plan.notices
    count = len(plan.frames[0])
    check_volume_index(name, volume_index, count)
    check_size(name, (*plan.grid.shape, count), 2, force=force)
    check_slices(name, plan.grid.shape)
    if count > 1:
        notices.append(volume_notice(volume_index, count))
    return _load(plan, volume_index), plan.grid, notices


def _plan(name: str, positions: list[list[Frame]], *, force: bool) -> _Plan:
    """Grid of the stack; raises on gaps and on slices out of line unless ``force``."""
    first = positions[0][0]
    columns, rows = first.size
    affine = np.eye(4)
    affine[:3, 0] = first.along_row * first.spacing_mm[0]
    affine[:3, 1] = first.along_column * first.spacing_mm[1]
    affine[:3, 3] = first.position
    normal = normal_of(first)
    if len(positions) == 1:
        affine[:3, 2] = normal * first.thickness_mm
        grid = make_grid(name, (columns, rows, 1), LPS_TO_RAS @ affine)
        return _Plan(positions, np.zeros(1), np.zeros((1, 2)), grid, [])
    corners = np.array([group[0].position for group in positions])
    along = corners @ normal
    line = _line(corners, along, normal)
    uneven, beside = _unevenness(positions, along), corners - line
    moved = np.linalg.norm(beside, axis=1)
    out_of_line = _out_of_line(positions, moved)
    problem = "; ".join(filter(None, (uneven, out_of_line)))
    notices: list[Notice] = []
    if problem and not force:
        remedy = _FORCE_MOVING if out_of_line else _FORCE
        raise InputError("uneven-slices", f"{name}: {problem}", remedy)
    if problem:
        moving = out_of_line and "moved within their planes"
        done = " and ".join(filter(None, (moving, uneven and "interpolated")))
        notices.append(Notice("uneven-slices", f"{problem}; slices were {done}"))
    elif skipped := _skipped(positions, along):
        notices.append(Notice("slices-skipped", skipped))
    length = along[-1] - along[0]
    count = round(length / _usual_gap(along)) + 1 if uneven else len(positions)
    affine[:3, 2] = (line[-1] - line[0]) / (count - 1)
    affine[:3, 3] = line[0]
    places = (along - along[0]) / length * (count - 1)
    if not uneven:
        places = np.arange(count, dtype=np.float64)
    in_plane = np.stack([first.along_row, first.along_column], axis=1) / first.spacing_mm
    moves = np.where(moved[:, None] > IN_LINE_MM, beside @ in_plane, 0)
    grid = make_grid(name, (columns, rows, count), LPS_TO_RAS @ affine)
    return _Plan(positions, places, moves, grid, notices)


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


def _line(
    corners: NDArray[np.float64], along: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(slices, 3) where a straight line meets each plane: the one that passes most corners.

    It leads through the first and the last corner, unless one at right angles to the planes passes
    more of them, as where slices lie in blocks.
    """
    share = ((along - along[0]) / (along[-1] - along[0]))[:, None]
    tilted = corners[0] + share * (corners[-1] - corners[0])
    upwards = along[:, None] * normal
    places = corners - upwards
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    upright = places[np.argmax((apart <= IN_LINE_MM).sum(axis=1))] + upwards
    passed = [
        int((np.linalg.norm(corners - line, axis=1) <= IN_LINE_MM).sum())
        for line in (tilted, upright)
    ]
    return upright if passed[1] > passed[0] else tilted


def _out_of_line(positions: list[list[Frame]], moved: NDArray[np.float64]) -> str:
    """A sentence about the slice that lies farthest beside the stack's line, or nothing."""
    worst = int(np.argmax(moved))
    if moved[worst] <= IN_LINE_MM:
        return ""
    count = int((moved > IN_LINE_MM).sum())
    text = f"{positions[worst][0].label} lies {moved[worst]:.4g} mm beside the others"
    return text if count == 1 else f"{count} slices lie beside the others; {text}"


def _load(plan: _Plan, volume_index: int | None) -> NDArray[np.float32]:
    """Load slice after slice, each in its place; those between two positions are interpolated."""
    result = np.zeros(plan.grid.shape, np.float32)
    loaded: dict[int, NDArray[np.float32]] = {}
    for target in range(plan.grid.shape[2]):
        above = int(np.searchsorted(plan.places, target - 1e-6))
        above = min(above, len(plan.places) - 1)
        below = above if abs(plan.places[above] - target) < 1e-6 else max(above - 1, 0)
        loaded = {index: plane for index, plane in loaded.items() if index in (below, above)}
        for index in (below, above):
            if index not in loaded:
                plane = _volume_slice(plan.frames[index], volume_index)
                loaded[index] = _moved(plane, plan.moves[index])
        span = plan.places[above] - plan.places[below]
        share = np.float32((target - plan.places[below]) / span if span > 0 else 0)
        result[:, :, target] = loaded[below] * (1 - share) + loaded[above] * share
    return result


def _volume_slice(frames: list[Frame], volume_index: int | None) -> NDArray[np.float32]:
    """The chosen frame at one position, or the mean of all, padding left out of it."""
    if volume_index is not None:
        return frames[volume_index].load()
    mean = VolumeMean(frames[0].size)
    for frame in frames:
        mean.add(frame.load())
    return np.asarray(mean.result()[0], dtype=np.float32)


def _moved(plane: NDArray[np.float32], move: NDArray[np.float64]) -> NDArray[np.float32]:
    """A slice moved by columns and rows; its darkest value, or padding, where nothing is left."""
    if not move.any():
        return plane
    darkest = float(plane.min())
    return np.asarray(ndimage.shift(plane, move, order=1, cval=darkest), dtype=np.float32)
