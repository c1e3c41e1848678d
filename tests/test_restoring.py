import numpy as np

from spinekit.anatomy.items import Instances
from spinekit.core.geometry import GeometryRecord
from spinekit.core.grid import Grid
from spinekit.restoring import restore_instances, restore_soft, settle_probs


def test_settled_probabilities_say_what_the_parts_say() -> None:
    rng = np.random.default_rng(3)
    probs = rng.dirichlet(np.ones(7), (4, 5, 6)).transpose(3, 0, 1, 2).astype(np.float16)
    before = probs.copy()
    parts = probs.argmax(axis=0).astype(np.uint8)
    parts[1, 2, 3], parts[0, 0, 0] = 0, 6

    settle_probs(probs, parts)

    np.testing.assert_array_equal(probs.argmax(axis=0), parts)
    untouched = before.argmax(axis=0) == parts
    np.testing.assert_array_equal(probs[:, untouched], before[:, untouched])
    assert untouched.mean() > 0.95


def test_a_voxel_of_sacrum_between_two_that_are_none_is_not_painted() -> None:
    working = Grid((1, 1, 4), np.eye(4))
    fine = np.diag([1.0, 1.0, 0.5, 1.0])
    probs = np.full((7, 1, 1, 4), 0.0, np.float32)
    # Of two neighbours one is canal and one is cord by a little: half way it is neither.
    probs[[4, 4, 5, 5], 0, 0, [0, 1, 2, 3]] = 0.52
    probs[6] = 0.48
    parts = probs.argmax(axis=0).astype(np.uint8)
    empty = np.zeros_like(parts)
    instances = Instances(parts, empty, empty, (), (1.0, 1.0, 1.0))
    record = GeometryRecord(Grid((1, 1, 7), fine), working)

    labels, kept = restore_instances(probs, instances, (), record)

    assert labels.ravel().tolist() == [2, 2, 2, 0, 1, 1, 1]
    assert kept.ravel().tolist() == [4, 4, 4, 0, 5, 5, 5]


def test_soft_maps_are_interpolated_and_hold_nothing_away_from_the_canal() -> None:
    parts = np.zeros((3, 10, 12), np.uint8)
    parts[1, 4:7], parts[1, 5] = 4, 5
    probs = np.full((7, *parts.shape), 0.01, np.float16)
    probs[4][parts == 4], probs[5][parts == 5] = 0.9, 0.8
    probs[4][parts == 5] = 0.15
    probs[4, 1, 0, 0] = 0.9
    working = Grid(parts.shape, np.diag([4.0, 1.0, 1.0, 1.0]))
    fine = np.diag([4.0, 0.5, 1.0, 1.0])
    fine[1, 3] = 0.5
    record = GeometryRecord(Grid((3, 16, 12), fine), working)

    soft = restore_soft(probs, parts, record)

    assert soft["canal"].dtype == soft["cord"].dtype == np.float32
    assert soft["canal"].shape == (3, 16, 12)
    # Voxel 9 lies at 5 mm, in the cord; voxel 8 half way between canal and cord.
    np.testing.assert_allclose(soft["cord"][1, 9], 0.8, atol=1e-3)
    np.testing.assert_allclose(soft["canal"][1, 9], 0.95, atol=1e-3)
    np.testing.assert_allclose(soft["cord"][1, 8], (0.8 + 0.01) / 2, atol=1e-3)
    assert soft["canal"][1, 0].max() == 0


def test_no_canal_gives_empty_maps() -> None:
    grid = Grid((2, 8, 8), np.eye(4))
    probs = np.full((7, 2, 8, 8), 1 / 7, np.float16)

    soft = restore_soft(probs, np.zeros((2, 8, 8), np.uint8), GeometryRecord(grid, grid))

    assert all(array.max() == 0 for array in soft.values())
