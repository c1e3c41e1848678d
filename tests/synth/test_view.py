"""The field of view: what was asked to be in view is."""

import numpy as np
import pytest

from spinekit.synth.curve import build_curve
from spinekit.synth.spine import sample_spine
from spinekit.synth.view import sample_grid


@pytest.mark.parametrize("span", [("T1", "T10"), ("C3", "C7"), ("T8", "L3"), ("L1", "L5")])
def test_vertebrae_of_a_span_lie_in_the_scan(span: tuple[str, str]) -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        spine = sample_spine(rng, ())
        curve = build_curve(spine)
        grid = sample_grid(rng, spine, curve, "lumbar", "sagittal", (4.0, 1.0, 1.0), span)
        first, last = (spine.levels.index(name) for name in span)
        middles = curve.at(0.5 * (curve.top + curve.bottom))[first : last + 1]
        ijk = grid.ras_to_ijk(middles)
        assert ((ijk > -0.5) & (ijk < np.array(grid.shape) - 0.5)).all(), (seed, ijk)
