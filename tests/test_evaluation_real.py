"""The rules of scoring on published masks, where they are at hand."""

import os
from pathlib import Path

import pytest

from spinekit.evaluation.files import read_reference
from spinekit.evaluation.scoring import CaseScores, evaluate_case

LABELS = Path(os.environ.get("SPINEKIT_REAL_DATA", "../shared/data/real")) / "labels"
pytestmark = pytest.mark.skipif(not LABELS.is_dir(), reason="real scans are not at hand")


def score_itself(stem: str, *kinds: str) -> CaseScores:
    files = {kind: LABELS / f"{stem}_{kind}.nii.gz" for kind in kinds}
    reference, grid = read_reference(stem, files)
    return evaluate_case(reference.bodies, None, reference, grid.spacing_mm)


@pytest.mark.parametrize("stem", ["myosegmentum15_water", "myosegmentum18_water"])
def test_first_lumbar_body_cut_by_the_upper_edge_is_partial(stem):
    scores = score_itself(stem, "bodies")
    assert {i.name for i in scores.instances if i.partial} == {"L1"}
    assert [i.name for i in scores.scored("body")] == ["L2", "L3", "L4", "L5"]


def test_slab_cut_at_its_sides_is_scored_and_residues_are_not():
    scores = score_itself("spider018_T2SPACE", "parts", "names")
    assert {i.name for i in scores.instances if i.kind == "body" and i.partial} == {"T11"}
    assert [i.name for i in scores.scored("body")] == ["T12", "L1", "L2", "L3", "L4", "L5"]
    assert all(i.dice == 1.0 for i in scores.scored("body"))
    assert all(i.missed for i in scores.scored("disc"))
    assert scores.mask_dice("canal") == 0.0
