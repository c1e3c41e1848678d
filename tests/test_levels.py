import dataclasses
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, draw_blocks, oracle_for, turn
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value, name_in_context
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.levels import LevelPoint, describe_levels, draw_levels, find_levels
from spinekit.pipeline import segment
from spinekit.structures import Structure
from spinekit.synth.phantom import Phantom, draw_phantom


@pytest.fixture(scope="module")
def neck() -> Phantom:
    """C1 to the upper thorax."""
    return draw_phantom(4, fov="cervical", anomalies=(), spacing_mm=(4, 1.5, 1.5))


def table(labels: np.ndarray) -> list[Structure]:
    """Rows of a drawn map, from the head down by value."""
    present = [int(value) for value in np.unique(labels) if value]
    rows = []
    for value in present:
        height = float(np.argwhere(labels == value)[:, 2].mean())
        name = name_in_context(value, present)
        rows.append(
            Structure(name, value, kind_of_value(value), 0.9, 1.0, (0, 0, height), False, False)
        )
    return sorted(rows, key=lambda row: -row.centroid_ras_mm[2])


def levels_of(spine: BlockSpine | Phantom) -> tuple[LevelPoint, ...]:
    return find_levels(spine.labels, spine.grid, table(spine.labels))


def numbers(points: tuple[LevelPoint, ...]) -> list[int | None]:
    return [point.number for point in points]


def test_every_disc_has_its_point_at_its_height_in_the_middle_of_the_canal(
    spine: BlockSpine,
) -> None:
    points = levels_of(spine)

    assert [point.name for point in points] == [
        "T12-L1",
        "L1-L2",
        "L2-L3",
        "L3-L4",
        "L4-L5",
        "L5-S1",
    ]
    assert numbers(points) == [20, 21, 22, 23, 24, 25]
    for point in points:
        disc = np.argwhere(spine.labels == VALUES[point.name])
        middle = spine.grid.ijk_to_ras([disc.mean(axis=0)])[0]
        # The canal runs from 24 to 40 mm on the right and from 40 to 56 mm in front, beside the
        # sacrum to 52 mm.
        corner = spine.grid.ijk_to_ras([[0, 0, 0]])[0]
        assert point.ras_mm[0] - corner[0] == pytest.approx(32 - 2, abs=0.1)
        assert point.ras_mm[1] - corner[1] == pytest.approx(48 - 0.5, abs=1.0)
        assert point.ras_mm[2] == pytest.approx(middle[2], abs=1.0)
        assert spine.labels[point.voxel] == VALUES["spinal_canal"]
        assert point.in_canal


@pytest.mark.parametrize("missing", ["T12-L1", "L2-L3", "L5-S1"])
def test_a_missed_disc_leaves_a_gap_and_moves_no_other(spine: BlockSpine, missing: str) -> None:
    labels = np.where(spine.labels == VALUES[missing], 0, spine.labels)

    points = find_levels(labels, spine.grid, table(labels))

    whole = levels_of(spine)
    assert points == tuple(point for point in whole if point.name != missing)


def test_the_map_has_one_voxel_per_number_whatever_the_voxels(spine: BlockSpine) -> None:
    for spacing in ((4.0, 1.0, 1.0), (1.0, 1.0, 5.0), (8.0, 8.0, 30.0)):
        size = [
            round(n * mm / to)
            for n, mm, to in zip(spine.grid.shape, spine.grid.spacing_mm, spacing, strict=True)
        ]
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = spine.grid.affine[:3, 3]
        grid = Grid((size[0], size[1], size[2]), affine)
        labels = resample_nearest(spine.labels, spine.grid, grid)
        if spacing[2] == 30.0:
            # Discs thinner than a layer are lost when drawn so coarsely: two in one layer.
            labels[3:5, 7:9, 3], labels[5:7, 7:9, 3] = VALUES["L3-L4"], VALUES["L4-L5"]

        points = find_levels(labels, grid, table(labels))
        drawn = draw_levels(points, grid.shape)

        assert len(points) == sum(kind_of_value(value) == "disc" for value in np.unique(labels)[1:])
        assert sorted(drawn[drawn > 0].tolist()) == sorted(numbers(points))


@pytest.mark.parametrize("codes", ["LPI", "PSR", "SLA"])
def test_other_axes_give_the_same_places(spine: BlockSpine, codes: str) -> None:
    turned = turn(spine.labels, spine.grid, codes)

    points = find_levels(turned.array, turned.grid, table(spine.labels))

    for point, straight in zip(points, levels_of(spine), strict=True):
        assert point.name == straight.name
        np.testing.assert_allclose(point.ras_mm, straight.ras_mm, atol=0.6)
        assert turned.array[point.voxel] == VALUES["spinal_canal"]


def test_the_neck_has_one_above_c1_and_two_above_c2(neck: Phantom) -> None:
    rows = {row.name: row for row in table(neck.labels)}
    if not {"C1", "C2", "C2-C3"} <= set(rows):
        pytest.fail("choose another seed: the phantom must show C1 to C3")

    points = levels_of(neck)

    assert numbers(points)[:5] == [1, 2, 3, 4, 5]
    heights = [point.ras_mm[2] for point in points]
    assert heights == sorted(heights, reverse=True)
    axis = np.argwhere(neck.labels == VALUES["C2"])
    top = neck.grid.ijk_to_ras(axis)[:, 2].max()
    assert abs(heights[0] - top) < 8
    assert heights[1] == pytest.approx((heights[0] + heights[2]) / 2, abs=3)


@pytest.mark.parametrize(("sure", "expected"), [(0.6, 0.6), (0.95, 0.9), (None, None)])
def test_the_point_above_c1_is_as_sure_as_the_less_sure_of_c1_and_c2(
    neck: Phantom, sure: float | None, expected: float | None
) -> None:
    rows = [
        dataclasses.replace(row, probability=sure) if row.name == "C1" else row
        for row in table(neck.labels)
    ]

    points = find_levels(neck.labels, neck.grid, rows)

    assert [point.name for point in points][:2] == ["above-C1", "C1-C2"]
    assert [point.probability for point in points][:2] == [expected, 0.9]


def test_without_c1_or_with_a_cut_c2_there_is_no_guess(neck: Phantom) -> None:
    labels = np.where(neck.labels == VALUES["C1"], 0, neck.labels)
    rows = table(labels)
    assert numbers(find_levels(labels, neck.grid, rows))[:2] == [2, 3]

    cut = [dataclasses.replace(row, touches_edge=True) if row.name == "C2" else row for row in rows]

    assert numbers(find_levels(labels, neck.grid, cut))[0] == 3


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("T12", "L1", "L2", "L3", "L4", "L5", "L6"), [20, 21, 22, 23, 24, 46, 25]),
        (("T12", "L1", "L2", "L3", "L4"), [20, 21, 22, 23, 25]),
        (("T11", "T12", "T13", "L1", "L2", "L3", "L4"), [19, 33, 20, 21, 22, 23, 25]),
        (("T10", "T11", "L1", "L2", "L3", "L4"), [18, 20, 21, 22, 23, 25]),
    ],
)
def test_more_or_fewer_vertebrae_move_no_number(
    names: tuple[str, ...], expected: list[int]
) -> None:
    points = levels_of(draw_blocks((4.0, 2.0, 2.0), names))

    assert numbers(points) == expected


def test_a_disc_without_a_name_has_a_place_but_no_number(spine: BlockSpine) -> None:
    labels = np.where(spine.labels == VALUES["L2-L3"], VALUES["disc_1"], spine.labels)

    points = find_levels(labels, spine.grid, table(labels))

    assert numbers(points) == [20, 21, None, 23, 24, 25]
    assert np.count_nonzero(draw_levels(points, spine.grid.shape)) == 5


def test_where_the_canal_was_not_found_the_point_lies_on_its_line(spine: BlockSpine) -> None:
    labels = spine.labels.copy()
    disc = np.argwhere(labels == VALUES["L3-L4"])
    height = slice(disc[:, 2].min() - 8, disc[:, 2].max() + 9)
    stretch = labels[:, :, height]
    stretch[stretch == VALUES["spinal_canal"]] = 0

    points = find_levels(labels, spine.grid, table(spine.labels))

    for point, whole in zip(points, levels_of(spine), strict=True):
        np.testing.assert_allclose(point.ras_mm, whole.ras_mm, atol=1.0)
        assert point.in_canal == (point.name != "L3-L4")


@pytest.mark.parametrize("end", ["upper", "lower"])
def test_beyond_a_canal_that_was_lost_no_height_is_made_up(spine: BlockSpine, end: str) -> None:
    """Of the discs more than 30 mm beyond the canal's end all would have come to lie at one."""
    labels = spine.labels.copy()
    half = labels.shape[2] // 2
    lost = labels[:, :, half:] if end == "upper" else labels[:, :, :half]
    lost[lost == VALUES["spinal_canal"]] = 0

    points = find_levels(labels, spine.grid, table(spine.labels))

    whole = {point.name: point for point in levels_of(spine)}
    assert 3 <= len(points) < len(whole)
    for point in points:
        np.testing.assert_allclose(point.ras_mm, whole[point.name].ras_mm, atol=1.0)


def test_a_canal_that_ends_far_below_c2_gives_no_point_above_it(neck: Phantom) -> None:
    axis = np.argwhere(neck.labels == VALUES["C2"])
    below = axis[:, 2].min() - round(40 / neck.grid.spacing_mm[2])
    labels = neck.labels.copy()
    labels[:, :, below:][np.isin(labels[:, :, below:], (1, 2))] = 0

    points = find_levels(labels, neck.grid, table(neck.labels))

    whole = {point.name: point for point in levels_of(neck)}
    assert points
    assert not {"above-C1", "C1-C2", "C2-C3"} & {point.name for point in points}
    for point in points:
        assert point.ras_mm[2] == pytest.approx(whole[point.name].ras_mm[2], abs=4)


def test_no_canal_or_no_disc_gives_no_point(spine: BlockSpine) -> None:
    tube = spine.labels == VALUES["spinal_canal"]
    alone = np.where(tube, spine.labels, 0).astype(np.uint8)
    without = np.where(tube, 0, spine.labels).astype(np.uint8)

    assert find_levels(without, spine.grid, table(without)) == ()
    assert find_levels(alone, spine.grid, table(alone)) == ()
    assert find_levels(0 * alone, spine.grid, []) == ()
    assert describe_levels(())["points"] == []


def test_a_single_slice_will_do() -> None:
    spine = draw_blocks((4.0, 1.0, 1.0))
    labels = spine.labels[8:9]
    grid = Grid(labels.shape, spine.grid.affine)

    points = find_levels(labels, grid, table(labels))

    assert numbers(points) == [20, 21, 22, 23, 24, 25]


def test_files_say_the_same_as_the_result(spine: BlockSpine, tmp_path: Path) -> None:
    found = segment(
        spine.image,
        affine=spine.grid.affine,
        predictor=oracle_for(spine),
        levels=True,
        soft=True,
        scheme="lumbar9",
    )

    paths = found.save(tmp_path)

    assert set(paths) == {
        *("dseg", "parts", "json", "preview"),
        *("levels", "levels_json", "cord_soft", "canal_soft"),
    }
    drawn = np.asarray(nib.load(paths["levels"]).dataobj)
    written = json.loads(paths["levels_json"].read_text(encoding="utf-8"))
    assert [drawn[tuple(point["voxel"])] for point in written["points"]] == [20, 21, 22, 23, 24, 25]
    assert [NAMES[VALUES[point["name"]]] for point in written["points"]] == [
        point.name for point in found.levels
    ]
    assert np.count_nonzero(drawn) == 6
    soft = nib.load(paths["canal_soft"])
    assert soft.get_data_dtype() == np.float32
    values = np.asarray(soft.dataobj)
    inside = spine.labels == VALUES["spinal_canal"]
    np.testing.assert_allclose(values[inside], 0.95 + 0.05 / 6, atol=2e-3)
    assert values[~inside].max() < 0.1


def test_without_a_disc_the_neck_has_its_upper_two_points(neck: Phantom) -> None:
    kept = [VALUES[name] for name in ("C1", "C2", "spinal_canal", "spinal_cord")]
    labels = np.where(np.isin(neck.labels, kept), neck.labels, 0).astype(np.uint8)

    points = find_levels(labels, neck.grid, table(labels))

    assert numbers(points) == [1, 2]
