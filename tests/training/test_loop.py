"""Training learns, resumes to the same weights, keeps its best, and exports what it trained."""

import dataclasses
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from spinekit.core.errors import ModelError, OutputError, RecipeError  # noqa: E402
from spinekit.core.grid import Grid  # noqa: E402
from spinekit.core.volume import Volume  # noqa: E402
from spinekit.prediction.runner import load_model, predict  # noqa: E402
from spinekit.training.batches import index_sets, split_cases  # noqa: E402
from spinekit.training.checkpoint import (  # noqa: E402
    hash_weights,
    load_checkpoint,
    save_checkpoint,
)
from spinekit.training.export import (  # noqa: E402
    Probabilities,
    export_checkpoint,
    is_exported,
    load_network,
    store_scores,
)
from spinekit.training.loop import Trainer, _score_marked  # noqa: E402
from spinekit.training.losses import allowed_bits  # noqa: E402
from spinekit.training.start import start_from_run  # noqa: E402


def trainer(cases, recipe, folder: Path, lines=None) -> Trainer:
    sets = index_sets({"phantom": cases})
    report = (lines if lines is not None else []).append
    return Trainer(
        recipe, sets, sets, folder, device=torch.device("cpu"), facts={"data": "x"}, report=report
    )


def trained(cases, recipe, folder: Path) -> Path:
    run = trainer(cases, recipe, folder)
    run.start(None)
    return run.run()


def weights(path: Path) -> dict:
    return load_checkpoint(path, torch.device("cpu"))["network"]


def test_the_loss_falls(cases, recipe, tmp_path):
    trained(cases, dataclasses.replace(recipe, steps=32, validate_every=8), tmp_path)
    rows = np.loadtxt(tmp_path / "log.csv", delimiter=",", skiprows=1)
    assert rows[-1, 2] < 0.8 * rows[0, 2]


def test_a_stopped_run_goes_on_to_the_same_weights(cases, recipe, tmp_path):
    trained(cases, recipe, tmp_path / "whole")
    stopped = trainer(cases, recipe, tmp_path / "parts")
    stopped.start(None)
    original, calls = stopped._validate, []

    def stop_after_first():
        original()
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("killed")

    stopped._validate = stop_after_first
    with pytest.raises(RuntimeError, match="killed"):
        stopped.run()
    lines: list[str] = []
    again = trainer(cases, recipe, tmp_path / "parts", lines)
    again.start(None)
    again.run()
    assert lines[0] == "resumed at step 4 of 12"
    whole, parts = weights(tmp_path / "whole/last.pt"), weights(tmp_path / "parts/last.pt")
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("where", ["step", "save"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_step_waits_for_its_end(
    cases, recipe, tmp_path, monkeypatch, where, number
):
    """The run goes on to the weights, last and best, of one that was never stopped."""
    trained(cases, recipe, tmp_path / "whole")
    stopped = trainer(cases, recipe, tmp_path / "parts")
    stopped.start(None)
    owner, name = (stopped.optimiser, "step") if where == "step" else (stopped, "_save")
    original, calls = getattr(owner, name), []

    def interrupted(*values):
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(number)
        original(*values)

    monkeypatch.setattr(owner, name, interrupted)
    # Also where the tests run in the background, which a shell starts without SIGINT.
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            stopped.run()
    finally:
        signal.signal(number, before)
    assert stopped.progress.step == (2 if where == "step" else 4)
    again = trainer(cases, recipe, tmp_path / "parts")
    again.start(None)
    again.run()
    for file in ("last.pt", "best.pt"):
        whole, parts = weights(tmp_path / "whole" / file), weights(tmp_path / "parts" / file)
        for name, value in whole.items():
            torch.testing.assert_close(parts[name], value, atol=1e-5, rtol=1e-3)


def test_a_run_stopped_after_its_last_step_is_still_scored(cases, recipe, tmp_path):
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    run.progress.step = recipe.steps
    run._save("last.pt")
    again = trainer(cases, recipe, tmp_path)
    again.start(None)
    assert again.run().is_file()
    assert again.progress.validated == recipe.steps


def test_the_best_is_never_replaced_by_a_worse(cases, recipe, tmp_path):
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    run.progress.best = 2.0
    (tmp_path / "best.pt").write_bytes(b"the best so far")
    run.run()
    assert (tmp_path / "best.pt").read_bytes() == b"the best so far"
    assert (tmp_path / "last.pt").is_file()


def test_a_run_killed_between_its_two_checkpoints_goes_on_from_the_newer(cases, recipe, tmp_path):
    run = trainer(cases, recipe, tmp_path)
    for name, step, best in (("last.pt", 4, 0.1), ("best.pt", 8, 0.9)):
        run.progress.step = run.progress.validated = step
        run.progress.best = best
        run._save(name)
    again = trainer(cases, recipe, tmp_path)
    again.start(None)
    assert (again.progress.step, again.progress.best) == (8, 0.9)


def test_a_step_that_is_not_finite_ends_the_run_and_changes_nothing(cases, recipe, tmp_path):
    trained(cases, dataclasses.replace(recipe, steps=4), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in ("last.pt", "best.pt")}
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    whole = {name: value.clone() for name, value in run.network.state_dict().items()}
    run._loss = lambda network, batch: Trainer._loss(run, network, batch) * float("nan")
    with pytest.raises(RecipeError, match="gradient of step 5 is not finite"):
        run.run()
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(value, whole[name], atol=0, rtol=0)
    assert before == {name: (tmp_path / name).read_bytes() for name in before}


def test_a_run_that_lost_its_last_checkpoint_goes_on_from_its_best(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path)
    step = load_checkpoint(best, torch.device("cpu"))["progress"]["step"]
    (tmp_path / "last.pt").unlink()
    lines: list[str] = []
    trainer(cases, recipe, tmp_path, lines).start(None)
    assert lines[0].startswith(f"resumed at step {step} of {recipe.steps}")


def test_a_run_that_lost_its_best_checkpoint_makes_another(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path)
    best.unlink()
    assert trained(cases, recipe, tmp_path) == best
    assert load_checkpoint(best, torch.device("cpu"))["progress"]["step"] == recipe.steps


def test_on_changed_data_the_best_is_scored_again(cases, recipe, tmp_path):
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    run.run()
    state = load_checkpoint(tmp_path / "last.pt", torch.device("cpu"))
    state["progress"]["best"] = 2.0
    save_checkpoint(tmp_path / "last.pt", state)
    same = trainer(cases, recipe, tmp_path)
    same.start(None)
    assert same.progress.best == 2.0
    lines: list[str] = []
    changed = trainer(cases, recipe, tmp_path, lines)
    changed.facts = {"data_sha256": "another"}
    changed.start(None)
    assert 0.0 < changed.progress.best <= 1.0
    assert (
        lines[1] == f"the data changed: the best weights so far score {changed.progress.best:.4f}"
    )
    other = trainer(cases, recipe, tmp_path)
    other.facts = other.facts | {"validation_sha256": "another"}
    other.start(None)
    assert other.progress.best == changed.progress.best
    mean = load_checkpoint(tmp_path / "last.pt", torch.device("cpu"))["mean"]
    for name, value in changed.mean.state_dict().items():
        torch.testing.assert_close(value, mean[name])


def test_a_time_budget_ends_the_run(cases, recipe, tmp_path):
    run = trainer(cases, dataclasses.replace(recipe, steps=100_000, minutes=0.03), tmp_path)
    run.start(None)
    run.run()
    assert 0 < run.progress.step < 2_000
    assert run.progress.seconds < 30


def test_starting_from_another_run_takes_its_mean_weights(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path / "first")
    run = trainer(cases, recipe, tmp_path / "second")
    run.start(start_from_run(recipe, best.parent))
    wanted = load_checkpoint(best, torch.device("cpu"))["mean"]
    for name, value in run.network.state_dict().items():
        torch.testing.assert_close(value, wanted[name])


def test_bone_in_one_piece_chooses_the_weights(cases, recipe, tmp_path):
    """As of a set of vertebrae without a canal, where body and arch are not told apart."""
    for case in cases:
        case.allowed[case.allowed == 2] = 2 | 4
    run = trainer(cases, dataclasses.replace(recipe, steps=64, validate_every=16), tmp_path)
    run.start(None)
    run.run()
    rows = np.loadtxt(tmp_path / "log.csv", delimiter=",", skiprows=1)
    assert rows[:, 3].max() == run.progress.best > 0.1


def test_a_mark_of_either_part_is_hit_by_either():
    allowed = torch.tensor([[[6, 6, 6, 6, 1, 1, 127, 127]]], dtype=torch.uint8)
    bits = allowed_bits(allowed, 7)
    for predicted, dice in (
        ([1, 2, 1, 1, 0, 0, 1, 3], 1.0),
        ([1, 2, 0, 0, 0, 0, 0, 0], 2 / 3),
        ([1, 2, 3, 3, 0, 0, 0, 0], 0.5),
        ([1, 2, 2, 2, 1, 3, 0, 0], 0.8),
    ):
        assert _score_marked(torch.tensor([[predicted]]), bits) == [pytest.approx(dice)]
    assert _score_marked(torch.zeros(1, 1, 8, dtype=torch.long), bits | ~bits) == []


def test_where_nothing_is_marked_the_latest_weights_are_kept(cases, recipe, tmp_path):
    for case in cases:
        case.allowed[:] = 127
    lines: list[str] = []
    run = trainer(cases, recipe, tmp_path, lines)
    run.start(None)
    best = run.run()
    assert load_checkpoint(best, torch.device("cpu"))["progress"]["step"] == recipe.steps
    assert sum("hold no mark to score" in line for line in lines) == 3


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "last.pt"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match=r"last\.pt") as caught:
        load_checkpoint(path, torch.device("cpu"))
    assert caught.value.remedy.startswith(f"delete the folder {tmp_path} ")
    torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"last\.pt: .* no checkpoint"):
        load_checkpoint(path, torch.device("cpu"))


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to a file's size")
def test_a_full_disk_is_named_and_leaves_the_checkpoint_before(tmp_path):
    import resource

    path = tmp_path / "best.pt"
    path.write_bytes(b"the one before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OutputError, match="full"):
            save_checkpoint(path, {"a": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [file.name for file in tmp_path.iterdir()] == ["best.pt"]
    assert path.read_bytes() == b"the one before"


def test_onnx_equals_torch_and_carries_its_promise(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path)
    model = load_model(export_checkpoint(best, tmp_path / "m.onnx", scores={"a": 1}), threads=1)
    assert model.spec.recipe["name"] == "tiny"
    network, _, _ = load_network(best)
    assert model.spec.facts == {"data": "x", "weights_sha256": hash_weights(network.state_dict())}
    assert model.spec.scores == {"a": 1}
    slices = torch.rand(3, 3, 96, 64)
    with torch.no_grad():
        wanted = Probabilities(network)(slices)
    found = model.session.run(["parts_probs", "level_probs"], {"slices": slices.numpy()})
    for one, other in zip(wanted, found, strict=True):
        np.testing.assert_allclose(other, one.numpy(), atol=5e-3)


def test_a_model_file_of_these_weights_is_known_whatever_its_scores(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path / "one")
    path = tmp_path / "m.onnx"
    assert not is_exported(best, path)
    export_checkpoint(best, path)
    store_scores(path, {"h1": {"body": 0.9}})
    assert is_exported(best, path)
    other = trained(cases, dataclasses.replace(recipe, seed=1), tmp_path / "two")
    assert not is_exported(other, path)
    path.write_bytes(b"half a model")
    assert not is_exported(best, path)


def test_scores_are_added_without_touching_the_weights(cases, recipe, tmp_path):
    best = trained(cases, recipe, tmp_path)
    path = export_checkpoint(best, tmp_path / "m.onnx")
    before = load_model(path, threads=1)
    store_scores(path, {"h1": {"body": 0.9}})
    after = load_model(path, threads=1)
    assert after.spec == dataclasses.replace(before.spec, scores={"h1": {"body": 0.9}})
    slices = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    for one, other in zip(
        before.session.run(None, {"slices": slices}),
        after.session.run(None, {"slices": slices}),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_prediction_covers_odd_sizes_and_any_slice_count(cases, recipe, tmp_path):
    model = load_model(
        export_checkpoint(trained(cases, recipe, tmp_path), tmp_path / "m.onnx"), threads=1
    )
    done: list[float] = []
    for shape in ((1, 45, 70), (7, 33, 129)):
        rng = np.random.default_rng(0)
        volume = Volume(rng.random(shape, np.float32), Grid(shape, np.diag([4.0, 1, 1, 1])))
        found = predict(model, volume, progress=done.append)
        assert found.parts_probs.shape == (7, *shape)
        np.testing.assert_allclose(found.parts_probs.astype(np.float32).sum(0), 1, atol=0.01)
        assert found.level_probs.shape == (27, shape[0], -(-shape[1] // 8), -(-shape[2] // 8))
        assert done[-1] == 1.0


def test_held_out_sets_are_in_neither_part(cases, recipe):
    sets = {name: cases for name in ("chu", "ivd", "myosegmentum", "phantom")}
    train, valid = split_cases(sets, dataclasses.replace(recipe, hold_out="H1"))
    assert set(train) | set(valid) == {"myosegmentum", "phantom"}


def test_no_subject_on_both_sides(cases, recipe):
    twice = cases + [dataclasses.replace(c, name=f"{c.name}-again") for c in cases]
    many = [dataclasses.replace(c, subject=f"s{n % 20}") for n, c in enumerate(twice * 4)]
    train, valid = split_cases({"chu": many}, recipe)
    assert not {c.subject for c in train["chu"]} & {c.subject for c in valid.get("chu", [])}
