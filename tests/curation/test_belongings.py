"""What is not of us in OUT stays; what is of us goes on after a kill and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from curation.sets import prepare, recipe_table, save, small_spine, write_set
from results import voxels
from spinekit.core.errors import OutputError, UsageError
from spinekit.curation import preparation
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import plan_jobs

MINE = b"drawn by hand"


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MINE)
    return path


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", ["images/sub01_T2w.nii.gz", "labels/sub01_T2w.nii.gz",
    "labels/sub01_T2w_a1.nii.gz", "cases/sub01_T2w.json", "recipe.json", "labels.json",
    "splits.json", "report.txt", "dataset.json", "monai-label/sub01_T2w.nii.gz"])  # fmt: skip
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_person_put_there_is_not_replaced(tmp_path, name, overwrite) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    put(out / name)
    table = recipe_table(root, augment=1, exports=["decathlon", "monai-label"])

    with pytest.raises(UsageError, match="not made here; choose another OUT") as error:
        prepare(table, out, overwrite=overwrite)

    assert error.value.code == "out-not-ours"
    assert str(out / Path(name).parts[0]) in str(error.value)
    assert files(out) == {name: MINE}


def test_nor_is_it_in_a_set_of_ours(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    prepare(recipe_table(root), out)
    mine = put(out / "labels" / "sub02_T2w.nii.gz")
    before = files(out)
    write_set(root, 2)

    with pytest.raises(UsageError, match=r"labels/sub02_T2w\.nii\.gz would be replaced"):
        prepare(recipe_table(root), out)

    assert files(out) == before
    mine.unlink()
    assert prepare(recipe_table(root), out)["counts"]["failed"] == 0


def test_what_is_in_nobodys_way_does_not_matter(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    mine = [put(out / name) for name in ("notes.txt", "images/own.nii.gz", "dataset.json")]

    assert prepare(recipe_table(root), out)["counts"]["done"] == 1

    assert [path.read_bytes() for path in mine] == [MINE] * 3


def test_a_failure_leaves_what_it_has_not_written(tmp_path, monkeypatch) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    (job,) = plan_jobs(prepare_recipe(recipe_table(root)), out)
    mine = [put(out / kind / "sub01_T2w.nii.gz") for kind in ("images", "labels")]

    def full(*_: object, **__: object) -> None:
        raise OutputError("disk-full", "the disk is full", "free some space")

    monkeypatch.setattr(preparation, "write_image", full)
    with pytest.raises(OutputError):
        preparation.prepare_case(job)

    assert [path.read_bytes() for path in mine] == [MINE] * 2
    assert len(files(out)) == 2


KILLED = """import os, sys, spinekit.curation.preparation as preparation
from spinekit.apps.cli import main
preparation.write_json = lambda *_: os._exit(137)
main(sys.argv[1:])"""


def test_a_kill_while_cases_are_replaced_does_not_pass_for_done(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    words = ["data", "prepare", str(root), str(out), "--values", "spinekit", "--overwrite"]
    table = recipe_table(root, labels=["L4"])
    table["sources"][0]["settings"] = {"values": "spinekit"}
    prepare(table, out)
    before = files(out / "cases") | files(out / "labels")

    command = [sys.executable, "-c", KILLED, *words, "--labels", "L5", "--set", "augment=1"]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 137
    assert np.unique(voxels(out / "labels" / "sub01_T2w.nii.gz")).tolist() == [0, 45]

    assert (
        prepare(table, out)["counts"] | {"done": 1, "skipped": 0, "pairs": 1}
        == (json.loads((out / "report.json").read_text())["counts"])
    )
    assert files(out / "cases") | files(out / "labels") == before


def test_a_kill_behind_the_record_leaves_nothing_in_the_end(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    prepare(recipe_table(root), out)
    before = set(files(out))
    rows = [{"name": "sub01_T2w"}, {"name": "sub01_T2w_a1"}]
    (out / "cases" / "sub01_T2w.begun").write_text(json.dumps({"outputs": rows}))
    put(out / "labels" / "sub01_T2w_a1.nii.gz")

    assert prepare(recipe_table(root), out)["counts"]["skipped"] == 1

    assert set(files(out)) == before


def test_crops_and_copies_no_longer_asked_for_go(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 2), tmp_path / "out"
    more = {"crops": 2, "crop_vertebrae": [2, 3]}
    prepare(recipe_table(root, augment=1, **more), out)
    mine = put(out / "images" / "sub01_T2w_crop09.nii.gz")

    prepare(recipe_table(root, **more | {"crops": 1}), out, overwrite=True)

    names = {path.name.removesuffix(".nii.gz") for path in (out / "images").iterdir()}
    pairs = {f"sub0{n}_T2w{end}" for n in (1, 2) for end in ("", "_crop01")}
    assert names == pairs | {"sub01_T2w_crop09"}
    assert mine.read_bytes() == MINE


def test_a_copy_of_a_case_may_become_a_case_of_its_own(tmp_path) -> None:
    root, out = write_set(tmp_path / "in", 1), tmp_path / "out"
    prepare(recipe_table(root, augment=1), out)
    for kind in ("images", "labels"):
        source = (root / kind / "sub01_T2w.nii.gz").read_bytes()
        (root / kind / "sub01_T2w_a1.nii.gz").write_bytes(source)
    former, fresh = plan_jobs(prepare_recipe(recipe_table(root)), out)

    preparation.prepare_case(fresh)
    preparation.prepare_case(former)

    assert {path.name for path in (out / "labels").iterdir()} == {
        "sub01_T2w.nii.gz", "sub01_T2w_a1.nii.gz"}  # fmt: skip


def test_files_of_one_name_elsewhere_are_told_apart(tmp_path) -> None:
    spine, root, out = small_spine(), tmp_path / "in", tmp_path / "out"
    for kind, array in (("images", spine.image), ("labels", spine.labels)):
        path = save(tmp_path / kind / "scan.nii.gz", array, spine.grid.affine)
        (root / kind).mkdir(parents=True)
        (root / kind / "sub01_T2w.nii.gz").symlink_to(path)
    prepare(recipe_table(root), out)

    assert prepare(recipe_table(root), out)["counts"]["skipped"] == 1
