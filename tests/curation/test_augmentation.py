"""Copies differ from their case and stay true to it."""

import json

import numpy as np
import pytest

from blocks import draw_blocks
from spinekit.curation.augmentation import (
    _APPLIERS,
    _SAMPLERS,
    Change,
    apply_changes,
    sample_changes,
)

SPINE = draw_blocks((6.0, 2.0, 2.0))


@pytest.mark.parametrize("name", sorted(_SAMPLERS))
def test_every_change_changes_the_image_and_not_the_set_of_labels(name: str) -> None:
    change = Change(name, _SAMPLERS[name](np.random.default_rng(5)))
    before = SPINE.image.copy()

    image, labels = apply_changes(SPINE.image, SPINE.labels, SPINE.grid, (change,))
    again, _ = apply_changes(SPINE.image, SPINE.labels, SPINE.grid, (change,))

    assert (SPINE.image == before).all()
    assert (again == image).all()
    assert (image.shape, image.dtype) == (before.shape, np.float32)
    assert np.isfinite(image).all()
    assert np.abs(image - before).mean() > 0.1
    assert (image.min(), image.max()) == pytest.approx((before.min(), before.max()), abs=0.01)
    assert np.unique(labels).tolist() == np.unique(SPINE.labels).tolist()
    json.dumps(change.to_dict())
    if name not in ("mirror", "turn", "warp"):
        assert (labels == SPINE.labels).all()


def test_every_change_that_is_drawn_can_be_applied() -> None:
    assert set(_SAMPLERS) == set(_APPLIERS)
    drawn = {
        change.name
        for seed in range(120)
        for change in sample_changes(np.random.default_rng(seed), label_to_image=0.2)
    }
    assert drawn == set(_SAMPLERS)


def test_no_label_to_image_unless_wanted() -> None:
    for seed in range(100):
        changes = sample_changes(np.random.default_rng(seed), label_to_image=0.0)
        assert changes
        assert "labels" not in {change.name for change in changes}


def test_the_head_stays_up() -> None:
    """Whatever is drawn, vertebrae follow one another downwards."""
    for seed in range(8):
        changes = sample_changes(np.random.default_rng(seed), label_to_image=0.2)
        _, labels = apply_changes(SPINE.image, SPINE.labels, SPINE.grid, changes)
        heights = [np.argwhere(labels == value)[:, 2].mean() for value in (32, 41, 42, 43, 44, 45)]
        assert (np.diff(heights) < 0).all()
