"""Appearance changes: range, reproducibility, and the outside left alone."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from spinekit.loaders.appearance import AppearanceRanges, change_appearance  # noqa: E402

ALWAYS = AppearanceRanges(*([1.0] * 11))
NEVER = AppearanceRanges(*([0.0] * 11))


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = torch.as_tensor(rng.uniform(0.05, 1, (2, 3, 64, 96)), dtype=torch.float32)
    images[:, :, :, :20] = 0
    allowed = torch.ones((2, 64, 96), dtype=torch.uint8)
    allowed[:, 20:40, 30:60] = 2
    return images, allowed


def test_values_stay_in_range_and_outside_stays_zero(batch):
    for seed in range(8):
        changed = change_appearance(*batch, ALWAYS, np.random.default_rng(seed))
        assert torch.isfinite(changed).all()
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert (changed[:, :, :, :20] == 0).all()


def test_scaled_by_nothing_no_chance_is_left():
    assert AppearanceRanges().scaled(0.0) == NEVER
    assert AppearanceRanges().scaled(1.0) == AppearanceRanges()
    assert ALWAYS.scaled(0.5) == AppearanceRanges(*([0.5] * 11))


def test_the_same_generator_gives_the_same_images(batch):
    one, two, other = (
        change_appearance(*batch, ALWAYS, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_without_changes_only_the_window_is_set(batch):
    changed = change_appearance(*batch, NEVER, np.random.default_rng(1))
    inside = batch[0][0, 1, :, 20:].flatten().numpy()
    correlation = np.corrcoef(inside, changed[0, 1, :, 20:].flatten().numpy())[0, 1]
    assert correlation > 0.99


def test_the_input_is_not_changed(batch):
    before = batch[0].clone()
    change_appearance(*batch, ALWAYS, np.random.default_rng(2))
    assert torch.equal(before, batch[0])
