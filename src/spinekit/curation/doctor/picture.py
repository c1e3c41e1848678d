"""A small picture of a case: the slice where something was found, masks drawn over it.

It draws the scan as its header says it lies (front to the left, up at the top), so that a wrong
header shows. It knows arrays and findings, no file.
"""

from __future__ import annotations

import colorsys
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from spinekit.anatomy.scheme import COLOURS, VALUES
from spinekit.core.geometry import oriented_grid
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.curation.doctor.census import Structure
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

HEIGHT_PX, WIDEST_PX, NARROWEST_PX = 360, 420, 120
COLOURS_KEPT = 128
"""Of the palette; halves the size of the file."""
RING_PX, RING = 13, (255, 64, 64)
FILL = 0.45
PARTS_COLOURS = {
    "body": (224, 122, 56),
    "vertebra": (224, 122, 56),
    "posterior": (214, 178, 60),
    "disc": (90, 170, 255),
    "canal": COLOURS[VALUES["spinal_canal"]],
    "cord": COLOURS[VALUES["spinal_cord"]],
    "sacrum": COLOURS[VALUES["sacrum"]],
}


def draw_case(evidence: Evidence, findings: Sequence[Finding]) -> bytes | None:
    """Draw the sagittal slice through the first place found, or the middle of what is marked.

    Args:
        evidence: The case.
        findings: What was found; places in the slice shown are ringed.

    Returns:
        A PNG; None where neither image nor mask could be read.
    """
    volume = evidence.specimen.scan.volume if evidence.specimen.scan is not None else None
    column = evidence.column
    if volume is None and column is None:
        return None
    grid = volume.grid if volume is not None else column.census.grid  # type: ignore[union-attr]
    upright = oriented_grid(grid)
    spots = _spots(findings, grid, upright)
    chosen = _slice(evidence, spots, grid, upright)
    height_mm, width_mm = upright.size_mm[2], upright.size_mm[1]
    scale = min(HEIGHT_PX / height_mm, WIDEST_PX / width_mm)
    size = (max(NARROWEST_PX, round(width_mm * scale)), max(1, round(height_mm * scale)))
    grey = np.zeros((upright.shape[2], upright.shape[1]), np.uint8)
    if volume is not None:
        grey = _window(_plane(resample_nearest(volume.array, grid, upright)[chosen]))
    picture = Image.fromarray(grey).convert("RGB").resize(size, Image.Resampling.BILINEAR)
    if column is not None and column.census.grid.is_close(grid, tolerance_mm=1.0):
        picture = _overlay(picture, evidence, grid, upright, chosen)
    draw = ImageDraw.Draw(picture)
    for spot in spots:
        if abs(spot[0] - chosen) < 1.5:
            x = (upright.shape[1] - 0.5 - spot[1]) / upright.shape[1] * size[0]
            y = (upright.shape[2] - 0.5 - spot[2]) / upright.shape[2] * size[1]
            box = (x - RING_PX, y - RING_PX, x + RING_PX, y + RING_PX)
            draw.ellipse(box, outline=RING, width=2)
    file = io.BytesIO()
    picture.quantize(COLOURS_KEPT).save(file, "PNG", optimize=True)
    return file.getvalue()


def colour_of(name: str) -> tuple[int, int, int]:
    """RGB of a structure: that of its value, a part's, or one that follows from its name."""
    if name in VALUES:
        return COLOURS[VALUES[name]]
    if name in PARTS_COLOURS:
        return PARTS_COLOURS[name]
    hue = (sum(ord(letter) * (n + 1) for n, letter in enumerate(name)) * 0.381966) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.7, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _spots(findings: Sequence[Finding], grid: Grid, upright: Grid) -> list[NDArray[np.float64]]:
    places = [f.spot_ijk for f in findings if f.spot_ijk is not None]
    return [upright.ras_to_ijk(grid.ijk_to_ras(place))[0] for place in places]


def _slice(evidence: Evidence, spots: list[NDArray[np.float64]], grid: Grid, upright: Grid) -> int:
    """Index along R: of the first spot, else of the middle of the column, else of the scan."""
    size = upright.shape[0]
    if spots:
        return int(np.clip(round(float(spots[0][0])), 0, size - 1))
    if evidence.column is not None and evidence.column.census.structures:
        centres = np.array([s.centre_ras_mm for s in evidence.column.census.structures])
        middle = upright.ras_to_ijk(np.median(centres, axis=0))[0]
        return int(np.clip(round(float(middle[0])), 0, size - 1))
    return size // 2


def _plane(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """(J, K) → rows from the top, columns from the front."""
    return plane.T[::-1, ::-1]


def _window(plane: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = plane.astype(np.float32)
    low, high = np.percentile(values, [1.0, 99.5])
    share = np.clip((values - low) / max(float(high - low), 1e-12), 0, 1)
    return np.asarray(share * 255, np.uint8)


def _overlay(
    picture: Image.Image, evidence: Evidence, grid: Grid, upright: Grid, chosen: int
) -> Image.Image:
    assert evidence.column is not None
    structures: list[Structure] = sorted(
        evidence.column.census.structures, key=lambda s: s.rank is not None
    )
    tags = evidence.column.census.union(structures)
    plane = _plane(resample_nearest(tags, grid, upright)[chosen])
    palette = np.array([(0, 0, 0), *(colour_of(s.name) for s in structures)], np.float32)
    large = Image.fromarray(plane.astype(np.int32)).resize(picture.size, Image.Resampling.NEAREST)
    found = np.asarray(large)
    edge = np.zeros(found.shape, bool)
    edge[1:] |= found[1:] != found[:-1]
    edge[:, 1:] |= found[:, 1:] != found[:, :-1]
    alpha = np.where(found > 0, FILL, 0.0) + np.where(edge & (found > 0), 1 - FILL, 0.0)
    mixed = np.asarray(picture) * (1 - alpha[..., None]) + palette[found] * alpha[..., None]
    return Image.fromarray(mixed.astype(np.uint8))
