"""The picture of a case: what is drawn, where, and in which colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinekit.anatomy.scheme import COLOURS, VALUES
from spinekit.preview import render_preview, spell
from spinekit.preview.outlines import describe
from spinekit.preview.surface import choose_window, follow_spine
from spinekit.preview.tags import AMBER, Shape, make_tag, spread_apart

SPACING = (4.0, 1.0, 1.0)
LEVELS = ("L4", "L3", "L2", "L1")


def column(shape=(9, 120, 130), lean=0.0):
    """Four grey bodies with a canal; `lean` slices to the right over the whole height."""
    image = np.full(shape, 10.0, np.float32)
    dseg, parts = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for k in range(4, 126):
        middle = shape[0] // 2 + round(lean * (k / shape[2] - 0.5))
        across = slice(max(0, middle - 1), middle + 2)
        level = (k - 10) // 26
        if 0 <= level < 4 and (k - 10) % 26 < 20:
            image[across, 50:75, k] = 100.0
            dseg[across, 50:75, k] = VALUES[LEVELS[level]]
            parts[across, 50:75, k] = 1
        dseg[middle, 34:46, k], parts[middle, 34:46, k] = VALUES["spinal_canal"], 4
    return image, dseg, parts


def entries(dseg, **probability):
    return [
        {"name": name, "value": VALUES[name], "probability": probability.get(name, 0.99)}
        for name in LEVELS
        if (dseg == VALUES[name]).any()
    ]


def panels(picture):
    """The plain and the named panel, without their frame."""
    pixels = np.asarray(picture).astype(int)[14:-44]
    width = (pixels.shape[1] - 3 * 14) // 2
    return pixels[:, 14 : 14 + width], pixels[:, 28 + width : 28 + 2 * width]


def near(pixels, colour, tolerance=40):
    return np.abs(pixels - np.asarray(colour)).max(axis=-1) < tolerance


def draw(image, dseg, parts, structures=None, spacing=SPACING, title="scan"):
    structures = entries(dseg) if structures is None else structures
    return render_preview(image, dseg, parts, spacing, structures, title=title)


def test_outlines_lie_on_the_borders_of_the_bodies():
    image, dseg, parts = column()
    plain, named = panels(draw(image, dseg, parts))
    window = choose_window((dseg[4] > 0).T, SPACING)
    scale = window.size_px[1] / (window.k[1] - window.k[0])
    for n, level in enumerate(LEVELS):
        rows = [(window.k[1] - k) * scale for k in (10 + 26 * n + 20, 10 + 26 * n)]
        columns = [(window.j[1] - j) * scale for j in (75, 50)]
        hit = near(named, COLOURS[VALUES[level]])
        top, bottom, left, right = (
            hit[int(rows[0]) : int(rows[0]) + 5, int(columns[0]) + 20 : int(columns[1]) - 20],
            hit[int(rows[1]) - 5 : int(rows[1]), int(columns[0]) + 20 : int(columns[1]) - 20],
            hit[int(rows[0]) + 20 : int(rows[1]) - 20, int(columns[0]) : int(columns[0]) + 5],
            hit[int(rows[0]) + 20 : int(rows[1]) - 20, int(columns[1]) - 5 : int(columns[1])],
        )
        assert top.any(axis=0).all()
        assert bottom.any(axis=0).all()
        assert left.any(axis=1).all()
        assert right.any(axis=1).all()
    assert (plain.max(axis=-1) - plain.min(axis=-1)).max() == 0


def test_names_stand_in_front_of_the_bodies():
    image, dseg, parts = column()
    _, named = panels(draw(image, dseg, parts))
    window = choose_window((dseg[4] > 0).T, SPACING)
    front = int((window.j[1] - 75) * window.size_px[0] / (window.j[1] - window.j[0]))
    coloured = named[:, : front - 8].max(axis=-1) - named[:, : front - 8].min(axis=-1) > 60
    written = np.flatnonzero(coloured.any(axis=1))
    assert (np.diff(written) > 3).sum() == 3  # four blocks of text


def test_unsure_name_is_amber_and_its_outline_has_gaps():
    image, dseg, parts = column()
    _, sure = panels(draw(image, dseg, parts))
    _, unsure = panels(draw(image, dseg, parts, entries(dseg, L3=0.62)))
    colour = COLOURS[VALUES["L3"]]
    assert near(sure, colour).sum() > 1000
    assert near(unsure, colour).sum() < 50
    amber = near(unsure, AMBER).sum()
    assert 0.3 < amber / near(sure, colour).sum() < 1.2
    other = near(sure, COLOURS[VALUES["L2"]])
    assert (other == near(unsure, COLOURS[VALUES["L2"]])).mean() > 0.999


@pytest.mark.parametrize(
    ("name", "probability", "text", "unsure"),
    [
        ("L4", 0.98, "L4", False),
        ("L4", 0.8, "L4", False),
        ("L4", 0.62, "L4?  62 %", True),
        ("L4", 0.799, "L4?  79 %", True),
        ("L4", None, "L4", False),
        ("vertebra_1", 0.3, "vertebra_1", True),
        ("disc_2", None, "disc_2", True),
        ("sacrum", 0.99, "sacrum", False),
    ],
)
def test_what_is_written(name, probability, text, unsure):
    record = {"name": name, "value": VALUES[name], "probability": probability}
    colour, written, doubtful = describe(VALUES[name], record)
    assert (written, doubtful) == (text, unsure)
    assert (colour == AMBER) is unsure


def test_value_without_an_entry_has_its_usual_name():
    assert describe(VALUES["T12"], None) == (COLOURS[VALUES["T12"]], "T12", False)


def test_surface_follows_a_leaning_spine():
    image, dseg, parts = column(lean=5.0)
    plane = follow_spine(parts, SPACING)
    curve = plane.lower + plane.share
    assert (np.diff(curve) > -1e-9).all()
    assert curve[-1] - curve[0] > 3
    shown = set(np.unique(plane.cut_labels(dseg))) - {0}
    assert shown == {VALUES[name] for name in (*LEVELS, "spinal_canal")}
    assert (plane.cut_image(image)[plane.cut_labels(parts) == 1] > 50).mean() > 0.95
    middle = set(np.unique(dseg[4])) - {0}
    straight_share = (dseg[4] > 0).sum() / (plane.cut_labels(dseg) > 0).sum()
    assert middle <= shown
    assert straight_share < 0.95


def test_surface_without_a_spine_is_the_middle_slice():
    plane = follow_spine(np.zeros((9, 5, 7), np.uint8), SPACING)
    assert (plane.lower == 4).all()
    assert (plane.share == 0).all()


def test_nothing_found_is_said_and_nothing_is_outlined():
    image, dseg, parts = column()
    plain, named = panels(draw(image, dseg * 0, parts * 0, []))
    assert near(named, AMBER).sum() > 200
    changed = np.argwhere(np.abs(plain - named).max(axis=-1) > 0)
    centre = np.array(plain.shape[:2]) / 2
    assert np.abs(changed.mean(axis=0) - centre).max() < 10


@pytest.mark.parametrize(
    ("shape", "spacing", "height_range"),
    [
        ((1, 120, 130), (5.0, 1.0, 1.0), (900, 1200)),
        ((9, 120, 130), (0.5, 0.5, 4.0), (900, 1200)),
        ((9, 120, 650), (4.0, 1.0, 1.0), (900, 1200)),
        ((9, 400, 130), (4.0, 1.0, 1.0), (300, 1200)),
    ],
)
def test_size_for_single_slices_axial_scans_and_odd_shapes(shape, spacing, height_range):
    image, dseg, parts = column(shape)
    picture = draw(image, dseg, parts, spacing=spacing)
    assert height_range[0] <= picture.height <= height_range[1]
    assert picture.width <= 1600
    assert near(panels(picture)[1], COLOURS[VALUES["L2"]]).any()


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((200, 200, 1), (1.0, 1.0, 1.0)), ((1, 1, 300), (4.0, 1.0, 1.0)), ((1, 64, 1), SPACING)],
)
def test_a_scan_of_one_row_or_column_is_shown_in_a_field_that_holds_the_words(shape, spacing):
    image = np.random.default_rng(0).uniform(50, 200, shape).astype(np.float32)
    nothing = np.zeros(shape, np.uint8)

    plain, named = panels(draw(image, nothing, nothing, [], spacing=spacing))

    assert min(plain.shape[:2]) >= 160
    assert np.argwhere(plain.max(axis=-1) > 60).mean(axis=0) == pytest.approx(
        np.array(plain.shape[:2]) / 2, abs=25
    )
    words = np.argwhere(near(named, AMBER))
    assert words.shape[0] > 100
    low, high = words.min(axis=0), words.max(axis=0)
    assert (low > 3).all()
    assert (high < np.array(named.shape[:2]) - 4).all()


def test_a_narrow_scan_has_a_caption_with_all_its_words():
    shape = (1, 1, 300)
    image = np.random.default_rng(0).uniform(50, 200, shape).astype(np.float32)
    dseg = np.zeros(shape, np.uint8)
    dseg[..., 20:150], dseg[..., 150:280] = VALUES["spinal_canal"], VALUES["spinal_cord"]
    parts = np.where(dseg == VALUES["spinal_cord"], 5, 4 * (dseg > 0)).astype(np.uint8)

    pixels = np.asarray(draw(image, dseg, parts, title="a long name")).astype(int)[-44:]

    ends = []
    for name in ("spinal_canal", "spinal_cord"):
        swatch = np.flatnonzero(near(pixels, COLOURS[VALUES[name]], 5).sum(axis=0) >= 12)
        assert len(swatch) == 13
        ends += [swatch.min(), swatch.max()]
    words = np.flatnonzero((pixels.min(axis=-1) > 150)[:, : min(ends)].any(axis=0))
    assert words.max() < min(ends) - 3
    assert len(words) > 30


def test_structures_of_one_row_are_drawn_where_the_row_is():
    image, dseg, parts = column()
    row = slice(20, 21)
    picture = draw(image[:, :, row], dseg[:, :, row], parts[:, :, row], spacing=(4.0, 1.0, 4.0))

    plain, named = panels(picture)

    height = plain.shape[0]
    assert height >= 160
    drawn = np.flatnonzero(near(named, COLOURS[VALUES["L4"]]).sum(axis=1) > 100)
    shown = np.flatnonzero((plain.max(axis=-1) > 60).any(axis=1))
    assert abs(drawn.mean() - height / 2) < 3
    assert drawn.min() >= shown.min() - 4
    assert drawn.max() <= shown.max() + 4


def test_constant_and_broken_images_are_drawn():
    image, dseg, parts = column()
    broken = image.copy()
    broken[0], broken[:, 0] = np.nan, np.inf
    plain, _ = panels(draw(broken, dseg, parts))
    assert plain.max() == 255
    dark, named = panels(draw(image * 0, dseg, parts))
    assert dark.max() == 0
    assert near(named, COLOURS[VALUES["L2"]]).any()


def test_long_title_leaves_room_for_the_disclaimer():
    image, dseg, parts = column()
    short = np.asarray(draw(image, dseg, parts, title="a"))
    long = np.asarray(draw(image, dseg, parts, title="a very long name " * 20))
    assert short.shape == long.shape
    right = short.shape[1] - 260
    assert (short[-44:, right:] == long[-44:, right:]).all()
    assert (short[-44:, :right] != long[-44:, :right]).any()


def test_inputs_are_not_changed():
    image, dseg, parts = column()
    before = image.copy(), dseg.copy(), parts.copy()
    draw(image, dseg, parts)
    for now, then in zip((image, dseg, parts), before, strict=True):
        assert (now == then).all()


def test_name_stands_beside_the_largest_piece():
    mask = np.zeros((40, 60), bool)
    mask[10:30, 30:55] = True
    mask[2:4, 1:3] = True
    tag = make_tag(Shape(mask, 100, 200, 2), "L4", (9, 9, 9), is_disc=False)
    assert tag.anchor == ((200 + 30) / 2, (100 + 20) / 2)
    assert tag.height_px == 10


ITEMS = st.lists(st.tuples(st.floats(0, 500), st.floats(5, 30)), max_size=15)


@given(ITEMS)
def test_names_never_overlap_and_keep_their_order(items):
    items = sorted(items)
    centres, heights = [c for c, _ in items], [h for _, h in items]
    rows = spread_apart(centres, heights, 600.0)
    assert len(rows) == len(items)
    for n in range(len(rows) - 1):
        assert rows[n + 1] - rows[n] >= (heights[n] + heights[n + 1]) / 2 - 1e-6
    if rows and sum(heights) <= 600:
        assert rows[0] - heights[0] / 2 >= -1e-6
        assert rows[-1] + heights[-1] / 2 <= 600 + 1e-6


def test_names_with_room_stay_where_they_belong():
    assert spread_apart([50.0, 100.0, 200.0], [20.0, 20.0, 20.0], 300.0) == [50.0, 100.0, 200.0]


def test_two_names_in_one_place_part_evenly():
    assert spread_apart([100.0, 100.0], [20.0, 20.0], 300.0) == [90.0, 110.0]


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Série 4 – T1 sag", "Serie 4 - T1 sag"),
        ("Wirbelsäule—ŁWS", "Wirbelsaule-?WS"),
        ("e\u0301tude \t ½", "etude 1?2"),
        ("脊柱 caf\udce9", "?? caf?"),
        ("sub-01_T2w.x (2)", "sub-01_T2w.x (2)"),
    ],
)
def test_a_title_is_spelt_in_characters_of_the_font(title: str, shown: str) -> None:
    assert spell(title) == shown


@pytest.mark.parametrize("title", ["two\nlines", "caf\udce9", "脊柱", ""])
def test_any_file_name_can_be_a_title(title: str) -> None:
    image, dseg, parts = column()

    page = render_preview(image, dseg, parts, SPACING, entries(dseg), title=title)

    assert page.size[0] > 100
