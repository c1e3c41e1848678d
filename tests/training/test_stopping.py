"""A run that is stopped, or whose loader is, keeps what it has done."""

import dataclasses
import multiprocessing
import os
import signal
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from spinekit.core.errors import SpineKitError
from spinekit.training.checkpoint import load_checkpoint
from training.test_loop import trainer


def end_worker(number):
    """Send a signal to the one process that loads batches."""
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, number)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_loader_leaves_the_signal_to_end_to_the_run_that_it_works_for(cases, recipe, tmp_path):
    run = trainer(cases, dataclasses.replace(recipe, workers=1, steps=4), tmp_path)
    run.start(None)
    original, ended = run._step, []

    def step(*values):
        if not ended:
            ended.extend((signal.SIGTERM, signal.SIGINT))
            for number in ended:
                end_worker(number)
        return original(*values)

    run._step = step
    run.run()
    assert run.progress.step == 4


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_run_whose_loader_is_killed_says_so_and_keeps_its_steps(cases, recipe, tmp_path):
    recipe = dataclasses.replace(recipe, workers=1, steps=40, validate_every=40)
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    original = run._step

    def step(*values):
        if run.progress.step == 2:
            end_worker(signal.SIGKILL)
        return original(*values)

    run._step = step
    with pytest.raises(SpineKitError, match="a loader's process was ended at step") as caught:
        run.run()
    assert caught.value.code == "process-ended"
    assert "set workers = 0" in caught.value.remedy
    state = load_checkpoint(tmp_path / "last.pt", torch.device("cpu"))
    assert state["progress"]["step"] == run.progress.step >= 3
    again = trainer(cases, dataclasses.replace(recipe, steps=4, workers=0), tmp_path)
    again.start(None)
    again.run()


def test_the_loss_that_is_logged_is_the_mean_of_all_steps_since_the_last(cases, recipe, tmp_path):
    recipe = dataclasses.replace(recipe, steps=4)
    losses = iter([1.0, 2.0, 3.0, 6.0])

    def step(*_):
        if (loss := next(losses)) == 3.0 and run is stopped:
            raise KeyboardInterrupt
        return loss

    run = stopped = trainer(cases, recipe, tmp_path)
    run.start(None)
    run._step = step
    with pytest.raises(KeyboardInterrupt):
        run.run()
    losses = iter([3.0, 6.0])
    run = trainer(cases, recipe, tmp_path)
    run.start(None)
    run._step = step
    run.run()
    rows = np.loadtxt(tmp_path / "log.csv", delimiter=",", skiprows=1, ndmin=2)
    np.testing.assert_array_equal(rows[:, [0, 2]], [[4, 3.0]])
