"""Which axes show the spine, told from the image alone by the shipped model.

The network knows spines upright with the front in front, and is surest of what it sees when an
image is shown so. Which end is up it cannot tell: bodies and discs look alike on their head. It
knows no file and no mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import GeometryError
from spinekit.core.geometry import normalise_geometry
from spinekit.core.grid import OPPOSITE, Grid
from spinekit.core.intensity import normalise_intensity
from spinekit.core.volume import Volume
from spinekit.curation.axes import turn_header
from spinekit.curation.doctor.axes import AxisReading
from spinekit.prediction.runner import Model, load_model, predict

SURE = 0.9
"""A voxel counts when one part has at least this probability."""
ENOUGH_MM2 = 1500.0
"""Of sure spine in three slices; less is no spine."""
CLEARLY = 1.25
"""Another way to look must show so many times more to be believed. On 60 real scans no wrong
way showed more than 1.1 times the right one."""
SEEN = ("body", "disc", "canal", "cord")
APART_MM = 8.0
"""Between the three slices that are looked at."""


@dataclass(frozen=True)
class Look:
    """How well the spine is seen when the array axes are taken to point somewhere."""

    letters: str
    sure_mm2: float


def ask_image(volume: Volume, mask_axes: AxisReading | None) -> AxisReading | None:
    """The image's word, where the masks leave an axis open.

    Args:
        volume: (I, J, K) image.
        mask_axes: What the masks told; None for nothing.

    Returns:
        As `read_image_axes`; None where the masks told all, or contradict the header already.
    """
    if mask_axes is None:
        return read_image_axes(volume)
    if mask_axes.told == "SA" or mask_axes.is_wrong:
        return None
    return read_image_axes(volume, mask_axes.found)


def read_image_axes(volume: Volume, upright: str | None = None) -> AxisReading | None:
    """Tell from an image where its array axes point to.

    Args:
        volume: (I, J, K) image.
        upright: Letters that masks gave with up and down right, so that only the front is in
            question; None to ask for all axes.

    Returns:
        The reading, whose `told` has `S` where the axes along and across the column were found
        (up or down stays a guess) and `A` where the front shows clearly more spine in front than
        behind; None when no spine is seen.
    """
    model = _model()
    stated = volume.grid.orientation
    start = upright or stated
    ways = [start, _flipped(start, "AP")]
    if upright is None:
        ways += [_flipped(way, "SI") for way in ways]
    looks = [_look(model, volume, way) for way in ways]
    first = looks[0]
    best = max(looks, key=lambda look: look.sure_mm2)
    if best.sure_mm2 < ENOUGH_MM2 and upright is None:
        looks = [_look(model, volume, way) for way in _permuted(start)]
        best = max(looks, key=lambda look: look.sure_mm2)
    if best.sure_mm2 < ENOUGH_MM2:
        return None
    if best.sure_mm2 < CLEARLY * first.sure_mm2:
        told = "SA" if upright is None and _front_is_clear(looks, first) else "S"
        if upright is not None and _front_is_clear(looks, first):
            told = "A"
        return AxisReading(stated, start, told, "image", upside_sure=False)
    told = "SA" if _front_is_clear(looks, best) else "S"
    return AxisReading(stated, best.letters, told, "image", upside_sure=False)


def _front_is_clear(looks: list[Look], chosen: Look) -> bool:
    """Whether the same axes with the front behind, either end up, show clearly less."""
    behind = _flipped(chosen.letters, "AP")
    letters = {behind, _flipped(behind, "SI")}
    return all(
        chosen.sure_mm2 >= CLEARLY * look.sure_mm2 for look in looks if look.letters in letters
    )


def _flipped(letters: str, pair: str) -> str:
    return "".join(OPPOSITE[letter] if letter in pair else letter for letter in letters)


def _permuted(letters: str) -> list[str]:
    """Every other assignment of axes, each with both directions of up and of front."""
    ways: list[str] = []
    for order in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        way = "".join(letters[n] for n in order)
        for base in (way, _flipped(way, "AP")):
            ways += [base, _flipped(base, "SI")]
    return ways


@lru_cache(maxsize=1)
def _model() -> Model:
    return load_model(threads=1)


def _look(model: Model, volume: Volume, letters: str) -> Look:
    """Show the network the middle slices as if the axes pointed where `letters` say."""
    grid = turn_header(volume.grid, letters)
    try:
        working, _ = normalise_geometry(_middle(Volume(volume.array, grid)))
    except GeometryError:
        return Look(letters, 0.0)
    shown = Volume(normalise_intensity(working.array), working.grid)
    probs = predict(model, shown).parts_probs
    sure = np.zeros(probs.shape[1:], bool)
    for part in SEEN:
        sure |= probs[PARTS.index(part)] >= SURE
    return Look(letters, float(sure.sum()) * working.grid.spacing_mm[1] ** 2)


def _middle(volume: Volume) -> Volume:
    """Three slices about the middle, across the axis taken for left-right."""
    grid = volume.grid
    letters = grid.orientation
    axis = next(n for n in range(3) if letters[n] in "RL")
    size = grid.shape[axis]
    step = max(1, round(APART_MM / grid.spacing_mm[axis]))
    middle = size // 2
    chosen = sorted({min(max(middle + n * step, 0), size - 1) for n in (-1, 0, 1)})
    start: NDArray[np.float64] = np.zeros(3)
    start[axis] = chosen[0]
    affine = grid.affine.copy()
    affine[:3, 3] = grid.ijk_to_ras(start)[0]
    affine[:3, axis] *= step if len(chosen) > 1 else 1
    array = np.take(volume.array, chosen, axis=axis)
    return Volume(array, Grid((array.shape[0], array.shape[1], array.shape[2]), affine))
