"""`spinekit data prepare` as its user calls it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from curation.sets import save, small_spine, write_set
from results import a_report, voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.datasets.real import real_data_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_set(tmp_path / "in", 3)


def test_a_folder_and_options(folder, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    words = ["data", "prepare", str(folder), str(out), "--values", "spinekit", "--renumber"]

    code = main([*words, "--labels", "L4-L5,L4..L5", "--size", "8", "30", "32", "--jobs", "1"])

    printed = capsys.readouterr().out
    assert code == 0
    assert "out: 3 cases of 3 patients: 3 done" in printed
    assert nib.load(out / "images" / "sub01_T2w.nii.gz").shape == (8, 30, 32)
    assert np.unique(voxels(out / "labels" / "sub01_T2w.nii.gz")).tolist() == [0, 1, 2, 3]
    rows = json.loads((out / "labels.json").read_text())["labels"]
    assert [row["name"] for row in rows] == ["L4-L5", "L4", "L5"]


def test_what_was_erased_of_a_result_is_in_no_set(tmp_path) -> None:
    """Upper halves of a vertebra, the canal and the sacrum; the parts beside still have them."""
    spine = small_spine()
    erased = np.isin(spine.labels, [VALUES[name] for name in ("L3", "spinal_canal", "sacrum")])
    erased[:, :, : spine.labels.shape[2] // 2] = False
    erased |= spine.labels == VALUES["sacrum"]
    corrected = np.where(erased, 0, spine.labels)
    save(tmp_path / "in" / "images" / "a.nii.gz", spine.image, spine.grid.affine)
    for kind, array in (("dseg", corrected), ("parts", spine.parts), ("cord_soft", spine.image)):
        save(tmp_path / "in" / "labels" / f"a_{kind}.nii.gz", array, spine.grid.affine)
    (tmp_path / "in" / "labels" / "a_dseg.json").write_text(json.dumps(a_report()))

    words = [str(tmp_path / "in"), str(tmp_path / "out"), "--values", "spinekit", "--quiet"]
    assert main(["data", "prepare", *words]) == 0

    assert (voxels(tmp_path / "out" / "labels" / "a.nii.gz") == corrected).all()
    record = json.loads((tmp_path / "out" / "cases" / "a.json").read_text())
    assert (record["conflicts"], record["losses"]) == ([], [])


def test_a_recipe_and_what_wins_over_it(folder, tmp_path, capsys) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'name = "mine"\nlabels = ["L4"]\n[[sources]]\nroot = "{folder}"\n'
        '[sources.settings]\nvalues = "spinekit"\n'
    )
    words = ["data", "prepare", str(recipe), str(tmp_path / "out"), "--json"]

    assert main([*words, "--labels", "L5", "--set", "validation=0.34", "--export", "bids"]) == 0

    report = json.loads(capsys.readouterr().out)
    assert (report["name"], report["splits"]["validation"]) == ("mine", 1)
    assert [row["name"] for row in report["structures"]] == ["L5"]
    assert report["exports"]["bids"]["pairs"] == 3


def test_a_value_that_is_not_the_same_bone_in_all_cases_is_warned_of(
    folder, tmp_path, capsys
) -> None:
    """SPIDER's values count from the lowest vertebra, which is L5 in the others and L4 here."""
    path = folder / "labels" / "sub01_T2w.nii.gz"
    spine = nib.load(path)
    labels = np.asarray(spine.dataobj)
    save(path, np.where(labels == VALUES["L5"], 0, labels).astype(np.uint8), spine.affine)
    words = ["data", "prepare", str(folder), str(tmp_path / "out"), "--values", "spinekit"]

    assert main([*words, "--scheme", "spider"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "not the same structure in all cases" in line] == said
    assert ": 1, 2, 3, 4, 5" in said[0]
    assert main([*words, "--overwrite"]) == 0
    assert capsys.readouterr().err == ""


def test_names_that_may_be_visits_of_one_patient_are_asked_about(tmp_path, capsys) -> None:
    root, out = write_set(tmp_path / "in", 4), tmp_path / "out"
    for kind in ("images", "labels"):
        for n, name in enumerate(("p1_visit1", "p1_visit2", "p2_visit1", "p2_visit2"), start=1):
            (root / kind / f"sub{n:02d}_T2w.nii.gz").rename(root / kind / f"{name}.nii.gz")
    words = ["data", "prepare", str(root), str(out), "--values", "spinekit"]

    assert main(words) == 0
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert "4 names such as p1_visit1 and p1_visit2" in line
    assert "may be 2" in line
    assert "--subject" in line
    assert line.removeprefix("spinekit: warning: ") in (out / "report.txt").read_text()

    more = ["--subject", "^[^_]+", "--set", "validation=0.5", "--overwrite"]
    assert main([*words, *more]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "4 cases of 2 patients" in printed.out
    split = json.loads((out / "splits.json").read_text())
    (trains,), (validates,) = ({n[:2] for n in split[part]} for part in ("train", "validation"))
    assert {trains, validates} == {"p1", "p2"}


def test_mistakes_are_one_line(folder, tmp_path, capsys) -> None:
    out = str(tmp_path / "out")

    assert main(["data", "prepare", str(folder), out, "--set", "lables=['L4']"]) == 1
    assert "did you mean 'labels'?" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["data", "prepare", str(empty), out]) == 2
    assert "--dataset" in capsys.readouterr().err
    assert not Path(out).exists()


def test_a_recipe_names_its_own_dataset(folder, tmp_path, capsys) -> None:
    recipe, out = tmp_path / "mine.toml", tmp_path / "out"
    recipe.write_text(f'[[sources]]\nroot = "{folder}"\n')

    assert main(["data", "prepare", str(recipe), str(out), "--dataset", "spider"]) == 2

    line = capsys.readouterr().err
    assert "--dataset spider" in line
    assert "mine.toml is a recipe" in line
    assert not out.exists()


def test_a_failed_case_is_exit_1(folder, tmp_path, capsys) -> None:
    (folder / "images" / "sub02_T2w.nii.gz").write_bytes(b"")
    words = ["data", "prepare", str(folder), str(tmp_path / "out"), "--values", "spinekit"]

    assert main([*words, "--quiet"]) == 1

    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert "sub02_T2w" in captured.err


def test_a_set_without_masks_trains_nobody_and_is_exit_1(folder, tmp_path, capsys) -> None:
    for path in (folder / "labels").iterdir():
        path.unlink()
    words = ["data", "prepare", str(folder), str(tmp_path / "out"), "--values", "spinekit"]

    assert main([*words, "--quiet"]) == 1

    assert "no case to train or test on" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "images").iterdir())) == 3


def files_of(out: Path) -> dict[str, bytes]:
    """Everything but the report, which tells of times and of what was there before."""
    kinds = ("images/*", "labels/*", "cases/*", "*.json")
    found = {str(p.relative_to(out)): p for kind in kinds for p in out.glob(kind)}
    return {name: p.read_bytes() for name, p in found.items() if name != "report.json"}


@pytest.mark.skipif(os.name == "nt", reason="kills a group of processes")
def test_a_run_that_is_killed_goes_on_and_ends_the_same(tmp_path) -> None:
    root = write_set(tmp_path / "in", 12)
    whole, out = tmp_path / "whole" / "set", tmp_path / "killed" / "set"
    words = ["data", "prepare", str(root)]
    more = ["--values", "spinekit", "--quiet", "--jobs"]
    assert main([*words, str(whole), *more, "1"]) == 0
    command = [sys.executable, "-m", "spinekit", *words, str(out), *more, "2"]

    with subprocess.Popen(command, start_new_session=True) as process:
        while process.poll() is None and len(list(out.glob("cases/*.json"))) < 2:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    done = len(list(out.glob("cases/*.json")))
    assert main([*words, str(out), *more, "1"]) == 0

    assert 2 <= done < 12
    assert json.loads((out / "report.json").read_text())["counts"]["skipped"] == done
    assert files_of(out) == files_of(whole)


@pytest.mark.skipif(real_data_folder() is None, reason="no real scans: set SPINEKIT_REAL_DATA")
def test_real_scans_become_one_set(tmp_path) -> None:
    root = real_data_folder()
    some = tmp_path / "some"
    for kind in ("images", "labels"):
        (some / kind).mkdir(parents=True)
        for name in ("chu02_T2w", "ivd01_T2w", "spider005_T2SPACE", "errsm11_T2w"):
            for path in (root / kind).glob(f"{name}*"):
                os.symlink(path.resolve(), some / kind / path.name)
    recipe = Path(__file__).parents[2] / "recipes" / "data" / "real.toml"
    text = recipe.read_text().replace("$SPINEKIT_REAL_DATA", str(some))
    (tmp_path / "real.toml").write_text(text.replace('table = "index.json"\n', ""))
    out = tmp_path / "out"

    assert main(["data", "prepare", str(tmp_path / "real.toml"), str(out), "--quiet"]) == 0

    assert np.unique(voxels(out / "labels" / "chu02_T2w.nii.gz")).tolist() == [
        0, 31, 32, 41, 42, 43, 44, 45]  # fmt: skip
    # Its points, voxels in the canal, are no vertebrae.
    assert np.unique(voxels(out / "labels" / "errsm11_T2w.nii.gz")).tolist() == [0, 1]
    told = {path.stem: json.loads(path.read_text()) for path in (out / "cases").iterdir()}
    assert [name for name, record in told.items() if record["bodies_only"]] == ["chu02_T2w"]
    assert {2, 45, 100} <= set(np.unique(voxels(out / "labels" / "spider005_T2SPACE.nii.gz")))
