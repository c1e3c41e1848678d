"""A small set of cases and a recipe that trains in seconds."""

import numpy as np
import pytest

from spinekit.loaders.pack import PackedCase
from spinekit.training.recipe import Recipe


def block_case(seed: int, name: str) -> PackedCase:
    """A bright column of bodies on a dark ground, every voxel labelled."""
    rng = np.random.default_rng(seed)
    allowed = np.ones((4, 80, 120), np.uint8)
    level = np.zeros_like(allowed)
    for n, low in enumerate(range(5, 100, 25)):
        allowed[:, 30:50, low : low + 18] = 2
        level[:, 30:50, low : low + 18] = 25 - n
    image = np.where(allowed == 2, 200, 40) + rng.integers(-20, 20, allowed.shape)
    return PackedCase(name, name, (4.0, 1.0, 1.0), image.astype(np.uint8), allowed, level)


@pytest.fixture
def cases():
    return [block_case(seed, f"case{seed}") for seed in range(6)]


@pytest.fixture
def recipe():
    return Recipe(
        name="tiny",
        widths=(8, 8, 16, 16, 16),
        level_widths=(8, 16, 16),
        canvas=(64, 96),
        steps=12,
        batch=4,
        validate_every=4,
        ema=0.5,
        learning_rate=0.003,
    )
