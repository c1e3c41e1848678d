import numpy as np
import pytest

from blocks import BlockSpine
from spinekit.anatomy.scheme import VALUES
from spinekit.preview.layers import Sheet, colour_of, make_sheet, spread_points


@pytest.fixture(scope="module")
def sheet(spine: BlockSpine) -> Sheet:
    return make_sheet(spine.image, spine.parts, spine.grid.spacing_mm)


def share_of(picture: np.ndarray, value: int) -> float:
    """Share of pixels that are tinted like a value: nearer to its hue than to grey."""
    colour = np.array(colour_of(value), float)
    tint = picture - picture.mean(axis=2, keepdims=True)
    wanted = colour - colour.mean()
    length = np.linalg.norm(tint, axis=2) * np.linalg.norm(wanted)
    return float(((tint @ wanted) > 0.98 * np.maximum(length, 1.0)).mean())


def test_without_a_layer_the_image_is_grey(sheet: Sheet) -> None:
    pixels = np.asarray(sheet.draw())

    assert pixels.std() > 10
    assert (pixels[..., 0] == pixels[..., 1]).all()
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_a_structure_is_tinted_in_its_size(spine: BlockSpine, sheet: Sheet) -> None:
    only = np.where(spine.labels == VALUES["L3"], 43, 0)

    pixels = np.asarray(sheet.draw(only)).astype(float)

    surface = spine.labels[spine.labels.shape[0] // 2]
    assert share_of(pixels, 43) == pytest.approx((surface == VALUES["L3"]).mean(), rel=0.1)


def test_names_are_written_in_front_of_the_body(spine: BlockSpine, sheet: Sheet) -> None:
    only = np.where(spine.labels == VALUES["L3"], 43, 0)

    plain, named = (np.asarray(sheet.draw(only, names)) for names in (None, {43: "L3"}))

    changed = np.flatnonzero((plain != named).any(axis=(0, 2)))
    tinted = np.flatnonzero((plain[..., 0] != plain[..., 1]).any(axis=0))
    # Anterior is left: the name and its line end at the front of the body.
    assert changed.size > 0
    assert changed.max() <= tinted.min() + 2


def test_points_show_in_every_slice() -> None:
    drawn = spread_points([(7, np.array([2.0, 10.0, 20.0]))], (4, 30, 40), (4.0, 1.0, 1.0))

    assert drawn.shape == (4, 30, 40)
    assert (drawn[:, 10, 20] == 7).all()
    assert 10 < np.count_nonzero(drawn[0]) < 40
    assert spread_points([], (2, 3, 4), (1.0, 1.0, 1.0)).max() == 0
