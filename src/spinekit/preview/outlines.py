"""Structures drawn over an image: filled and outlined, dashed where the name is unsure.

Knows label values and the sidecar's entries, neither volumes nor files.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from spinekit.anatomy.column import is_nameless
from spinekit.anatomy.scheme import COLOURS, NAMES, PARTS, kind_of_value
from spinekit.preview.surface import Mask, Window
from spinekit.preview.tags import AMBER, Colour, Shape, Tag, make_tag

UNSURE_BELOW = 0.8  # a name less probable than this is shown as unsure
OVERSAMPLING = 2  # outlines are drawn this many times larger and then reduced
LINE_PX, DASHED_LINE_PX, DASH_PX = 2, 3, 12
REACH = 4  # voxels around a structure that its rounded outline may depend on
ROUNDING_MM = 0.7  # standard deviation; takes the voxels' corners off the outlines
FILL, UNSURE_FILL, FAINT_FILL, FAINT_LINE = (
    0.20,
    0.06,
    0.08,
    0.55,
)  # opacities; lines of bodies and discs are opaque
TUBES = ("spinal_cord", "spinal_canal")


def draw_structures(
    panel: Image.Image,
    window: Window,
    labels: NDArray[np.integer],
    parts: NDArray[np.integer],
    records: Mapping[int, Mapping[str, Any]],
) -> tuple[Image.Image, list[Tag]]:
    """Draw all structures of a surface over its image.

    Args:
        panel: the image, of the window's size; it stays as it is.
        window: what of the surface is shown.
        labels: (K, J) label values on the surface.
        parts: (K, J) parts on the surface.
        records: the sidecar's entry of each label value.

    Returns:
        The drawn panel, and the names still to be written: one per body, disc and sacrum
        in view.
    """
    large = (panel.width * OVERSAMPLING, panel.height * OVERSAMPLING)
    pixels = np.array(panel.resize(large, Image.Resampling.BICUBIC), dtype=np.float32)
    tags = []
    for value in (int(value) for value in np.unique(labels) if value > 0):
        kind = kind_of_value(value)
        colour, text, unsure = describe(value, records.get(value))
        mask = labels == value
        if kind == "vertebra":
            body = mask & (parts == PARTS.index("body"))
            behind = _trace(window, mask & ~body)
            _blend(pixels, behind, colour, fill=FAINT_FILL, line=FAINT_LINE)
            mask = body
        shape = _trace(window, mask)
        if shape is None:
            continue
        if kind in TUBES:
            _blend(pixels, shape, colour, fill=FAINT_FILL, line=FAINT_LINE)
            continue
        fill = UNSURE_FILL if unsure else FILL
        _blend(pixels, shape, colour, fill=fill, line=1.0, dashed=unsure)
        tags.append(make_tag(shape, text, colour, is_disc=kind == "disc"))
    drawn = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return drawn.resize(panel.size, Image.Resampling.BOX), tags


def describe(value: int, record: Mapping[str, Any] | None) -> tuple[Colour, str, bool]:
    """Colour, text, and whether the name is unsure, of one structure.

    Args:
        value: its label value.
        record: its entry in the sidecar; a probability of None is not called unsure.
    """
    name = str(record["name"]) if record else NAMES[value]
    probability = record.get("probability") if record else None
    if is_nameless(name):
        return AMBER, name, True
    if probability is not None and probability < UNSURE_BELOW:
        return AMBER, f"{name}?  {math.floor(100 * probability + 1e-9)} %", True
    return COLOURS[value], name, False


def _trace(window: Window, mask: Mask) -> Shape | None:
    """(K, J) mask → oversampled shape with its corners rounded off; None when out of view."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    k, j = (rows[0] - REACH, rows[-1] + 1 + REACH), (columns[0] - REACH, columns[-1] + 1 + REACH)
    inside = [
        (max(low, 0), min(high, n)) for (low, high), n in zip((k, j), mask.shape, strict=True)
    ]
    part, top, left = window.around(inside[0], inside[1], scale=OVERSAMPLING)
    if min(part.size_px) <= 0:
        return None
    # Twice the reach, and the mask goes on beyond the scan: its border is no outline.
    padded = np.pad(mask, 2 * REACH, mode="edge")[
        k[0] + REACH : k[1] + 3 * REACH, j[0] + REACH : j[1] + 3 * REACH
    ]
    rounding = [ROUNDING_MM / step for step in window.step_mm]
    rounded = ndimage.gaussian_filter(padded.astype(np.float32), rounding)
    drawn = part.moved(k[0] - REACH, j[0] - REACH).draw(rounded) > 0.5
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if rows.size == 0:
        return None
    tight = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Shape(tight, top + int(rows[0]), left + int(columns[0]), OVERSAMPLING)


def _blend(
    pixels: NDArray[np.float32],
    shape: Shape | None,
    colour: Colour,
    *,
    fill: float,
    line: float,
    dashed: bool = False,
) -> None:
    """Blend a filled shape and its outline into oversampled pixels, in place."""
    if shape is None:
        return
    inside = shape.mask
    box = (
        slice(shape.top, shape.top + inside.shape[0]),
        slice(shape.left, shape.left + inside.shape[1]),
    )
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    edge = inside & (depth <= (DASHED_LINE_PX if dashed else LINE_PX) * OVERSAMPLING)
    if dashed:
        edge &= _dashes(inside)
    alpha = np.where(inside, fill, 0.0)
    alpha[edge] = line
    pixels[box] += alpha[..., None] * (np.asarray(colour, dtype=np.float32) - pixels[box])


def _dashes(shape: Mask) -> Mask:
    """Every other stretch of the outline, by the angle around the shape's centre."""
    row, column = np.indices(shape.shape)
    centre = ndimage.center_of_mass(shape)
    height, width = shape.shape
    # The angle is measured in the box stretched to a square, so that dashes are of like length.
    angle = np.arctan2((row - centre[0]) / height, (column - centre[1]) / width)
    pairs = max(4, round((height + width) / (DASH_PX * OVERSAMPLING)))
    return np.asarray(np.floor((angle / np.pi + 1.0) * pairs) % 2 == 0)
