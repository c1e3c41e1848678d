"""A run that goes on, from another one or from its own checkpoint, knows what lies behind it."""

import dataclasses

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from spinekit.training.checkpoint import load_checkpoint  # noqa: E402
from spinekit.training.loop import Progress  # noqa: E402
from spinekit.training.start import start_from_run  # noqa: E402
from training.test_loop import trained, trainer  # noqa: E402


def score_of(run):
    return run._score()[0]


def from_start(cases, recipe, tmp_path, lines, steps=4):
    """A run that goes on from another one, not yet started."""
    first = tmp_path / "first"
    if not first.is_dir():
        trained(cases, dataclasses.replace(recipe, steps=32, validate_every=8), first)
    recipe = dataclasses.replace(recipe, steps=steps)
    run = trainer(cases, recipe, tmp_path / "second", lines)
    run.start(start_from_run(recipe, first))
    return run


def test_a_start_is_scored_before_the_first_step(cases, recipe, tmp_path):
    lines: list[str] = []
    run = from_start(cases, recipe, tmp_path, lines)
    score = score_of(run)
    assert lines == ["started from first", f"the start scores {score:.4f}"]
    assert run.facts == {"data": "x", "start": {"score": score}}
    assert run.progress == Progress()
    best = run.run()
    assert load_checkpoint(best, torch.device("cpu"))["facts"]["start"]["score"] == score


@pytest.mark.parametrize("gain", [-0.1, 0.0, 0.1])
def test_a_run_that_gets_worse_than_its_start_says_so(cases, recipe, tmp_path, gain):
    lines: list[str] = []
    run = from_start(cases, recipe, tmp_path, lines)
    score = run.facts["start"]["score"]
    run._score = lambda: (score + gain, 1.0)
    run.run()
    warned = [line for line in lines if "below the start's" in line]
    assert bool(warned) is (gain < 0)
    if warned:
        assert warned[0] == lines[-1]
        assert f"score {score + gain:.4f}, below the start's {score:.4f}" in warned[0]


def test_a_run_that_is_gone_on_with_does_not_score_its_start_again(cases, recipe, tmp_path):
    score = from_start(cases, recipe, tmp_path, []).facts["start"]["score"]
    run = from_start(cases, recipe, tmp_path, [])
    run.run()
    lines: list[str] = []
    again = from_start(cases, recipe, tmp_path, lines, steps=8)
    assert not any("the start scores" in line for line in lines)
    assert again.facts["start"]["score"] == score
    again._score = lambda: (score - 0.1, 1.0)
    again.progress.best = -1.0
    again.run()
    assert "below the start's" in lines[-1]


def test_on_changed_data_the_start_is_compared_with_no_more(cases, recipe, tmp_path):
    from_start(cases, recipe, tmp_path, []).run()
    run = trainer(cases, dataclasses.replace(recipe, steps=8), tmp_path / "second")
    run.facts = {"data_sha256": "another"}
    run.start(None)
    assert "start" not in run.facts


def test_a_start_is_not_scored_where_nothing_is_marked(cases, recipe, tmp_path):
    trained(cases, recipe, tmp_path / "first")
    for case in cases:
        case.allowed[:] = 127
    lines: list[str] = []
    run = from_start(cases, recipe, tmp_path, lines)
    assert run.facts == {"data": "x"}
    run.run()
    assert not any("the start" in line for line in lines)


def test_a_run_from_random_weights_scores_nothing_first(cases, recipe, tmp_path):
    lines: list[str] = []
    run = trainer(cases, recipe, tmp_path, lines)
    run.start(None)
    assert lines == []
    assert run.facts == {"data": "x"}


def test_a_run_remembers_what_it_was_trained_on_before_its_data_changed(cases, recipe, tmp_path):
    run = trainer(cases, recipe, tmp_path)
    run.facts = {"data_sha256": "one", "trained_on": {"spider": 40, "chu": 3}}
    run.start(None)
    run.run()
    again = trainer(cases, dataclasses.replace(recipe, steps=16), tmp_path)
    again.facts = {"data_sha256": "two", "trained_on": {"chu": 5, "mine": 2}}
    again.start(None)
    assert again.facts["trained_on"] == {"chu": 5, "mine": 2, "spider": 40}
