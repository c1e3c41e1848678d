"""The robustness run goes on where it stopped, counts failures and tells the rows apart."""

import re
from pathlib import Path

import numpy as np
import pytest

import robustness
from blocks import oracle_for
from disturbances import crop, disturb
from spinekit.core.errors import ModelError
from spinekit.core.volume import Volume
from spinekit.evaluation.reference import labels_reference
from spinekit.training.recipe import read_recipe
from tables import read_scores

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def jobs(spine):
    image = Volume(spine.image, spine.grid)
    reference = labels_reference("toy", spine.labels, spine.parts)
    return [
        ("toy", "a", "toy01 none 0", lambda: disturb("none", 0, image, reference)),
        ("toy", "a", "toy01 blur 2.0", lambda: disturb("blur", 2.0, image, reference)),
        ("toy", "a", "toy01 vertebrae 8", lambda: crop(8, image, reference)),
        ("phantom L6", "b", "phantom7", lambda: disturb("none", 0, image, reference)),
    ]


def test_rows_and_shares(jobs, spine, tmp_path):
    path = tmp_path / "row.csv"
    robustness.do_jobs(jobs, oracle_for(spine), path, {"weights_sha256": "1"})
    cases = read_scores(path)
    curves = robustness.curve_rows(cases)
    assert [(r["disturbance"], r["strength"]) for r in curves] == [("none", "0"), ("blur", "2.0")]
    assert curves[0]["missed %"] == "0.0"
    assert float(curves[0]["Dice"]) > 0.99
    (phantom,) = robustness.phantom_rows(cases)
    assert phantom["phantoms"] == "L6"
    assert float(phantom["sacrum"]) > 0.99


def test_what_is_done_is_not_done_again(jobs, spine, tmp_path, monkeypatch):
    path = tmp_path / "row.csv"
    robustness.do_jobs(jobs[:1], oracle_for(spine), path, {"weights_sha256": "1"})
    done = []
    score = robustness.score
    monkeypatch.setattr(robustness, "score", lambda *a: done.append(1) or score(*a))
    robustness.do_jobs(jobs, oracle_for(spine), path, {"weights_sha256": "1"})
    assert len(done) == 2  # the crop has too few vertebrae, the first was there
    robustness.do_jobs(jobs[:1], oracle_for(spine), path, {"weights_sha256": "2"})
    assert len(done) == 3
    assert len(read_scores(path)) == 1


def test_a_failure_is_all_missed(jobs, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise ModelError("model-broken", "no answer", "none")

    monkeypatch.setattr(robustness, "segment", fail)
    robustness.do_jobs(jobs[:1], None, tmp_path / "row.csv", {"weights_sha256": "1"})
    (row,) = robustness.curve_rows(read_scores(tmp_path / "row.csv"))
    assert (row["Dice"], row["missed %"]) == ("0.000", "100.0")


def test_c1_stands_alone(spine, tmp_path):
    labels = np.where(spine.labels == 41, 11, spine.labels).astype(np.uint8)
    reference = labels_reference("neck", labels, spine.parts)
    make = lambda: disturb("none", 0, Volume(spine.image, spine.grid), reference)  # noqa: E731
    jobs = [("phantom cervical T2", "c", "phantom8", make)]
    robustness.do_jobs(jobs, oracle_for(spine), tmp_path / "row.csv", {"weights_sha256": "1"})
    rows = robustness.phantom_rows(read_scores(tmp_path / "row.csv"))
    assert [row["phantoms"] for row in rows] == ["cervical T2", "C1 alone"]
    assert (rows[1]["scans"], rows[1]["names right %"]) == ("1", "0.0")


def test_phantoms_are_held_out():
    names = [name for _, _, name, _ in robustness.phantom_jobs(2)]
    assert len(set(names)) == len(names) == 2 * len(robustness.PHANTOMS)
    seeds = {int(re.sub(r"\D", "", name)) for name in names}
    for path in RECIPES.glob("*.toml"):
        recipe = read_recipe(path)
        first = recipe.seed * 1_000_000
        assert not seeds & set(range(first, first + recipe.phantoms)), path.stem
