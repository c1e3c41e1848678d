"""Small fields of view cut from fully labelled scans, every structure keeping its name.

The idea of training on them is Gliwa's (spine-segmentation): whoever names five vertebrae without
the rest of the spine must have seen such scans. It knows labels and grids, nothing of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, successors
from spinekit.anatomy.scheme import VALUES
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume

_REACH = 0.9
"""How far a crop may reach into the next vertebra, as a share of its height."""


@dataclass(frozen=True)
class Crop:
    """A stretch of a scan along its axis from foot to head."""

    axis: int
    start: int
    stop: int
    """Voxels along the axis, the last one not included."""
    names: tuple[str, ...]
    """Vertebrae that are whole in it, from the top."""


def sample_crops(
    labels: Volume, count: int, vertebrae: tuple[int, ...], rng: np.random.Generator
) -> list[Crop]:
    """Draw stretches of a few whole vertebrae each.

    Args:
        labels: (I, J, K) our values; vertebrae at the upper or lower edge are not whole.
        count: How many stretches.
        vertebrae: Fewest and most whole vertebrae.
        rng: Of the draw.

    Returns:
        Stretches; none where fewer vertebrae than the fewest are whole.
    """
    axis = next(n for n, letter in enumerate(labels.grid.orientation) if letter in "SI")
    spans = _spans(labels.array, axis)
    size = labels.shape[axis]
    whole = [name for name, (low, high) in spans.items() if low > 0 and high < size]
    runs = _runs(whole)
    fewest, most = vertebrae
    possible = [run for run in runs if len(run) >= fewest]
    if not possible:
        return []
    crops = []
    for _ in range(count):
        run = possible[int(rng.integers(len(possible)))]
        number = int(rng.integers(fewest, min(most, len(run)) + 1))
        first = int(rng.integers(len(run) - number + 1))
        names = run[first : first + number]
        low = min(spans[name][0] for name in names)
        high = max(spans[name][1] for name in names)
        # Each side takes in a part of its neighbour, as a scan's edge would.
        reach = (high - low) / number * _REACH
        low = max(0, low - round(float(rng.uniform(0, reach))))
        high = min(size, high + round(float(rng.uniform(0, reach))))
        crops.append(Crop(axis, low, high, tuple(names)))
    return crops


def cut(array: NDArray[Any], crop: Crop) -> NDArray[Any]:
    """The stretch of an (I, J, K) array."""
    box = [slice(None)] * 3
    box[crop.axis] = slice(crop.start, crop.stop)
    return array[tuple(box)]


def cut_grid_at(grid: Grid, crop: Crop) -> Grid:
    """The stretch's grid: its voxels stay where they were."""
    change = np.eye(4)
    change[crop.axis, 3] = crop.start
    shape = list(grid.shape)
    shape[crop.axis] = crop.stop - crop.start
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def _spans(array: NDArray[np.integer], axis: int) -> dict[str, tuple[int, int]]:
    """Name → first and last-but-one voxel along the axis of every vertebra."""
    others = tuple(n for n in range(3) if n != axis)
    spans = {}
    for name in LEVELS:
        if name != SACRUM:
            hits = np.flatnonzero((array == VALUES[name]).any(axis=others))
            if hits.size:
                spans[name] = (int(hits[0]), int(hits[-1]) + 1)
    return spans


def _runs(names: list[str]) -> list[list[str]]:
    """Stretches of vertebrae that follow one another in some column."""
    runs: list[list[str]] = []
    for name in names:
        if runs and name in successors(runs[-1][-1]):
            runs[-1].append(name)
        else:
            runs.append([name])
    return runs
