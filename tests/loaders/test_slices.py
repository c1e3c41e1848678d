"""Views of slices: where pixels come from, what lies outside, what repeats."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spinekit.loaders.pack import PackedCase  # noqa: E402
from spinekit.loaders.slices import (  # noqa: E402
    UNKNOWN,
    View,
    ViewRanges,
    cut_view,
    draw_view,
    index_case,
    plain_view,
)

CANVAS = (64, 96)


def marked_case(spacing=(4.0, 1.0, 1.0)):
    """A scan with a bright block in slice 2 at j 40–49, k 60–79, labelled body and level 5."""
    image = np.full((5, 100, 140), 20, np.uint8)
    allowed = np.full(image.shape, 1, np.uint8)
    level = np.zeros_like(image)
    image[2, 40:50, 60:80] = 255
    allowed[2, 40:50, 60:80] = 2
    level[2, 40:50, 60:80] = 5
    return PackedCase("c", "s", spacing, image, allowed, level)


def test_index_finds_the_annotated_slice_those_beside_it_and_its_centre():
    assert index_case(marked_case((8.0, 1.0, 1.0))).slices.tolist() == [0, 1, 2, 3, 4]
    index = index_case(marked_case((20.0, 1.0, 1.0)))
    assert index.slices.tolist() == [1, 2, 3]
    assert index_case(marked_case((40.0, 1.0, 1.0))).slices.tolist() == [2]
    assert index.centre_jk == pytest.approx((44.5, 69.5), abs=1.0)


def test_slices_that_say_nothing_are_not_drawn_beside_those_that_do():
    case = marked_case((8.0, 1.0, 1.0))
    case.allowed[[0, 3]] = UNKNOWN
    assert index_case(case).slices.tolist() == [1, 2, 4]


def test_plain_view_keeps_image_and_labels_together_in_the_middle():
    case = marked_case()
    view = plain_view(case, index_case(case), 2, CANVAS)
    image, allowed, level = cut_view(case, view, CANVAS)
    assert image.shape == (3, *CANVAS)
    bright = image[1] > 0.9
    assert bright.sum() == pytest.approx(200, abs=30)
    assert (allowed[bright] == 2).float().mean() > 0.95
    assert (level[bright] == 5).float().mean() > 0.95
    rows, columns = torch.nonzero(bright, as_tuple=True)
    assert rows.float().mean() == pytest.approx(31.5, abs=1.5)
    assert columns.float().mean() == pytest.approx(47.5, abs=1.5)


def test_spacing_scales_the_view():
    fine, coarse = (
        cut_view(c, plain_view(c, index_case(c), 2, CANVAS), CANVAS)[1]
        for c in (marked_case((4.0, 0.5, 0.5)), marked_case())
    )
    assert (fine == 2).sum() / (coarse == 2).sum() == pytest.approx(0.25, rel=0.2)


def test_neighbours_are_four_millimetres_away():
    thin = PackedCase("t", "s", (1.0, 1.0, 1.0), *([np.ones((20, 40, 40), np.uint8)] * 3))
    assert plain_view(thin, index_case(thin), 10, CANVAS).neighbours == (6, 10, 14)
    assert plain_view(thin, index_case(thin), 0, CANVAS).neighbours == (0, 0, 4)


def test_outside_the_scan_and_the_window_nothing_is_known():
    case = marked_case()
    view = View(2, (1, 2, 3), (0.0, 70.0), 0.0, (1.0, 1.0), (30.0, 60.0))
    image, allowed, level = cut_view(case, view, CANVAS)
    outside = torch.ones(CANVAS, dtype=torch.bool)
    outside[32:, 30:60] = False
    assert (image[:, outside] == 0).all()
    assert (allowed[outside] == UNKNOWN).all()
    assert (level[outside] == 0).all()
    assert (allowed[34:, 32:58] != UNKNOWN).all()


def test_a_quarter_turn_turns_the_block():
    case = marked_case()
    view = View(2, (1, 2, 3), (44.5, 69.5), 90.0, (1.0, 1.0), (0.0, 96.0))
    rows, columns = torch.nonzero(cut_view(case, view, CANVAS)[1] == 2, as_tuple=True)
    assert rows.max() - rows.min() == pytest.approx(19, abs=2)
    assert columns.max() - columns.min() == pytest.approx(9, abs=2)


def test_drawing_is_decided_by_the_generator():
    case = marked_case()
    index = index_case(case)
    draws = [
        draw_view(case, index, CANVAS, ViewRanges(), np.random.default_rng(seed))
        for seed in (3, 3, 4)
    ]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]
