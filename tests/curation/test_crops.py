"""Crops hold whole vertebrae and keep their names and places."""

import numpy as np

from blocks import draw_blocks
from spinekit.anatomy.scheme import VALUES
from spinekit.core.geometry import oriented_grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.curation.crops import cut, cut_grid_at, sample_crops


def test_crops_hold_what_they_name() -> None:
    spine = draw_blocks()
    for letters in ("RAS", "LIP"):
        grid = oriented_grid(spine.grid, letters)
        labels = Volume(resample_nearest(spine.labels, spine.grid, grid), grid)

        crops = sample_crops(labels, 20, (2, 4), np.random.default_rng(0))

        assert len(crops) == 20
        assert {len(crop.names) for crop in crops} == {2, 3, 4}
        for crop in crops:
            part = cut(labels.array, crop)
            small = cut_grid_at(grid, crop)
            for name in crop.names:
                value = VALUES[name]
                assert np.count_nonzero(part == value) == np.count_nonzero(spine.labels == value)
            assert part.shape == small.shape
            assert (resample_nearest(spine.labels, spine.grid, small) == part).all()


def test_too_few_vertebrae_give_no_crop() -> None:
    spine = draw_blocks(names=("L4", "L5"))

    assert sample_crops(
        Volume(spine.labels, spine.grid), 3, (3, 8), np.random.default_rng(0)
    ) == []  # fmt: skip
