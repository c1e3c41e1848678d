"""The whole page: what was drawn comes back with its names, places and sizes."""

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import spinekit
from blocks import BODY_MM, DISC_MM, NAMES, BlockSpine, draw_blocks, oracle_for, turned
from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import GeometryError, OutputError, UsageError
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.instances import split_instances
from spinekit.io.reading import read_labels
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment
from spinekit.relabelling.correction import relabel
from spinekit.relabelling.words import Word
from spinekit.structures import Structure

L4_MM3 = np.prod(BODY_MM) + 16**3
DISC_MM3 = BODY_MM[0] * BODY_MM[1] * DISC_MM


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


@pytest.mark.parametrize("codes", ["RAS", "LPI", "ASR", "PIR", "SLA"])
def test_turned_scans_give_the_truth_voxel_by_voxel(spine: BlockSpine, codes: str) -> None:
    scan = turned(spine, codes)

    found = segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(spine))

    truth = resample_nearest(spine.labels, spine.grid, scan.grid)
    np.testing.assert_array_equal(found.labels, truth)
    assert found.grid == scan.grid


def test_names_and_sizes_come_back_from_an_oblique_scan_of_other_spacing() -> None:
    truth = draw_blocks((1.0, 1.0, 1.0))
    angle = np.deg2rad(12)
    turn = np.eye(4)
    turn[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    shape, step = (20, 250, 420), (3.0, 0.7, 0.7)
    affine = turn @ np.diag([*step, 1.0])
    middle = truth.grid.ijk_to_ras((np.array(truth.grid.shape) - 1) / 2)[0]
    affine[:3, 3] = middle - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    scan = Volume(np.random.default_rng(1).normal(size=shape), Grid(shape, affine))

    found = segment(scan.array, affine=affine, predictor=oracle_for(truth))

    rows = {row.name: row for row in found.structures}
    assert [name for name in found.names if rows[name].part == "vertebra"] == list(NAMES)
    drawn = resample_nearest(truth.labels, truth.grid, scan.grid)
    for name in ("L2", "L4", "L3-L4"):
        assert dice(found.labels == rows[name].value, drawn == rows[name].value) > 0.95
    assert rows["L4"].volume_mm3 == pytest.approx(L4_MM3, rel=0.07)
    assert rows["L3-L4"].volume_mm3 == pytest.approx(DISC_MM3, rel=0.07)


def cut_in(rows: Iterable[Structure]) -> list[str]:
    return [row.name for row in rows if row.touches_edge]


def test_what_the_ends_of_the_scan_cut_is_told(spine: BlockSpine) -> None:
    def shown(low: int, high: int, codes: str = "RAS") -> list[str]:
        part = slice(low, spine.parts.shape[2] - high)
        affine = spine.grid.affine.copy()
        affine[2, 3] += low
        grid = Grid(spine.image[:, :, part].shape, affine)
        piece = replace(spine, image=spine.image[:, :, part], grid=grid)
        scan = turned(piece, codes)
        found = segment(scan.array, affine=scan.grid.affine, predictor=oracle_for(spine))
        assert not next(row for row in found.structures if row.name == "spinal_canal").partial
        return cut_in(found.structures)

    assert shown(0, 0) == shown(0, 0, "PIR") == ["spinal_canal"]
    assert shown(0, 20, "SLA") == ["T12", "spinal_canal"]
    assert shown(35, 0, "LPI") == ["sacrum", "spinal_canal"]


def test_a_canal_that_ends_in_view_is_not_cut(spine: BlockSpine) -> None:
    short = replace(spine, labels=spine.labels.copy(), parts=spine.parts.copy())
    for array, canal in ((short.labels, VALUES["spinal_canal"]), (short.parts, 4)):
        for end in (array[:, :, :5], array[:, :, -5:]):
            end[end == canal] = 0

    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(short))

    assert cut_in(found.structures) == []


def test_the_ends_of_an_oblique_scan_are_its_own_on_any_grid(tmp_path: Path) -> None:
    truth = draw_blocks((4.0, 2.0, 2.0))
    turn = np.eye(4)
    turn[1:3, 1:3] = [[0.8, -0.6], [0.6, 0.8]]
    oblique = replace(truth, grid=Grid(truth.grid.shape, turn @ truth.grid.affine))

    found = segment(
        truth.image, affine=oblique.grid.affine, predictor=oracle_for(oblique), iso=True
    )

    assert cut_in(found.structures) == ["spinal_canal"]
    file = found.save(tmp_path, stem="spine")["dseg"]
    changed = relabel(file, [Word("L4", "L4")]).report["structures"]
    assert [row["name"] for row in changed if row["touches_edge"]] == ["spinal_canal"]


def test_what_the_ends_of_a_sheared_scan_cut_is_told() -> None:
    """Layers that are pushed forward one against the other, as by the tilt of a gantry."""
    truth = draw_blocks((4.0, 1.0, 1.0))
    l2, l4 = (np.argwhere(truth.labels == VALUES[name])[:, 2] for name in ("L2", "L4"))
    low, high = int(l4.mean()), int(l2.mean())
    affine = truth.grid.affine.copy()
    affine[1, 2] = 0.2
    affine[1:3, 3] += (-0.2 * (high - low) / 2, low)
    grid = Grid((*truth.parts.shape[:2], high - low), affine)
    image, labels, parts = (
        resample_nearest(array, truth.grid, grid)
        for array in (truth.image, truth.labels, truth.parts)
    )
    seen = BlockSpine(image, labels, parts, grid, truth.names)

    found = segment(image, affine=affine, predictor=oracle_for(seen))

    rows = {row.name: row for row in found.structures}
    assert grid.is_sheared
    assert cut_in(found.structures) == ["L2", "L4", "spinal_canal"]
    assert [name for name, row in rows.items() if row.partial] == ["L2", "L4"]


def test_edges_follow_fine_pixels_and_not_the_working_grid() -> None:
    truth = draw_blocks((2.0, 0.5, 0.5))

    found = segment(truth.image, affine=truth.grid.affine, predictor=oracle_for(truth))

    assert dice(found.parts == 1, truth.parts == 1) > 0.985


def test_what_was_cleaned_away_does_not_come_back_when_restoring() -> None:
    truth = draw_blocks((2.0, 0.5, 0.5))
    parts = truth.parts.copy()
    parts[2:4, 200:208, 30:38] = 1
    crumbs = BlockSpine(truth.image, truth.labels, parts, truth.grid, truth.names)

    found = segment(truth.image, affine=truth.grid.affine, predictor=oracle_for(crumbs))

    assert found.parts[2:4, 200:208, 30:38].max() == 0
    assert found.labels[2:4, 200:208, 30:38].max() == 0


def test_labels_and_parts_agree_voxel_by_voxel() -> None:
    truth = draw_blocks((1.5, 0.6, 0.8))

    found = segment(truth.image, affine=truth.grid.affine, predictor=oracle_for(truth))

    np.testing.assert_array_equal(found.labels > 0, found.parts > 0)
    np.testing.assert_array_equal(found.labels == 2, found.parts == 4)
    np.testing.assert_array_equal(found.labels == 50, found.parts == 6)


def test_without_a_spine_labels_are_empty_and_it_says_so(spine: BlockSpine) -> None:
    nothing = BlockSpine(spine.image, 0 * spine.labels, 0 * spine.parts, spine.grid, ())

    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(nothing))

    assert found.labels.max() == found.parts.max() == 0
    assert found.structures == ()
    assert [warning["code"] for warning in found.report["warnings"]] == ["no-spine"]
    assert found.report["canal_with_cord_mm3"] is None
    assert found.preview().size[0] > 100


def test_an_unsure_model_is_told(spine: BlockSpine) -> None:
    unsure = oracle_for(spine, sure=0.5)

    found = segment(spine.image, affine=spine.grid.affine, predictor=unsure)

    assert [warning["code"] for warning in found.report["warnings"]] == ["contrast-unlike-training"]


def test_the_array_is_left_as_it_was(spine: BlockSpine) -> None:
    image = spine.image.copy()

    segment(image, affine=spine.grid.affine, predictor=oracle_for(spine))

    np.testing.assert_array_equal(image, spine.image)


def test_options_by_name_or_together(spine: BlockSpine) -> None:
    oracle = oracle_for(spine)
    by_name = spinekit.segment(
        spine.image, affine=spine.grid.affine, predictor=oracle, scheme="lumbar9"
    )
    together = spinekit.segment(
        spine.image, SegmentOptions(scheme="lumbar9"), affine=spine.grid.affine, predictor=oracle
    )

    np.testing.assert_array_equal(by_name.labels, together.labels)
    with pytest.raises(spinekit.SpineKitError, match="did you mean 'threads'"):
        spinekit.segment(spine.image, affine=spine.grid.affine, thread=2)


def test_unsure_names_are_left_out_and_the_bones_stay_numbered(spine: BlockSpine) -> None:
    k = slice(spine.parts.shape[2] - 78, None)
    image = spine.image[:, :, k]
    affine = spine.grid.affine.copy()
    affine[2, 3] += k.start * affine[2, 2]
    named = segment(image, affine=affine, predictor=oracle_for(spine))
    found = segment(image, affine=affine, predictor=oracle_for(spine), min_probability=1.0)

    assert "vertebra_1" in found.names
    assert "disc_1" in found.names
    rows = {row.name: row for row in found.structures}
    assert (rows["vertebra_1"].value, rows["disc_1"].value) == (201, 231)
    assert rows["vertebra_1"].probability is None
    np.testing.assert_array_equal(found.labels > 0, named.labels > 0)
    np.testing.assert_array_equal(found.labels == 201, named.labels == named.structures[0].value)
    assert found.report["options"]["min_probability"] == 1.0
    left_out, *others = found.report["column"]["alternatives"]
    assert left_out["names"] == [row["name"] for row in named.report["evidence"]["items"]]
    assert left_out["probability"] <= min(row.probability or 1.0 for row in named.structures)
    assert others == named.report["column"]["alternatives"]


@pytest.mark.parametrize("labeller", ["chain", "landmarks", "shift"])
def test_every_labeller_names_a_clean_spine_and_is_recorded(
    spine: BlockSpine, labeller: str
) -> None:
    found = segment(
        spine.image, affine=spine.grid.affine, predictor=oracle_for(spine), labeller=labeller
    )

    np.testing.assert_array_equal(found.labels, spine.labels)
    assert found.report["options"]["labeller"] == labeller
    unknown = {row.probability is None for row in found.structures if row.part == "vertebra"}
    assert unknown == {labeller == "landmarks"}


def test_the_time_of_splitting_counts_for_labelling(
    spine: BlockSpine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(probs: np.ndarray, spacing_mm: tuple[float, float, float]) -> Instances:
        time.sleep(0.5)
        return split_instances(probs, spacing_mm)

    monkeypatch.setattr("spinekit.pipeline.split_instances", slow)

    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))

    assert found.report["seconds"]["label"] >= 0.5


def test_progress_ends_at_one(spine: BlockSpine) -> None:
    told: list[float] = []

    segment(
        spine.image, affine=spine.grid.affine, predictor=oracle_for(spine), progress=told.append
    )

    assert told[-1] == 1.0


def test_saving_gives_the_paths_and_takes_another_stem(spine: BlockSpine, tmp_path: Path) -> None:
    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))

    paths = found.save(tmp_path / "out", stem="patient-free")

    assert set(paths) == {"dseg", "parts", "json", "preview"}
    assert all(path.is_file() and path.name.startswith("patient-free_") for path in paths.values())
    assert json.loads(paths["json"].read_text())["structures"][0]["name"] == "T12"


def test_a_format_that_there_is_not_is_told_with_those_there_are(
    spine: BlockSpine, tmp_path: Path
) -> None:
    found = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))

    with pytest.raises(OutputError, match=r"'\.nii\.gz'; use nii\.gz, .*seg\.nrrd"):
        found.save(tmp_path / "out", fmt=".nii.gz")
    assert not (tmp_path / "out").exists()


def test_a_file_takes_no_other_grid_than_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"scan\.nii"):
        segment(tmp_path / "scan.nii", spacing_mm=(4, 1, 1))


def test_a_volume_of_an_array_is_chosen_and_strictness_holds_for_it(spine: BlockSpine) -> None:
    both = np.stack([spine.image, spine.image[::-1]], axis=-1)

    found = segment(both, affine=spine.grid.affine, predictor=oracle_for(spine), volume=0)

    np.testing.assert_array_equal(found.labels, spine.labels)
    assert [warning["code"] for warning in found.report["warnings"]] == ["volume-chosen"]
    with pytest.raises(GeometryError, match="no spine"):
        segment(spine.image, spacing_mm=(0.04, 0.01, 0.01), strict=True)


def test_two_pieces_of_a_body_become_one_vertebra() -> None:
    truth = draw_blocks((4.0, 1.0, 1.0))
    body = (truth.labels == VALUES["L2"]) & (truth.parts == 1)
    k = np.flatnonzero(body.any(axis=(0, 1)))
    middle = int(k.mean())
    parts = truth.parts.copy()
    parts[:, :, middle - 2 : middle + 2][body[:, :, middle - 2 : middle + 2]] = 0
    cut = BlockSpine(truth.image, truth.labels, parts, truth.grid, truth.names)

    found = segment(truth.image, affine=truth.grid.affine, predictor=oracle_for(cut))

    rows = {row.name: row for row in found.structures}
    assert [name for name in found.names if rows[name].part == "vertebra"] == list(NAMES)
    mine = (found.labels == VALUES["L2"]) & (found.parts == 1)
    assert dice(mine, body & (parts == 1)) > 0.99
    assert "piece" in [row["name"] for row in found.report["column"]["anomalies"]]
    assert [item["name"] for item in found.report["evidence"]["items"]].count("L2") == 1


@pytest.mark.parametrize("fmt", ["nii.gz", "mha"])
def test_one_slice_lies_in_every_format_where_the_report_says(tmp_path: Path, fmt: str) -> None:
    spine = draw_blocks((4.0, 2.0, 2.0))
    middle = spine.grid.shape[0] // 2
    one = BlockSpine(
        spine.image[middle : middle + 1],
        spine.labels[middle : middle + 1],
        spine.parts[middle : middle + 1],
        Grid((1, *spine.grid.shape[1:]), np.diag([1.0, 2.0, 2.0, 1.0])),
        spine.names,
    )
    result = segment(one.image[0], spacing_mm=(2.0, 2.0), predictor=oracle_for(one))

    path = result.save(tmp_path, fmt=fmt)["dseg"]

    assert result.labels.any()
    saved = read_labels(path)
    np.testing.assert_array_equal(saved.array, result.labels)
    np.testing.assert_allclose(saved.grid.affine, result.grid.affine, atol=1e-6)


def test_names_that_lead_out_of_the_folder_are_refused(spine: BlockSpine, tmp_path: Path) -> None:
    result = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))
    for stem in ("../b", str(tmp_path / "b")):
        with pytest.raises(OutputError, match="leads out of"):
            result.save(tmp_path / "out", stem=stem)
    assert list(tmp_path.iterdir()) == []
