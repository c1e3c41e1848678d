"""Where a scan holds no image, as registration and resampling leave it, nothing is labelled."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from blocks import BlockSpine, oracle_for, turned
from spinekit.anatomy.scheme import VALUES
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.pipeline import segment
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word
from spinekit.sight import look_at


def in_margins(spine: BlockSpine, below: int, above: int) -> BlockSpine:
    """The middle of a spine, T12 and the sacrum cut, with blank layers around."""
    middle = slice(35, spine.parts.shape[2] - 20)
    image = np.pad(spine.image[:, :, middle], ((0, 0), (0, 0), (below, above)))
    affine = spine.grid.affine.copy()
    affine[2, 3] += middle.start - below
    return replace(spine, image=image, grid=Grid(image.shape, affine))


@pytest.mark.parametrize("codes", ["RAS", "SLA"])
def test_blank_layers_around_a_scan_change_nothing(spine: BlockSpine, codes: str) -> None:
    plain, around = in_margins(spine, 0, 0), in_margins(spine, 90, 60)

    results = []
    for piece in (plain, around):
        scan = turned(piece, codes)
        results.append(
            segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(spine), soft=True)
        )

    before, after = results
    assert after.structures == before.structures
    assert [row.name for row in after.structures if row.touches_edge] == [
        "T12",
        "sacrum",
        "spinal_canal",
    ]
    assert after.report["column"] == before.report["column"]
    there = np.isin(after.labels, np.unique(before.labels[before.labels > 0]))
    assert np.count_nonzero(there) == np.count_nonzero(before.labels)
    assert np.count_nonzero(after.soft["canal"]) == np.count_nonzero(before.soft["canal"])


def test_a_sheared_scan_is_labelled_where_it_holds_image(spine: BlockSpine) -> None:
    plain, around = in_margins(spine, 0, 0), in_margins(spine, 90, 60)
    results = []
    for piece in (plain, around):
        affine = piece.grid.affine.copy()
        affine[2, 1] = 0.15
        results.append(segment(piece.image, affine=affine, predictor=oracle_for(spine), soft=True))

    before, after = results
    for array in (after.labels, after.parts, after.soft["canal"], after.soft["cord"]):
        assert not array[:, :, :90].any()
        assert not array[:, :, -60:].any()
    cut = [{row.name for row in found.structures if row.touches_edge} for found in results]
    assert cut[0] == cut[1] >= {"sacrum", "spinal_canal"}
    assert np.mean(after.labels[:, :, 90:-60] == before.labels) > 0.99


def test_nothing_is_labelled_beside_a_sheared_scan(spine: BlockSpine) -> None:
    """The upright grids around it reach beyond, where the spine goes on."""
    affine = spine.grid.affine.copy()
    affine[1, 0] = 2.0
    affine[:3, 3] += affine[:3, 0] * 3
    i, j, k = spine.grid.shape
    grid = Grid((i - 6, j, k), affine)
    image = resample_nearest(spine.image, spine.grid, grid)

    found = segment(image, affine=affine, predictor=oracle_for(spine), iso=True, soft=True)

    for array in (found.labels, found.parts, found.soft["canal"]):
        at = grid.ras_to_ijk(found.grid.ijk_to_ras(np.argwhere(array)))
        assert len(at)
        assert (
            np.abs(at - (np.array(grid.shape) - 1) / 2) <= np.array(grid.shape) / 2 + 0.01
        ).all()


@pytest.mark.parametrize("row", [1, 2])
def test_bones_of_a_sheared_scan_are_as_large_and_whole_as_of_an_upright_one(
    spine: BlockSpine, row: int
) -> None:
    """Sagittal slices that are pushed forward or up, one against the other: the same slab."""
    i, j, k = spine.grid.shape
    rows = []
    for shear in (0.0, 1.2):
        affine = spine.grid.affine.copy()
        affine[:3, 3] += affine[:3, 0] * 3
        affine[row, 0] += shear
        affine[row, 3] -= shear * (i - 7) / 2
        grid = Grid((i - 6, j, k), affine)
        image = resample_nearest(spine.image, spine.grid, grid)
        found = segment(image, affine=affine, predictor=oracle_for(spine), iso=True)
        seen = {item["name"]: item["volume_mm3"] for item in found.report["evidence"]["items"]}
        rows.append({one.name: (one, seen.get(one.name)) for one in found.structures})

    plain, sheared = rows
    for name in ("L1", "L1-L2", "L2", "L2-L3", "L3", "L3-L4", "L4"):
        (was, was_seen), (now, now_seen) = plain[name], sheared[name]
        assert not now.touches_edge
        assert not now.partial
        # A disc of few layers loses a twentieth by being resampled alone.
        within = 0.05 if now.part == "vertebra" else 0.1
        assert now.volume_mm3 == pytest.approx(was.volume_mm3, rel=within)
        assert now_seen == pytest.approx(was_seen, rel=within)


def turned_away(spine: BlockSpine) -> BlockSpine:
    """A spine whose upper end, from the top of T12 in front, was not imaged; filled with 0."""
    _, j, k = np.indices(spine.image.shape)
    below = k < spine.image.shape[2] - 22 - 0.3 * (j - 56)
    return replace(spine, image=np.where(below, spine.image + 10, 0))


@pytest.mark.parametrize("codes", ["RAS", "SLA"])
@pytest.mark.parametrize("shear", [0.0, 0.15])
def test_fill_in_the_corners_holds_nothing(spine: BlockSpine, codes: str, shear: float) -> None:
    askew = turned_away(spine)
    affine = askew.grid.affine.copy()
    affine[1, 2] = shear
    askew, truth = (replace(one, grid=Grid(one.grid.shape, affine)) for one in (askew, spine))
    scan = turned(askew, codes)

    found = segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(truth), soft=True)

    assert (spine.labels[askew.image == 0] == VALUES["T12"]).any()
    for array in (found.labels, found.parts, found.soft["canal"]):
        assert not array[scan.array == 0].any()
    cut = {row.name for row in found.structures if row.touches_edge and row.part == "vertebra"}
    assert cut == {row.name for row in found.structures if row.partial} - {"sacrum"} == {"T12"}


def test_what_the_image_cuts_stays_cut_when_a_name_is_corrected(
    spine: BlockSpine, tmp_path: Path
) -> None:
    around = in_margins(spine, 90, 60)
    found = segment(around.image, affine=around.grid.affine, predictor=oracle_for(spine))

    relabel(found.save(tmp_path)["dseg"], [Word("L3", "L3")])

    rows = json.loads((tmp_path / "array_dseg.json").read_text())["structures"]
    assert [row["name"] for row in rows if row["touches_edge"]] == ["T12", "sacrum", "spinal_canal"]


def test_margins_are_no_room_in_what_a_network_sees_for_a_mask(spine: BlockSpine) -> None:
    sights = [
        look_at(Volume(piece.image, piece.grid), oracle_for(spine), file="scan")
        for piece in (in_margins(spine, 0, 0), in_margins(spine, 90, 60))
    ]

    plain, around = sights
    assert around.sure == plain.sure
    np.testing.assert_array_equal(
        around.column.labels.array[:, :, 90:-60], plain.column.labels.array
    )
    assert not around.column.labels.array[:, :, :90].any()


@pytest.mark.parametrize("fill", [0.0, 37.3, -1000.0])
def test_margins_of_any_value_are_none_on_another_grid(spine: BlockSpine, fill: float) -> None:
    around = in_margins(spine, 90, 60)
    image = np.where(around.image == 0, np.float32(fill), around.image)
    oracle = replace(oracle_for(spine), grid_mm=(0.87, 2.0))

    seen = look_at(Volume(image, around.grid), oracle, file="scan").column.labels

    k = np.flatnonzero(seen.array.any(axis=(0, 1)))
    at = around.grid.ras_to_ijk(seen.grid.ijk_to_ras([[0, 0, k[0]], [0, 0, k[-1]]]))[:, 2]
    assert at[0] == pytest.approx(90, abs=0.9)
    assert at[1] == pytest.approx(image.shape[2] - 61, abs=0.9)


def test_a_few_thin_layers_among_blank_ones_are_no_scan_to_cut_out() -> None:
    image = np.zeros((4, 64, 80), np.float32)
    image[:, :, 14:16] = np.random.default_rng(0).random((4, 64, 2))
    spacing = (4.0, 1.0, 0.4)

    found = segment(image, spacing_mm=spacing, iso=True)

    assert found.labels.shape == (16, 64, 32)
