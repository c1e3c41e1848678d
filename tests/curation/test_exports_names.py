"""Names and parts in BIDS and nnU-Net when scans come and go: no file changes whose it is."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine, write_set
from results import voxels
from spinekit.anatomy.scheme import VALUES
from spinekit.curation.exports.classes import DATASETS
from spinekit.curation.exports.placed import LIST
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set

SPINE = small_spine()
L4 = (SPINE.labels == VALUES["L4"]).astype(np.uint8)


class Scans:
    """Scans of one patient with one contrast, so that BIDS tells them apart by run."""

    def __init__(self, tmp: Path) -> None:
        self.source, self.out = tmp / "in", tmp / "out"
        self.bids = self.out / "bids"

    def add(self, *letters: str) -> None:
        for letter in letters:
            name = f"sub01_{letter}_T2w.nii.gz"
            image = np.where(SPINE.labels, ord(letter), 0).astype(np.int16)
            labels = np.where(SPINE.labels == VALUES["L4"], VALUES["L1"] + ord(letter) % 4, 0)
            save(self.source / "images" / name, image, SPINE.grid.affine)
            save(self.source / "labels" / name, labels.astype(np.uint8), SPINE.grid.affine)

    def remove(self, letter: str) -> None:
        for path in self.source.rglob(f"sub01_{letter}_T2w.nii.gz"):
            path.unlink()

    def export(self) -> list[dict]:
        """Prepare the set; what was left out."""
        recipe = prepare_recipe(recipe_table(self.source, exports=["bids"], validation=0.0))
        return prepare_set(recipe, self.out)["exports"]["bids"]["left_out"]

    def runs(self) -> dict[str, int]:
        """Scan → run by the images that lie there; its labels must be its own."""
        found = {}
        for path in self.bids.glob("sub-*/anat/*_T2w.nii.gz"):
            letter = chr(int(voxels(path).max()))
            labels = voxels(path.with_name(path.name.replace("_T2w.nii", "_dseg.nii")))
            assert labels.max() == VALUES["L1"] + ord(letter) % 4
            assert letter not in found
            found[letter] = int(path.name.partition("_run-")[2].partition("_")[0] or 1)
        return found


@pytest.fixture
def scans(tmp_path: Path) -> Scans:
    """Scans b, c and d as runs 1, 2 and 3."""
    scans = Scans(tmp_path)
    scans.add("b", "c", "d")
    assert scans.export() == []
    assert scans.runs() == {"b": 1, "c": 2, "d": 3}
    return scans


def test_runs_stay_when_a_scan_leaves_and_another_comes_before_them(scans) -> None:
    scans.remove("c")
    assert scans.export() == []
    assert scans.runs() == {"b": 1, "d": 3}

    scans.add("a", "e")
    assert scans.export() == []
    assert scans.runs() == {"b": 1, "a": 2, "d": 3, "e": 4}


def test_a_scan_that_takes_anothers_place_is_written_there(scans) -> None:
    """Though the files there look younger."""
    scans.remove("b")
    scans.add("a")
    for path in scans.bids.rglob("*.nii.gz"):
        os.utime(path, (2**32, 2**32))

    assert scans.export() == []
    assert scans.runs() == {"a": 1, "c": 2, "d": 3}


def test_no_scan_takes_the_place_of_what_a_person_changed(scans) -> None:
    mine = scans.bids / "sub-insub01/anat/sub-insub01_desc-prepared_dseg.nii.gz"
    labels = voxels(mine)
    labels[0, 0, 0] = VALUES["L1"]
    save(mine, labels, SPINE.grid.affine)
    corrected = mine.read_bytes()
    scans.remove("b")
    scans.add("a")

    (told,) = scans.export()

    assert told["name"] == "sub01_b_T2w"
    assert mine.read_bytes() == corrected
    assert scans.runs() == {"b": 1, "c": 2, "d": 3, "a": 4}


def test_runs_of_a_set_without_a_list_stay_too(scans) -> None:
    (scans.bids / LIST).unlink()
    scans.remove("c")
    scans.add("a")

    told = scans.export()

    assert scans.runs() == {"b": 1, "c": 2, "d": 3, "a": 4}
    assert [row["name"].partition("_run-2_")[2] for row in told] == [
        "desc-prepared_T2w.nii.gz", "desc-prepared_dseg.nii.gz",
    ]  # fmt: skip


def test_patients_keep_their_words(tmp_path) -> None:
    root = tmp_path / "in"
    for number, name in enumerate(("p1_1", "p11")):
        save(root / "images" / f"{name}.nii.gz", SPINE.image + number, SPINE.grid.affine)
        save(root / "labels" / f"{name}.nii.gz", SPINE.labels, SPINE.grid.affine)
    table = recipe_table(root, exports=["bids"], validation=0.0)
    table["sources"][0]["settings"] = {"values": "spinekit", "dataset": "x"}
    prepare_set(prepare_recipe(table), tmp_path / "out")
    bids = tmp_path / "out" / "bids"
    assert {path.name for path in bids.glob("sub-*")} == {"sub-xp11", "sub-xp11x2"}
    for path in root.rglob("p11.nii.gz"):
        path.unlink()

    prepare_set(prepare_recipe(table), tmp_path / "out")

    assert [path.name for path in bids.glob("sub-*")] == ["sub-xp11x2"]
    people = (bids / "participants.tsv").read_text().splitlines()
    assert people == ["participant_id\tdataset\tsplit", "sub-xp11x2\tx\ttrain"]


@pytest.fixture
def named(tmp_path: Path):
    """Two scans without a contrast in their names; exports them under one, and what lies there."""
    root, bids = tmp_path / "in", tmp_path / "out" / "bids"
    for number in (1, 2):
        save(root / "images" / f"sub0{number}.nii.gz", SPINE.image + number, SPINE.grid.affine)
        save(root / "labels" / f"sub0{number}.nii.gz", SPINE.labels, SPINE.grid.affine)

    def run(contrast: str | None, **changes: object) -> tuple[list[str], dict[str, bytes]]:
        table = recipe_table(root, exports=["bids"], validation=0.0, **changes)
        settings = {"contrast": contrast} if contrast else {}
        table["sources"][0]["settings"] = table["sources"][0]["settings"] | settings
        report = prepare_set(prepare_recipe(table), tmp_path / "out", overwrite=True)
        reasons = [row["reason"] for row in report["exports"]["bids"]["left_out"]]
        return reasons, {p.name: p.read_bytes() for p in bids.rglob("*.nii.gz")}

    return run, bids


def bids_names(number: int, suffix: str, desc: str) -> list[str]:
    """Names of image and labels."""
    stem = f"sub-insub0{number}_desc-prepared"
    return [f"{stem}_{suffix}.nii.gz", f"{stem}{desc}_dseg.nii.gz"]


@pytest.mark.parametrize("changes", [{}, {"labels": ["L3"], "spacing_mm": [16.0, 8.0, 8.0]}])
def test_a_corrected_label_goes_along_when_its_scan_gets_another_name(named, changes) -> None:
    run, bids = named
    _, before = run(None)
    (image, old), (renamed, new) = bids_names(1, "MRI", "MRI"), bids_names(1, "T2w", "")
    folder = "sub-insub01/anat/"
    save(bids / folder / old, L4, SPINE.grid.affine)
    corrected = (bids / folder / old).read_bytes()

    told, after = run("T2w", **changes)

    assert told == [f"{folder}{old} was changed there, and is kept as {folder}{new}"]
    assert sorted(after) == sorted([renamed, new, *bids_names(2, "T2w", "")])
    assert (after[renamed], after[new]) == (before[image], corrected)
    told, again = run("T2w", **changes)
    assert told == [f"{folder}{new} was changed there, and is kept"]
    assert again == after
    told, back = run(None)
    assert told == [f"{folder}{new} was changed there, and is kept as {folder}{old}"]
    assert back == before | {old: corrected}


def test_of_two_corrected_labels_of_one_scan_under_two_names_none_is_lost(named) -> None:
    run, bids = named
    run(None)
    folder = "sub-insub01/anat/"
    paths = [f"{folder}{bids_names(1, *name)[1]}" for name in (("MRI", "MRI"), ("T2w", ""))]
    save(bids / paths[0], L4, SPINE.grid.affine)
    old = (bids / paths[0]).read_bytes()
    run("T2w")
    (bids / paths[0]).write_bytes(old)
    listed = json.loads((bids / LIST).read_text())
    listed["files"][paths[0]] = {"pair": "sub01", "sha256": ""}
    (bids / LIST).write_text(json.dumps(listed))

    told, _ = run("T2w")

    assert told == [f"{' and '.join(paths)} were changed; remove one of them"]
    assert [(bids / path).read_bytes() for path in paths] == [old, old]


@pytest.fixture
def trained(tmp_path: Path):
    """A set of four patients; prepares it with a share of them in the test."""
    root = write_set(tmp_path / "in", 4)

    def run(number: int, test: float) -> tuple[list[dict], Path, list[str]]:
        table = recipe_table(root, exports=[f"nnunet-{number}"], validation=0.0, test=test)
        report = prepare_set(prepare_recipe(table), tmp_path / "out")
        split = json.loads((tmp_path / "out" / "splits.json").read_text())
        folder = tmp_path / "out" / "nnUNet_raw" / DATASETS[number].folder
        return report["exports"][f"nnunet-{number}"]["left_out"], folder, split["test"]

    return run


def test_a_persons_own_cases_stay_are_told_and_count(trained) -> None:
    _, root, _ = trained(101, 0.0)
    own = [root / "imagesTr" / "own_0000.nii.gz", root / "labelsTr" / "own.nii.gz"]
    for path in own:
        save(path, L4, SPINE.grid.affine)
    before = [path.read_bytes() for path in own]

    left_out, _, _ = trained(101, 0.0)

    assert [row["name"] for row in left_out] == ["imagesTr/own_0000.nii.gz", "labelsTr/own.nii.gz"]
    assert [path.read_bytes() for path in own] == before
    assert json.loads((root / "dataset.json").read_text())["numTraining"] == 5
    assert len(list((root / "labelsTr").iterdir())) == 5


@pytest.mark.parametrize("number", [101, 102])
def test_corrected_labels_leave_the_training_with_their_patient_and_come_back(
    trained, number
) -> None:
    _, root, _ = trained(number, 0.0)
    paths = list((root / "labelsTr").iterdir())
    for path in paths:
        save(path, L4, SPINE.grid.affine)
    corrected = paths[0].read_bytes()

    left_out, _, tested = trained(number, 0.5)

    assert len(left_out) == len(paths)
    for part, names in (("Ts", tested), ("Tr", {p.name[:9] for p in paths} - set(tested))):
        labels = list((root / f"labels{part}").iterdir())
        assert {path.name[:9] for path in labels} == set(names)
        assert len(labels) == len(names) * (number - 100)
        assert all(path.read_bytes() == corrected for path in labels)
        images = {path.name.rpartition("_")[0] for path in (root / f"images{part}").iterdir()}
        assert images == {path.name.removesuffix(".nii.gz") for path in labels}
    told = json.loads((root / "dataset.json").read_text())
    assert told["numTraining"] == len(list((root / "labelsTr").iterdir()))

    trained(number, 0.0)

    assert {path.name for path in (root / "labelsTr").iterdir()} == {path.name for path in paths}
    assert all(path.read_bytes() == corrected for path in paths)
    assert not list(root.glob("*Ts/*.nii.gz"))


@pytest.mark.parametrize("number", [101, 102])
def test_in_a_set_without_a_list_patients_of_the_test_leave_the_training_too(
    trained, number
) -> None:
    _, root, _ = trained(number, 0.0)
    (root / LIST).unlink()

    left_out, _, tested = trained(number, 0.5)

    assert left_out == []
    for part, names in (
        ("Tr", {f"sub0{n}_T2w" for n in range(1, 5)} - set(tested)),
        ("Ts", tested),
    ):
        for kind in ("images", "labels"):
            files = {path.name[:9] for path in (root / f"{kind}{part}").iterdir()}
            assert files == set(names)


def test_of_two_corrected_labels_none_is_lost(trained) -> None:
    _, root, tested = trained(101, 0.5)
    name = f"{tested[0]}.nii.gz"
    for number, part in enumerate(("Tr", "Ts")):
        save(root / f"labels{part}" / name, L4 * (number + 2), SPINE.grid.affine)

    left_out, _, _ = trained(101, 0.5)

    reason = f"{name} was changed under labelsTr and labelsTs; remove one of them"
    assert left_out == [{"name": tested[0], "reason": reason}]
    assert [voxels(root / f"labels{part}" / name).max() for part in ("Tr", "Ts")] == [2, 3]
