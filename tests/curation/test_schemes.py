"""Masks of one's own in the values of another tool."""

import json
from pathlib import Path

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine
from results import voxels
from spinekit.anatomy.scheme import VALUES, load_scheme
from spinekit.curation.doctor.examination import ExamineOptions
from spinekit.curation.doctor.rounds import diagnose
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.report import doubt_values
from spinekit.curation.run import prepare_set
from spinekit.datasets.registry import find_cases

SPINE = small_spine(("T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"))
SETTINGS = {"values": "spider", "subject": "sub[0-9]+"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scan in SPIDER's values: its two uppermost vertebrae, 7 and 8, are only partly in view."""
    labels = np.where(SPINE.labels == VALUES["sacrum"], 0, SPINE.labels)
    theirs, _ = load_scheme("spider").convert(labels)
    theirs[np.isin(theirs, (7, 8))] += 100
    assert {107, 108} < set(np.unique(theirs).tolist())
    root = tmp_path / "in"
    save(root / "images" / "sub01.nii.gz", SPINE.image.astype(np.int16), SPINE.grid.affine)
    save(root / "labels" / "sub01.nii.gz", theirs, SPINE.grid.affine)
    return root


def test_a_vertebra_partly_in_view_is_kept_by_its_name(folder: Path, tmp_path: Path) -> None:
    table = recipe_table(folder)
    table["sources"][0]["settings"] = SETTINGS

    report = prepare_set(prepare_recipe(table), tmp_path / "out")

    assert (report["failures"], report["losses"]) == ([], [])
    ours = voxels(tmp_path / "out" / "labels" / "sub01.nii.gz")
    for name in SPINE.names:
        assert ((ours == VALUES[name]) == (SPINE.labels == VALUES[name])).all()


def test_a_vertebra_partly_in_view_is_no_finding(folder: Path) -> None:
    cases = find_cases(folder, "folder", SETTINGS)

    diagnosis = diagnose(cases, ExamineOptions(image_axes=False, pictures=False))

    assert "value-unexpected" not in {finding.code for finding in diagnosis.findings}
    assert {"T10", "T11"} <= set(diagnosis.examinations[0].structures)


def test_no_table_says_of_a_case_what_is_false(tmp_path: Path) -> None:
    """SPIDER's values count from the lowest vertebra, which is L5 here and L6 there."""
    root, out = tmp_path / "in", tmp_path / "out"
    lumbar = ("L1", "L2", "L3", "L4", "L5")
    for name, names in (("a", lumbar), ("b", (*lumbar, "L6"))):
        spine = small_spine(names)
        save(root / "images" / f"{name}.nii.gz", spine.image.astype(np.int16), spine.grid.affine)
        save(root / "labels" / f"{name}.nii.gz", spine.labels, spine.grid.affine)
    table = recipe_table(root, scheme="spider", exports=["bids", "decathlon"])
    table["sources"][0]["settings"] = {"values": "spinekit"}

    report = prepare_set(prepare_recipe(table), out)

    canal = load_scheme("spider").values["spinal_canal"]
    told = json.loads((out / "labels.json").read_text())
    rows = [(row["value"], row["name"]) for row in told["labels"]]
    assert rows == [(canal, "spinal_canal"), (201, "L5-S1")]
    assert json.loads((out / "dataset.json").read_text())["labels"] == {
        "0": "background", str(canal): "spinal_canal", "201": "L5-S1",
        **{str(row["value"]): "varying" for row in told["varying"]}}  # fmt: skip
    used = {
        int(value) for name in "ab" for value in np.unique(voxels(out / f"labels/{name}.nii.gz"))
    }
    assert used == {
        int(value) for value in json.loads((out / "dataset.json").read_text())["labels"]
    }
    (line,) = doubt_values(report)
    assert "so named in no table: 1, 2, 3, 4, 5, 6" in line
    assert len((out / "bids" / "dseg.tsv").read_text().splitlines()) == 3
    varying = {row["value"]: row["names"] for row in report["varying"]}
    assert (varying[1], varying[6]) == (["L5", "L6"], ["L1"])
    assert ("L5", 1) in [(row["name"], row["value"]) for row in report["structures"]]
    assert "\n  1: L5, L6\n" in (out / "report.txt").read_text()
