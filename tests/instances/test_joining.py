"""Pieces of one bone become one instance; nothing else changes."""

import numpy as np
import pytest

from instances.toys import BODY, DISC, Toy, draw, probabilities
from spinekit.instances import split_instances
from spinekit.instances.joining import join_items


@pytest.fixture
def column():
    parts, _ = draw(Toy())
    return split_instances(probabilities(parts), Toy().spacing)


def _places(column, kind):
    return [n for n, item in enumerate(column.items) if item.kind == kind]


def test_a_piece_and_the_disc_between_become_part_of_the_vertebra(column):
    upper, lower = _places(column, "vertebra")[:2]
    disc = _places(column, "disc")[0]
    joined, kept = join_items(column, [(upper, lower), (disc, lower)])
    assert kept == [n for n in range(len(column.items)) if n not in (upper, disc)]
    bone = joined.items[0]
    pieces = [column.items[n] for n in (upper, disc, lower)]
    assert bone.volume_mm3 == pytest.approx(sum(item.volume_mm3 for item in pieces))
    assert bone.top_mm == column.items[upper].top_mm
    assert bone.bottom_mm == column.items[lower].bottom_mm
    before = np.isin(column.vertebra_map, (column.items[upper].index, column.items[lower].index))
    before |= (column.disc_map == column.items[disc].index) & (column.parts == DISC)
    np.testing.assert_array_equal(joined.vertebra_map == bone.index, before)
    assert (joined.parts[before & (column.parts == DISC)] == BODY).all()


def test_numbers_run_from_the_top_and_others_keep_their_voxels(column):
    upper, lower = _places(column, "vertebra")[2:4]
    joined, kept = join_items(column, [(lower, upper)])
    for kind, attribute in (("vertebra", "vertebra_map"), ("disc", "disc_map")):
        items = [item for item in joined.items if item.kind == kind]
        assert [item.index for item in items] == list(range(1, len(items) + 1))
        for old, item in zip(kept, joined.items, strict=True):
            if item.kind == kind and old != upper:
                was = getattr(column, attribute) == column.items[old].index
                np.testing.assert_array_equal(getattr(joined, attribute) == item.index, was)


def test_nothing_to_join_changes_nothing(column):
    joined, kept = join_items(column, [])
    assert kept == list(range(len(column.items)))
    assert joined.items == column.items
    np.testing.assert_array_equal(joined.vertebra_map, column.vertebra_map)
