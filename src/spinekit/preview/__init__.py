"""One picture per case: the mid-sagittal image along the curve of the spine, outlined and named.

Knows arrays, spacings and the sidecar's structures; neither files nor patients. All arrays are
(I, J, K) with i→R, j→A, k→S; in the picture anterior is left and superior is up.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from spinekit.anatomy.scheme import COLOURS, VALUES
from spinekit.preview.outlines import draw_structures
from spinekit.preview.surface import Mask, Spacing, choose_window, follow_spine
from spinekit.preview.tags import AMBER, PAPER, Colour, write_tags

INK, FAINT = (236, 238, 241), (138, 144, 153)
DISCLAIMER = "research use, not a medical device"
NOTHING_FOUND = "no spine found"
KEY = {"cord": "spinal_cord", "canal": "spinal_canal"}  # told by colour, not by a tag
MARGIN_PX, CAPTION_PX, CAPTION_FONT_PX = 14, 44, 16
TITLE_PX = 80  # least room for a title
SWATCH_PX, GAP_PX = 12, 6  # a colour of the key, and the room beside it
SPINE_GREY = 0.42  # brightness that the median of the spine is brought to
GAMMA_RANGE = (0.5, 1.0)  # brightening only, and not beyond recognition


def render_preview(
    image: NDArray[np.floating],
    dseg: NDArray[np.integer],
    parts: NDArray[np.integer],
    spacing_mm: Spacing,
    structures: Sequence[Mapping[str, Any]],
    *,
    title: str,
) -> Image.Image:
    """Draw the plain image beside the same image with outlines and names.

    The surface shown runs through the middle of canal and bodies at every height, so that a
    scoliotic spine stays in view. A name with a probability below 0.8 is amber, with a question
    mark and its probability, and its outline is dashed; so is a structure without a name, with its
    number.

    Args:
        image: (I, J, K) intensities; values that are not finite are drawn black.
        dseg: (I, J, K) label values.
        parts: (I, J, K) parts.
        spacing_mm: voxel size along i, j, k.
        structures: the sidecar's entries; `value`, `name` and `probability` are read.
        title: of the caption; nothing else identifies the scan.

    Returns:
        An RGB picture about 1,100 pixels high; without labels it says that no spine was found.
    """
    plane = follow_spine(parts, spacing_mm)
    labels, surface_parts = plane.cut_labels(dseg), plane.cut_labels(parts)
    window = choose_window(labels > 0, spacing_mm)
    surface = plane.cut_image(np.nan_to_num(image, posinf=0.0, neginf=0.0))
    grey = _grey(window.draw(surface), window.draw((labels > 0).astype(np.float32)) > 0.5)
    plain = Image.fromarray(grey).convert("RGB")
    if (dseg > 0).any():
        records = {int(entry["value"]): entry for entry in structures}
        named, tags = draw_structures(plain, window, labels, surface_parts, records)
        write_tags(named, tags)
    else:
        named = plain.copy()
        _write_centred(named, NOTHING_FOUND)
    shown = {int(value) for value in np.unique(labels)}
    key = {text: COLOURS[VALUES[name]] for text, name in KEY.items() if VALUES[name] in shown}
    return _compose(plain, named, title, key)


def _grey(pixels: NDArray[np.float32], spine: Mask) -> NDArray[np.uint8]:
    """Window at the 1st and 99.5th percentile and brighten until the spine is well visible.

    Args:
        pixels: (height, width) intensities.
        spine: (height, width) mask of the spine, where known.

    Returns:
        (height, width) grey values; black for a constant image.
    """
    low, high = np.percentile(pixels, [1.0, 99.5])
    if high <= low:
        return np.zeros(pixels.shape, dtype=np.uint8)
    share = np.clip((pixels - low) / (high - low), 0.0, 1.0)
    middle = float(np.median(share[spine])) if spine.any() else SPINE_GREY
    gamma = np.log(SPINE_GREY) / np.log(np.clip(middle, 1e-3, 0.99))
    return np.asarray(share ** np.clip(gamma, *GAMMA_RANGE) * 255.0, dtype=np.uint8)


def _write_centred(panel: Image.Image, text: str) -> None:
    font = ImageFont.load_default(size=float(np.clip(panel.width / 12, 12, 28)))
    ImageDraw.Draw(panel).text(
        (panel.width / 2, panel.height / 2),
        text,
        font=font,
        fill=AMBER,
        anchor="mm",
        stroke_width=3,
        stroke_fill=PAPER,
    )


def _compose(
    plain: Image.Image, named: Image.Image, title: str, key: Mapping[str, Colour]
) -> Image.Image:
    """Both panels side by side over a caption: title, key to the colours, disclaimer.

    Panels too narrow for the caption stand in the middle of a page that holds it.
    """
    font = ImageFont.load_default(size=CAPTION_FONT_PX)
    words = [DISCLAIMER, *key]
    swatches = len(key) * (SWATCH_PX + GAP_PX + MARGIN_PX)
    caption = sum(font.getlength(text) for text in words) + swatches
    panels = plain.width + named.width + 3 * MARGIN_PX
    width = max(panels, math.ceil(caption) + TITLE_PX + 4 * MARGIN_PX)
    page = Image.new("RGB", (width, plain.height + MARGIN_PX + CAPTION_PX), PAPER)
    left = (width - panels) // 2 + MARGIN_PX
    page.paste(plain, (left, MARGIN_PX))
    page.paste(named, (left + plain.width + MARGIN_PX, MARGIN_PX))
    draw = ImageDraw.Draw(page)
    row = plain.height + MARGIN_PX + CAPTION_PX / 2
    right = float(width - MARGIN_PX)
    draw.text((right, row), DISCLAIMER, font=font, fill=FAINT, anchor="rm")
    right -= draw.textlength(DISCLAIMER, font=font) + 2 * MARGIN_PX
    for text, colour in key.items():
        draw.text((right, row), text, font=font, fill=INK, anchor="rm")
        right -= draw.textlength(text, font=font) + GAP_PX
        draw.rectangle((right - SWATCH_PX, row - 6, right, row + 6), fill=colour)
        right -= SWATCH_PX + MARGIN_PX
    shown = spell(title)
    while len(shown) > 1 and draw.textlength(shown, font=font) > right - MARGIN_PX:
        shown = shown[:-2] + "…"
    draw.text((MARGIN_PX, row), shown, font=font, fill=INK, anchor="lm")
    return page


def spell(title: str) -> str:
    """Put a title into characters that the font of captions has.

    Args:
        title: Any text, such as a file name; bytes in it that are no text too.

    Returns:
        Letters without their marks, "-" for every dash and "?" for what is left.
    """
    letters = (c for c in unicodedata.normalize("NFKD", title) if not unicodedata.combining(c))
    plain = "".join("-" if unicodedata.category(c) == "Pd" else c for c in letters)
    return " ".join(plain.encode("ascii", "replace").decode().split())
