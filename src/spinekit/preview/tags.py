"""Names written beside their structures without overlapping.

Knows pixels and texts, nothing of anatomy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

PAPER = (17, 19, 23)
AMBER = (255, 176, 0)  # of unsure names and their outlines
BODY_FONT_PX, DISC_FONT_PX = (13, 26), (11, 16)
LEADING = 1.12  # height of a line of text relative to its font
GAP_PX = 16  # between a name and its structure
LIGHTENED = 0.4  # share of white in the names, which must stand out from dark tissue

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """A structure as it lies in the picture.

    Attributes:
        mask: (rows, columns) oversampled pixels, no border of it empty.
        top: first row in the oversampled picture.
        left: first column in the oversampled picture.
        oversampling: how many of its pixels make one of the picture.
    """

    mask: NDArray[np.bool_]
    top: int
    left: int
    oversampling: int


@dataclass(frozen=True, slots=True)
class Tag:
    """A name to be written in front of its structure.

    Attributes:
        text: what is written.
        colour: of the structure.
        anchor: (x, y) pixel on the anterior border of the structure.
        middle_px: height in the picture of the structure's middle, which decides the order.
        height_px: of the structure.
        is_disc: discs have smaller names.
    """

    text: str
    colour: Colour
    anchor: tuple[float, float]
    middle_px: float
    height_px: float
    is_disc: bool


def make_tag(shape: Shape, text: str, colour: Colour, *, is_disc: bool) -> Tag:
    """The tag of a shape's largest piece: at mid-height of a body, at the front of a disc.

    Args:
        shape: the structure.
        text: what to write.
        colour: of the structure.
        is_disc: a disc's name is smaller, and a tilted disc is shown where it is free.
    """
    factor = shape.oversampling
    pieces, count = ndimage.label(shape.mask)
    largest = int(np.bincount(pieces[pieces > 0], minlength=count + 1).argmax())
    rows, columns = ndimage.find_objects(pieces)[largest - 1]
    mask = pieces[rows, columns] == largest
    top, left = shape.top + rows.start, shape.left + columns.start
    height, width = mask.shape
    foremost = mask[:, : int(0.12 * (width - 1)) + 1]
    row = int(np.argwhere(foremost)[:, 0].mean()) if is_disc else height // 2
    reached = np.flatnonzero(mask[max(0, row - factor) : row + factor + 1].any(axis=0))
    column = int(reached[0]) if reached.size else 0
    return Tag(
        text=text,
        colour=colour,
        anchor=((left + column) / factor, (top + row) / factor),
        middle_px=(top + height / 2.0) / factor,
        height_px=height / factor,
        is_disc=is_disc,
    )


def write_tags(panel: Image.Image, tags: Sequence[Tag]) -> None:
    """Write all names with leader lines into a panel, in place; pushed apart where too close."""
    tags = sorted(tags, key=lambda tag: tag.middle_px)
    body_px, disc_px = choose_fonts(tags)
    sizes = [disc_px if tag.is_disc else body_px for tag in tags]
    heights = [size * LEADING for size in sizes]
    rows = spread_apart([tag.anchor[1] for tag in tags], heights, panel.height)
    draw = ImageDraw.Draw(panel)
    for tag, size, height, row in zip(tags, sizes, heights, rows, strict=True):
        font = ImageFont.load_default(size=size)
        abreast = [
            other.anchor[0]
            for other, high, level in zip(tags, heights, rows, strict=True)
            if abs(level - row) < high + height
        ]
        right = max(draw.textlength(tag.text, font=font) + 4, min(abreast) - GAP_PX)
        light = tuple(round(c + (255 - c) * LIGHTENED) for c in tag.colour)
        draw.line([(right + 4, row), tag.anchor], fill=light, width=1)
        draw.text(
            (right, row),
            tag.text,
            font=font,
            fill=light,
            anchor="rm",
            stroke_width=2,
            stroke_fill=PAPER,
        )


def choose_fonts(tags: Sequence[Tag]) -> tuple[int, int]:
    """Font heights of bodies' and of discs' names, as large as the usual body allows."""
    usual_px = float(np.median([tag.height_px for tag in tags if not tag.is_disc] or [60.0]))
    body_px = int(np.clip(0.4 * usual_px, *BODY_FONT_PX))
    return body_px, int(np.clip(0.6 * body_px, *DISC_FONT_PX))


def spread_apart(
    centres: Sequence[float], heights: Sequence[float], available: float
) -> list[float]:
    """Positions as near as possible to the wanted ones at which nothing overlaps.

    Least-squares positions by pooling neighbours that touch (Best and Chakravarti, Math Program
    47:425, 1990), then moved into the space available as one.

    Args:
        centres: (N,) wanted centres in the order to keep.
        heights: (N,) height of each item.
        available: the items stay within 0…available; if they do not fit, they start at 0.

    Returns:
        (N,) centres, rising; none for no items.
    """
    if not centres:
        return []
    size = np.asarray(heights, dtype=np.float64)
    offsets = np.concatenate([[0.0], np.cumsum((size[:-1] + size[1:]) / 2.0)])
    blocks: list[tuple[float, int]] = []
    for wanted in np.asarray(centres) - offsets:
        blocks.append((float(wanted), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (low, n), (high, m) = blocks[-2:]
            blocks[-2:] = [((low * n + high * m) / (n + m), n + m)]
    starts = np.repeat([start for start, _ in blocks], [count for _, count in blocks])
    lowest, highest = size[0] / 2.0, available - size[-1] / 2.0 - offsets[-1]
    return [float(row) for row in np.clip(starts, lowest, max(lowest, highest)) + offsets]
