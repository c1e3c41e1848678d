"""The column's curve: through the middle of what is there, whatever lies far away."""

import numpy as np
import pytest

from spinekit.instances.curve import fit_curve


def points(low_mm, high_mm, count, rng):
    """A straight rod of 16 mm about (20, 30) between two heights."""
    across = rng.uniform(-8, 8, (count, 2)) + np.array([20.0, 30.0])
    along = rng.uniform(low_mm, high_mm, (count, 1))
    return np.concatenate([across, along], axis=1).astype(np.float32)


@pytest.mark.parametrize("gap_mm", [20.0, 80.0, 700.0, 2500.0])
def test_a_stray_piece_far_away_is_reached_without_bending_the_rest(gap_mm):
    rng = np.random.default_rng(1)
    rod = points(200.0 + gap_mm, 420.0 + gap_mm, 4000, rng)
    curve = fit_curve(np.concatenate([rod, points(196.0, 200.0, 40, rng)]))
    in_rod = (curve.points_mm[:, 2] > 200.0 + gap_mm) & (curve.points_mm[:, 2] < 420.0 + gap_mm)
    assert np.abs(curve.points_mm[in_rod, :2] - (20.0, 30.0)).max() < 1.0
    assert (np.diff(curve.points_mm[:, 2]) < 0).all()
    assert curve.length_mm == pytest.approx(224.0 + gap_mm + 120.0, rel=0.1)


def test_a_point_comes_back_from_its_coordinates_along_the_curve():
    rng = np.random.default_rng(2)
    rod = points(0.0, 200.0, 4000, rng)
    rod[:, 1] += 12.0 * np.sin(rod[:, 2] / 60.0)
    curve = fit_curve(rod)
    assert np.abs(curve.bend(curve.straighten(rod)) - rod).max() < 0.5
