"""Masks of one's own in the values of another tool."""

from pathlib import Path

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine, voxels
from spinekit.anatomy.scheme import VALUES, load_scheme
from spinekit.curation.doctor.examination import ExamineOptions
from spinekit.curation.doctor.rounds import diagnose
from spinekit.curation.recipe import prepare_recipe
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
