"""A case whose process the system has ended: one failure as any other, and the rest go on."""

from pathlib import Path

import pytest

import dying
from curation.sets import recipe_table, write_set
from spinekit.core.parallel import LOST
from spinekit.curation import run
from spinekit.curation.recipe import prepare_recipe

REST = ["sub01_T2w", "sub03_T2w", "sub04_T2w", "sub05_T2w", "sub06_T2w"]


def test_a_case_whose_process_is_ended_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = prepare_recipe(recipe_table(write_set(tmp_path / "in", 6)))
    monkeypatch.setattr(run, "_attempt", dying.attempt)

    report = run.prepare_set(recipe, tmp_path / "out", processes=2)

    failures = [(row["name"], row["code"], row["message"]) for row in report["failures"]]
    assert failures == [("sub02_T2w", "process-ended", LOST)]
    assert sorted(path.stem for path in (tmp_path / "out" / "cases").iterdir()) == REST


def test_a_pair_whose_process_is_ended_is_left_out_of_a_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = recipe_table(write_set(tmp_path / "in", 6), exports=["nnunet-101"])
    monkeypatch.setattr(run, "_attempt_task", dying.attempt_task)

    report = run.prepare_set(prepare_recipe(table), tmp_path / "out", processes=2)

    exported = report["exports"]["nnunet-101"]
    assert exported["left_out"] == [{"name": "sub02_T2w", "reason": LOST}]
    assert exported["pairs"] == 5
