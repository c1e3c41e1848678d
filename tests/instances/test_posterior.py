"""Posterior elements where the scan ends: its edge is no gap between two vertebrae."""

import numpy as np
import pytest

from instances.toys import POSTERIOR, Toy, draw, levels, probabilities
from spinekit.instances import split_instances

LOIN = Toy(count=3, sacrum=False)
THORAX = Toy(count=3, height=20, disc=4, depth=24, width=30, sacrum=False)


def with_joined_arches(toy):
    """(I, J, K) parts in which bone without a gap runs behind the canal: facets on facets."""
    parts, _ = draw(toy)
    i, j, k = np.meshgrid(*(np.arange(n) for n in parts.shape), indexing="ij", sparse=True)
    u = np.abs(i - (toy.slices - 1) / 2) * toy.spacing[0]
    behind, down = 85.0 - j - toy.depth / 2, parts.shape[2] - 1 - k
    along = (down >= levels(toy)[0][0] + 4) & (down < levels(toy)[-1][1])
    joined = (u < 14) & (behind > 15) & (behind <= 30) & along
    return np.where(joined, np.uint8(POSTERIOR), parts)


@pytest.mark.parametrize(("toy", "shown_mm"), [(LOIN, 18), (THORAX, 6)])
def test_arches_above_the_edge_of_the_scan_belong_where_they_did_in_a_longer_one(toy, shown_mm):
    parts = with_joined_arches(toy)
    whole = split_instances(probabilities(parts), toy.spacing)
    cut_mm = parts.shape[2] - (levels(toy)[-1][0] + shown_mm)
    cut = split_instances(probabilities(parts[:, :, cut_mm:]), toy.spacing)
    rear = parts[:, :, cut_mm:] == POSTERIOR
    owner, before = cut.vertebra_map[rear], whole.vertebra_map[:, :, cut_mm:][rear]
    assert (owner == before).mean() > 0.9
    assert (owner == toy.count)[before == toy.count].mean() > 0.95


def test_fat_between_two_processes_that_is_taken_for_bone_moves_no_process():
    toy = Toy(count=5, height=20, disc=4, depth=20, width=30, sacrum=False)
    parts, truth = draw(toy)
    i, j, k = np.meshgrid(*(np.arange(n) for n in parts.shape), indexing="ij", sparse=True)
    u = np.abs(i - (toy.slices - 1) / 2) * toy.spacing[0]
    behind, down = 85.0 - j - toy.depth / 2, parts.shape[2] - 1 - k
    (_, above), (top, bottom) = levels(toy)[1:3]
    gap = (down >= above + 4) & (down < (top + bottom) / 2)
    fat = (u < 5) & (behind > 24) & (behind < 42) & gap & (truth == 0)
    result = split_instances(probabilities(np.where(fat, np.uint8(POSTERIOR), parts)), toy.spacing)
    for number in range(1, toy.count + 1):
        process = (truth == number) & (parts == POSTERIOR)
        assert (result.vertebra_map[process] == number).mean() > 0.97
