"""Files of a prepared set that a person has changed: kept, told, and read again."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from curation.sets import prepare, recipe_table, save, small_spine, write_set
from results import voxels
from spinekit.anatomy.scheme import VALUES, load_scheme
from spinekit.curation import touched
from spinekit.curation.exports.classes import DATASETS
from spinekit.datasets.prepared import open_prepared

SPINE = small_spine()
L5, L4 = VALUES["L5"], VALUES["L4"]
NNUNET = f"nnUNet_raw/{DATASETS[103].folder}/labelsTr/sub01_T2w.nii.gz"


def paint(path: Path, array: np.ndarray) -> bytes:
    """Save another label map in place of a prepared one, as an editor does."""
    save(path, array.astype(np.uint8), SPINE.grid.affine)
    return path.read_bytes()


def record_of(out: Path) -> dict:
    return json.loads((out / "cases" / "sub01_T2w.json").read_text())


def names_in(out: Path) -> set[str]:
    return {row["name"] for row in record_of(out)["outputs"][0]["structures"]}


@pytest.fixture
def made(tmp_path: Path) -> tuple[dict, Path]:
    """Two patients; the mask of the first lacks L5. Its label map in the set is the file."""
    root = write_set(tmp_path / "in", 2)
    lacking = np.where(SPINE.labels == L5, 0, SPINE.labels)
    save(root / "labels" / "sub01_T2w.nii.gz", lacking, SPINE.grid.affine)
    table = recipe_table(root, validation=0.0, labels=["all"])
    prepare(table, tmp_path / "out")
    return table, tmp_path / "out" / "labels" / "sub01_T2w.nii.gz"


def test_what_a_person_painted_in_is_kept_told_and_exported(made: tuple[dict, Path]) -> None:
    table, path = made
    out = path.parents[1]
    assert "L5" not in names_in(out)
    assert "L5" in record_of(out)["missing"]
    painted = paint(path, SPINE.labels)

    report = prepare(table | {"exports": ["nnunet-103", "bids"]}, out)

    assert path.read_bytes() == painted
    assert report["counts"]["skipped"] == 2
    assert [(r["code"], r["names"]) for r in report["notices"]] == [
        ("changed-since", ["sub01_T2w"])
    ]
    assert "L5" in names_in(out)
    assert "L5" not in record_of(out)["missing"]
    exported = voxels(out / NNUNET)
    assert (exported == DATASETS[103].classes[L5]).sum() == (SPINE.labels == L5).sum()
    # Run again it is still a person's, though the record has told of it.
    assert len(prepare(table, out)["notices"]) == 1
    assert path.read_bytes() == painted


def test_a_file_that_is_put_back_is_as_it_was_made(made: tuple[dict, Path]) -> None:
    table, path = made
    before, record = path.read_bytes(), record_of(path.parents[1])
    paint(path, SPINE.labels)
    prepare(table, path.parents[1])
    path.write_bytes(before)

    report = prepare(table, path.parents[1])

    assert (report["notices"], report["counts"]["skipped"]) == ([], 2)
    assert record_of(path.parents[1]) == record


@pytest.mark.parametrize("cause", ["options", "source"])
def test_a_changed_file_is_not_made_anew(made: tuple[dict, Path], cause: str) -> None:
    table, path = made
    painted = paint(path, np.where(SPINE.labels == L5, L4, SPINE.labels))
    if cause == "options":
        table = table | {"label_method": "nearest"}
    else:
        root = Path(table["sources"][0]["root"])
        save(root / "labels" / "sub01_T2w.nii.gz", SPINE.labels, SPINE.grid.affine)

    report = prepare(table, path.parents[1], overwrite=True)

    assert [(r["name"], r["code"]) for r in report["failures"]] == [("sub01_T2w", "changed-since")]
    assert path.read_bytes() == painted
    path.unlink()
    assert prepare(table, path.parents[1], overwrite=True)["failures"] == []


def test_a_damaged_label_map_fails_its_case_and_is_left(made: tuple[dict, Path]) -> None:
    table, path = made
    half = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(half)

    report = prepare(table, path.parents[1])

    assert [(r["name"], r["code"]) for r in report["failures"]] == [("sub01_T2w", "changed-since")]
    assert path.read_bytes() == half


def test_a_value_that_means_nothing_in_the_set_is_refused(made: tuple[dict, Path]) -> None:
    table, path = made
    paint(path, np.where(SPINE.labels == L4, 3, SPINE.labels))

    report = prepare(table, path.parents[1])

    assert "holds 3, which means nothing in the set" in report["failures"][0]["message"]


@pytest.mark.parametrize("options", [{"renumber": True}, {"scheme": "spider"}])
def test_the_values_of_the_set_are_read(tmp_path: Path, options: dict) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    lacking = np.where(SPINE.labels == VALUES["L1"], 0, SPINE.labels)
    save(root / "labels" / "sub01_T2w.nii.gz", lacking, SPINE.grid.affine)
    table = recipe_table(root, labels=["T12", "L1-L5"], **options)
    prepare(table, out)
    path = out / "labels" / "sub01_T2w.nii.gz"
    spider, _ = load_scheme("spider").convert(np.isin(SPINE.labels, range(32, 46)) * SPINE.labels)
    l1 = 2 if "renumber" in options else int(spider[SPINE.labels == VALUES["L1"]][0])
    paint(path, np.where(SPINE.labels == VALUES["L1"], l1, voxels(path)))

    prepare(table, out)

    rows = {r["name"]: r for r in record_of(out)["outputs"][0]["structures"]}
    assert rows["L1"] == {
        "name": "L1", "spinekit_value": VALUES["L1"], "value": l1,
        "voxels": int((SPINE.labels == VALUES["L1"]).sum()),
    }  # fmt: skip


def test_a_copied_set_is_as_it_was_made(made: tuple[dict, Path]) -> None:
    table, path = made
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)  # newer than the record

    report = prepare(table, path.parents[1])

    assert (report["counts"]["skipped"], report["notices"]) == (2, [])


def test_the_bytes_of_a_copied_set_are_compared_once(
    made: tuple[dict, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, path = made
    out = path.parents[1]
    record = out / "cases" / "sub01_T2w.json"
    content = record.read_bytes()
    newer = record.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(newer, newer))
    compared: list[str] = []
    hash_files = touched.hash_files

    def hash_and_count(paths: list[Path]) -> str:
        compared.extend(path.name for path in paths)
        return hash_files(paths)

    monkeypatch.setattr(touched, "hash_files", hash_and_count)
    prepare(table, out)
    assert compared == ["sub01_T2w.nii.gz"]
    prepare(table, out)

    assert len(compared) == 1
    assert (record.read_bytes(), record.stat().st_mtime_ns) == (content, newer)
    # What is changed after that is seen, were it of the same size.
    same_size = bytes([*path.read_bytes()[:-1], 255])
    path.write_bytes(same_size)
    os.utime(path, ns=(newer + 1, newer + 1))
    assert touched.find_touched(record, record_of(out)) == ["labels/sub01_T2w.nii.gz"]


def test_what_a_person_names_otherwise_is_what_training_is_told(tmp_path: Path) -> None:
    """The source calls the lumbar vertebrae L2 to L6; in the set they are corrected to L1 to L5."""
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    right = np.where((SPINE.labels >= 41) & (SPINE.labels <= 45), SPINE.labels, 0)
    wrong = np.where(right > 0, right + 1, SPINE.labels == VALUES["spinal_canal"])
    save(root / "labels" / "sub01_T2w.nii.gz", wrong.astype(np.uint8), SPINE.grid.affine)
    table = recipe_table(root, validation=0.0, labels=["L1-L6"])
    prepare(table, out)
    lumbar = {"L1", "L2", "L3", "L4", "L5"}
    before = record_of(out)
    assert before["anomaly"] == "L6"
    paint(out / "labels" / "sub01_T2w.nii.gz", right)

    report = prepare(table, out)

    (pair,) = open_prepared(out).pairs
    beside = set(before["shown"]) - lumbar - {"L6"}  # of which the set's label map says nothing
    assert pair.shown == lumbar | beside
    assert report["anomalies"] == {"none": 1}
    assert record_of(out)["missing"] == ["L6"]


def test_an_unusual_column_that_the_set_itself_tells_stays(made: tuple[dict, Path]) -> None:
    table, path = made
    told = record_of(path.parents[1]) | {"facts": {"anomalies": "fused"}, "anomaly": "fused"}
    (path.parents[1] / "cases" / "sub01_T2w.json").write_text(json.dumps(told))
    paint(path, SPINE.labels)

    prepare(table, path.parents[1])

    assert record_of(path.parents[1])["anomaly"] == "fused"


def test_an_empty_map_that_a_person_filled_is_marked_and_emptied_is_not(tmp_path: Path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    empty = np.zeros_like(SPINE.labels)
    save(root / "labels" / "sub01_T2w.nii.gz", empty, SPINE.grid.affine)
    table = recipe_table(root, validation=0.0)
    prepare(table, out)
    path = out / "labels" / "sub01_T2w.nii.gz"
    paint(path, SPINE.labels)

    filled = prepare(table, out)
    assert [row["code"] for row in filled["notices"]] == ["changed-since"]
    assert filled["unmarked"] == []
    assert "L5" in open_prepared(out).pairs[0].shown

    paint(path, empty)
    emptied = prepare(table, out)
    assert "nothing-marked" in [row["code"] for row in emptied["notices"]]
    assert emptied["unmarked"] == ["sub01_T2w"]
    assert record_of(out)["shown"] == []


def test_what_the_values_of_the_set_cannot_say_stays_shown(tmp_path: Path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    table = recipe_table(root, scheme="spider")
    prepare(table, out)
    before = record_of(out)
    path = out / "labels" / "sub01_T2w.nii.gz"
    made = path.read_bytes()
    l5 = next(r for r in before["outputs"][0]["structures"] if r["name"] == "L5")["value"]
    paint(path, np.where(voxels(path) == l5, 0, voxels(path)))

    prepare(table, out)

    assert "sacrum" in before["shown"]
    assert record_of(out)["shown"] == [name for name in before["shown"] if name != "L5"]
    path.write_bytes(made)
    prepare(table, out)
    assert record_of(out) == before
