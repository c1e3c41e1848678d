import numpy as np
import pytest

from spinekit.metrics.matching import match_instances


def column(*pieces, length=60):
    """A label map of one rod; each piece is (label, from, to) along k."""
    label_map = np.zeros((2, 3, length), dtype=np.uint8)
    for label, start, stop in pieces:
        label_map[:, :, start:stop] = label
    return label_map


def test_every_reference_finds_the_most_overlapping_instance():
    matching = match_instances(column((7, 1, 10), (8, 12, 21)), column((41, 0, 10), (42, 11, 21)))
    assert [(m.ref, m.pred) for m in matching.matches] == [(41, 7), (42, 8)]
    assert matching.matches[0].iou == pytest.approx(0.9)
    assert matching.extra == ()
    assert not any(m.split or m.merged for m in matching.matches)


@pytest.mark.parametrize(("overlap", "missed"), [(3, False), (2, True)])
def test_iou_of_three_tenths_decides_what_is_missed(overlap, missed):
    # 10 voxels of reference; the prediction lies inside it.
    match = match_instances(column((1, 0, overlap)), column((9, 0, 10))).matches[0]
    assert match.missed is missed
    assert match.iou == pytest.approx(overlap / 10)


def test_two_predictions_on_one_reference_split_it():
    match = match_instances(column((1, 0, 6), (2, 6, 10)), column((9, 0, 10))).matches[0]
    assert match.split
    assert not match.merged
    assert match.pred == 1


def test_sliver_of_a_neighbour_does_not_split():
    match = match_instances(column((1, 0, 8), (2, 8, 18)), column((9, 0, 10))).matches[0]
    assert not match.split


def test_one_prediction_on_two_references_merges_both():
    matches = match_instances(column((1, 0, 20)), column((8, 0, 10), (9, 10, 20))).matches
    assert [m.merged for m in matches] == [True, True]
    assert [m.pred for m in matches] == [1, 1]


def test_predictions_beside_the_references_are_extra():
    matching = match_instances(column((1, 0, 10), (2, 30, 40)), column((9, 0, 10)))
    assert matching.extra == (2,)


def test_only_the_region_counts():
    pred, ref = column((1, 0, 40), (2, 50, 60)), column((9, 0, 10))
    where = np.zeros(ref.shape, dtype=bool)
    where[:, :, :12] = True
    matching = match_instances(pred, ref, where=where)
    assert matching.matches[0].iou == pytest.approx(10 / 12)
    assert matching.extra == ()


def test_nothing_annotated_and_nothing_predicted():
    empty = column()
    assert match_instances(column((1, 0, 5)), empty).matches == ()
    match = match_instances(empty, column((9, 0, 5))).matches[0]
    assert match.missed
    assert match.iou == 0.0
