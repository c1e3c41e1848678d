"""Pooling of the level head's cells over instances."""

import numpy as np
import pytest

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instance, Instances
from spinekit.labelling.evidence import pool_levels


def _item(kind, index):
    return Instance(kind, index, (0.0, 0.0, 0.0), 9e3, False, False, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0)


def _instances():
    """Two bodies of 8 × 16 voxels over each other, a disc between, a sacrum below."""
    parts = np.zeros((2, 16, 64), np.uint8)
    vertebra_map, disc_map = parts.copy(), parts.copy()
    parts[:, 0:8, 48:64] = 1
    vertebra_map[:, 0:8, 48:64] = 1
    parts[:, 0:8, 40:48] = 3
    disc_map[:, 0:8, 40:48] = 1
    parts[:, 0:8, 24:40] = 1
    vertebra_map[:, 0:8, 24:40] = 2
    parts[:, 8:16, 24:40] = 2
    vertebra_map[:, 8:16, 24:40] = 2
    parts[:, 0:8, 0:16] = 6
    items = (_item("vertebra", 1), _item("disc", 1), _item("vertebra", 2), _item("sacrum", 1))
    return Instances(parts, vertebra_map, disc_map, items, (4.0, 1.0, 1.0))


def _cells():
    return np.full((len(LEVELS), 2, 2, 8), 1.0 / len(LEVELS), dtype=np.float32)


def _say(cells, level, where):
    cells[(slice(None), *where)] = 0.001
    cells[(LEVELS.index(level), *where)] = 1.0 - 0.001 * (len(LEVELS) - 1)


def test_each_item_hears_its_own_cells_and_bodies_ignore_posterior_ones():
    cells = _cells()
    _say(cells, "L3", (slice(None), 0, slice(6, 8)))
    _say(cells, "L4", (slice(None), 0, slice(3, 5)))
    _say(cells, "C2", (slice(None), 1, slice(3, 5)))
    _say(cells, "sacrum", (slice(None), 0, slice(0, 2)))
    pooled = pool_levels(cells, 8, _instances())
    assert pooled.shape == (4, 27)
    assert pooled.sum(axis=1) == pytest.approx(1.0)
    assert [LEVELS[n] for n in pooled[[0, 2, 3]].argmax(axis=1)] == ["L3", "L4", "sacrum"]
    assert pooled[1] == pytest.approx(1.0 / 27, abs=1e-6)
    assert pooled[0].max() > 0.9


def test_more_cells_that_say_the_same_make_it_no_surer():
    cells = _cells()
    _say(cells, "L3", (slice(None), slice(None), slice(None)))
    pooled = pool_levels(cells, 8, _instances())
    assert pooled[0, LEVELS.index("L3")] == pytest.approx(1.0 - 0.001 * 26, abs=1e-4)


def test_one_certain_cell_cannot_rule_out_what_the_others_say():
    cells = _cells()
    _say(cells, "L3", (slice(None), 0, slice(6, 8)))
    cells[:, 0, 0, 6] = 0.0
    cells[LEVELS.index("C4"), 0, 0, 6] = 1.0
    pooled = pool_levels(cells, 8, _instances())
    assert LEVELS[pooled[0].argmax()] == "L3"


def test_padding_beyond_the_cells_is_harmless():
    pooled = pool_levels(_cells()[:, :, :, :7], 8, _instances())
    assert np.isfinite(pooled).all()


def test_no_items_give_no_rows():
    empty = np.zeros((2, 16, 64), np.uint8)
    pooled = pool_levels(_cells(), 8, Instances(empty, empty, empty, (), (1.0, 1.0, 1.0)))
    assert pooled.shape == (0, 27)
