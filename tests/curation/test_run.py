"""A set from end to end: what is written, what is done again, what a failure leaves."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.sets import prepare, recipe_table, save, small_spine, write_set
from results import read_json, voxels
from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.errors import UsageError
from spinekit.curation.report import has_pairs


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_set_is_written_and_its_source_is_not_touched(tmp_path) -> None:
    root, out = write_set(tmp_path / "in"), tmp_path / "out"
    before = snapshot(root)
    table = recipe_table(root, labels=["L1-L5", "discs"], renumber=True, spacing_mm=[0, 5, 5])

    report = prepare(table, out)

    assert snapshot(root) == before
    assert report["counts"] | {"done": 4, "failed": 0, "patients": 4} == report["counts"]
    image, labels = (nib.load(out / k / "sub01_T2w.nii.gz") for k in ("images", "labels"))
    assert image.shape == labels.shape
    for file in (image, labels):
        assert int(file.header["qform_code"]) > 0
        assert int(file.header["sform_code"]) > 0
        assert np.allclose(file.get_qform(), file.get_sform(), atol=1e-4)
        assert file.header.get_zooms() == pytest.approx((8, 5, 5))
    assert labels.get_data_dtype() == np.uint8
    values = np.unique(np.asarray(labels.dataobj))
    rows = {row["name"]: row["value"] for row in read_json(out / "labels.json")["labels"]}
    assert (rows["L1"], rows["L5"], rows["C2-C3"]) == (1, 5, 6)
    assert set(values) == {0, *(rows[f"L{n}"] for n in range(1, 6)), *(
        rows[n] for n in ("T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1"))}  # fmt: skip
    record = read_json(out / "cases" / "sub01_T2w.json")
    assert [row["file"] for row in record["inputs"]] == [
        "images/sub01_T2w.nii.gz", "labels/sub01_T2w.nii.gz"]  # fmt: skip
    assert "C2-C3" in record["missing"]
    assert str(tmp_path) not in (out / "cases" / "sub01_T2w.json").read_text()
    assert read_json(out / "failures.json") == []
    assert "sub" not in (out / "report.txt").read_text().split("missing")[0]


def test_the_label_table_leads_back(tmp_path) -> None:
    from spinekit.apps.cli import main

    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    prepare(recipe_table(root, labels=["L1-L5", "L4-L5"], renumber=True), out)
    words = ["labels", "convert", str(out / "labels"), "--inverse", str(out / "labels.json")]

    assert main([*words, "--out", str(tmp_path / "back"), "--quiet"]) == 0

    back = voxels(tmp_path / "back" / "sub01_T2w.nii.gz")
    ours = small_spine().labels
    kept = [*range(41, 46), VALUES["L4-L5"]]
    assert (back == np.where(np.isin(ours, kept), ours, 0)).all()


def test_what_is_done_is_not_done_again(tmp_path) -> None:
    root, out = write_set(tmp_path / "in"), tmp_path / "out"
    table = recipe_table(root)
    prepare(table, out)
    before = snapshot(out / "images") | snapshot(out / "cases")

    again = prepare(table, out)

    assert again["counts"]["skipped"] == 4
    assert snapshot(out / "images") | snapshot(out / "cases") == before
    assert prepare(table | {"validation": 0.5, "name": "x"}, out)["splits"]["validation"] == 2


def test_a_changed_input_or_a_lost_file_is_done_again(tmp_path) -> None:
    root, out = write_set(tmp_path / "in"), tmp_path / "out"
    prepare(recipe_table(root), out)
    save(root / "labels" / "sub02_T2w.nii.gz", small_spine().labels * 0, small_spine().grid.affine)
    (out / "labels" / "sub03_T2w.nii.gz").unlink()
    touched = root / "images" / "sub04_T2w.nii.gz"
    os.utime(touched, ns=(1, 1))

    report = prepare(recipe_table(root), out)

    assert (report["counts"]["done"], report["counts"]["skipped"]) == (2, 2)
    assert not voxels(out / "labels" / "sub02_T2w.nii.gz").any()


def test_what_a_list_says_anew_is_done_again(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 2), tmp_path / "out"
    values = {name: int(v) for v, name in NAMES.items() if v in np.unique(small_spine().labels)}
    rows = [{"image": f"images/sub0{n}_T2w.nii.gz", "label": f"labels/sub0{n}_T2w.nii.gz"}
            for n in (1, 2)]  # fmt: skip
    told = {"labels": {str(v): n for n, v in values.items()}, "training": rows}
    (root / "dataset.json").write_text(json.dumps(told))
    table = {"sources": [{"root": str(root), "dataset": "decathlon"}], "validation": 0.5}
    prepare(table, out)

    told["labels"][str(values["T12"])] = "T13"
    told["training"] = [row | {"subject": "one"} for row in rows]
    (root / "dataset.json").write_text(json.dumps(told))
    report = prepare(table, out)

    assert report["counts"] | {"done": 2, "skipped": 0, "patients": 1} == report["counts"]
    assert VALUES["T13"] in voxels(out / "labels" / "sub01_T2w.nii.gz")
    assert prepare(table, out)["counts"]["skipped"] == 2


def test_an_image_without_a_mask_is_in_no_part_and_no_layout_and_is_named(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 3), tmp_path / "out"
    (root / "labels" / "sub02_T2w.nii.gz").unlink()

    report = prepare(recipe_table(root, folds=2, exports=["nnunet-101", "decathlon"]), out)

    assert report["unmarked"] == ["sub02_T2w"]
    assert "sub02_T2w" in (out / "report.txt").read_text()
    split = read_json(out / "splits.json")
    names = ["sub01_T2w", "sub03_T2w"]
    assert sorted(split["train"] + split["validation"] + split["test"]) == names
    assert sorted(split["folds"][0]["train"] + split["folds"][0]["validation"]) == names
    assert {name: row["pairs"] for name, row in report["exports"].items()} == {
        "nnunet-101": 2, "decathlon": 2}  # fmt: skip


def test_a_case_with_an_empty_label_map_is_in_no_part_and_is_named(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 3), tmp_path / "out"
    spine = small_spine()
    other = np.where(spine.labels == VALUES["L4"], 0, spine.labels).astype(np.uint8)
    for name, array in (("sub02", spine.labels * 0), ("sub03", other)):
        save(root / "labels" / f"{name}_T2w.nii.gz", array, spine.grid.affine)

    report = prepare(recipe_table(root, labels=["L4"], exports=["nnunet-101", "decathlon"]), out)

    unmarked = ["sub02_T2w", "sub03_T2w"]
    assert report["notices"] == [{"code": "nothing-marked", "cases": 2, "names": unmarked}]
    assert report["unmarked"] == unmarked
    printed = (out / "report.txt").read_text()
    assert "nothing-marked: in 2 cases: sub02_T2w, sub03_T2w" in printed
    assert "nothing marked, in no part\n  sub02_T2w\n  sub03_T2w" in printed
    assert "no pair to train on" not in printed
    assert report["splits"]["train"] + report["splits"]["validation"] == 1
    assert {row["pairs"] for row in report["exports"].values()} == {1}
    assert "sub02" not in (out / "dataset.json").read_text()


def test_a_set_of_which_nothing_is_marked_says_so(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 2), tmp_path / "out"
    for path in (root / "labels").iterdir():
        path.unlink()

    report = prepare(recipe_table(root, name="mine"), out)

    assert not has_pairs(report)
    printed = (out / "report.txt").read_text()
    assert "mine has no pair to train on: nothing is marked in any of its cases; say" in printed
    save(root / "labels" / "sub01_T2w.nii.gz", small_spine().labels, small_spine().grid.affine)
    assert has_pairs(prepare(recipe_table(root), out))


def test_other_options_are_not_applied_unasked(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 2), tmp_path / "out"
    prepare(recipe_table(root), out)
    before = snapshot(out)

    with pytest.raises(UsageError, match="2 cases such as sub01_T2w were made with other options"):
        prepare(recipe_table(root, labels=["L4"]), out)

    assert snapshot(out) == before
    report = prepare(recipe_table(root, labels=["L4"]), out, overwrite=True)
    assert report["counts"]["done"] == 2
    assert np.unique(voxels(out / "labels" / "sub01_T2w.nii.gz")).tolist() == [0, 44]


def test_a_failure_is_reported_and_the_rest_goes_on(tmp_path) -> None:
    root, out = write_set(tmp_path / "in"), tmp_path / "out"
    (root / "images" / "sub02_T2w.nii.gz").write_bytes(b"\x1f\x8bnot at all")
    bad = np.full(small_spine().labels.shape, 2.5, np.float32)
    save(root / "labels" / "sub03_T2w.nii.gz", bad, small_spine().grid.affine)

    report = prepare(recipe_table(root), out)

    codes = {row["input"]: row["code"] for row in read_json(out / "failures.json")}
    assert codes == {"sub02_T2w": "file-damaged", "sub03_T2w": "not-labels"}
    assert (report["counts"]["done"], report["counts"]["failed"]) == (2, 2)
    names = {path.name.split(".")[0] for path in out.rglob("sub0*")}
    assert names == {"sub01_T2w", "sub04_T2w"}
    assert report["splits"]["train"] + report["splits"]["validation"] == 2


def test_two_processes_do_the_same(tmp_path) -> None:
    root = write_set(tmp_path / "in", 3)
    table = recipe_table(root, crops=1, crop_vertebrae=[2, 3], augment=1, spacing_mm=[0, 5, 5])

    prepare(table, tmp_path / "one")
    prepare(table, tmp_path / "two", processes=2)

    def files(out: Path) -> dict[str, bytes]:
        return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*.nii.gz"))}

    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert len(files(tmp_path / "one")) == 3 * 3 * 2
    one, two = (read_json(tmp_path / name / "splits.json") for name in ("one", "two"))
    assert one == two


def test_patients_stay_together_and_copies_only_train(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 5, ("T1w", "T2w")), tmp_path / "out"

    report = prepare(recipe_table(root, augment=1, folds=5), out)

    split = read_json(out / "splits.json")
    parts = [{name[:5] for name in split[part]} for part in ("train", "validation")]
    assert not parts[0] & parts[1]
    assert report["splits"] == {"train": 16, "validation": 2, "test": 0, "folds": [2] * 5}
    assert not any("_a" in name for name in split["validation"])
    for fold in split["folds"]:
        assert not {n[:5] for n in fold["train"]} & {n[:5] for n in fold["validation"]}


def test_merged_sets_keep_their_names_and_report_doubles(tmp_path) -> None:
    first, second = write_set(tmp_path / "a", 2), write_set(tmp_path / "b", 1)
    table = recipe_table(first)
    sources = [
        {**table["sources"][0], "name": "one"},
        {**table["sources"][0], "name": "two", "root": str(second)},
    ]

    report = prepare(table | {"sources": sources, "validation": 0.5}, tmp_path / "out")

    assert report["datasets"] == {"one": 2, "two": 1}
    assert report["duplicates"] == [["one_sub01_T2w", "two_sub01_T2w"]]
    split = read_json(tmp_path / "out" / "splits.json")
    sides = {n: part for part in ("train", "validation") for n in split[part]}
    assert sides["one_sub01_T2w"] == sides["two_sub01_T2w"]


def test_only_the_contrasts_asked_for(tmp_path) -> None:
    root = write_set(tmp_path / "in", 2, ("T1w", "T2w"))

    report = prepare(recipe_table(root, contrasts=["T2w"]), tmp_path / "out")

    assert report["contrasts"] == {"T2w": 2}
    with pytest.raises(UsageError, match="no case"):
        prepare(recipe_table(root, contrasts=["CT"]), tmp_path / "other")


def test_cases_that_are_no_longer_asked_for_are_named(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 3), tmp_path / "out"
    prepare(recipe_table(root), out)
    for folder in ("images", "labels"):
        (root / folder / "sub03_T2w.nii.gz").unlink()

    report = prepare(recipe_table(root), out)

    assert report["stale"] == ["sub03_T2w"]
    assert "sub03_T2w" not in str(read_json(out / "splits.json"))


def test_a_case_that_is_called_as_anothers_copy_is_refused(tmp_path) -> None:
    root = write_set(tmp_path / "in", 1)
    for folder in ("images", "labels"):
        (root / folder / "sub01_T2w_a1.nii.gz").write_bytes(
            (root / folder / "sub01_T2w.nii.gz").read_bytes()
        )

    assert prepare(recipe_table(root), tmp_path / "out")["counts"]["done"] == 2
    with pytest.raises(UsageError, match="are called sub01_T2w_a1"):
        prepare(recipe_table(root, augment=1), tmp_path / "copies")


def test_the_set_may_not_lie_in_its_source(tmp_path) -> None:
    root = write_set(tmp_path / "in", 1)

    with pytest.raises(UsageError, match="lies in it"):
        prepare(recipe_table(root), root / "out")
    with pytest.raises(UsageError, match="names no set"):
        prepare({"name": "x"}, tmp_path / "out")


def test_an_interrupt_leaves_no_half_of_a_case(tmp_path, monkeypatch) -> None:
    from spinekit.curation import preparation

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    root, out = write_set(tmp_path / "in", 2), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(preparation, "write_json", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(recipe_table(root), out)

    assert [path.name for path in out.rglob("*") if path.is_file()] == ["recipe.json"]
    assert prepare(recipe_table(root), out)["counts"]["done"] == 2
