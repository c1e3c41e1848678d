"""Probabilities come back on the volume's grid, whatever the batches and the padding."""

import numpy as np
import pytest

from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.prediction import runner
from spinekit.prediction.runner import load_model, predict


@pytest.fixture
def volume():
    image = np.random.default_rng(3).random((5, 45, 70)).astype(np.float32)
    return Volume(image, Grid(image.shape, np.diag([4.0, 1, 1, 1])))


def test_shapes_sums_and_progress(tiny_model, volume):
    told = []
    found = predict(load_model(tiny_model), volume, progress=told.append)
    assert found.parts_probs.shape == (7, 5, 45, 70)
    assert found.parts_probs.dtype == np.float16
    assert found.level_probs.shape == (27, 5, 6, 9)
    sums = found.parts_probs.astype(np.float64).sum(axis=0)
    np.testing.assert_allclose(sums, 1, atol=4e-3)
    assert told[-1] == 1
    assert sorted(told) == told


def test_batches_change_nothing(tiny_model, volume, monkeypatch):
    model = load_model(tiny_model)
    whole = predict(model, volume)
    monkeypatch.setattr(runner, "BATCH_PIXELS", 1)
    single = predict(model, volume)
    assert np.array_equal(whole.parts_probs, single.parts_probs)
    assert np.array_equal(whole.level_probs, single.level_probs)


def test_halves_are_rounded_and_never_subnormal():
    least = float(np.finfo(np.float16).smallest_normal)
    probs = np.array([0, 1e-30, 0.99 * least, least, 0.1, 1 / 3, 1], np.float32)
    assert runner._to_half(probs).tolist() == [0, 0, 0, least, *map(float, np.float16(probs[4:]))]
