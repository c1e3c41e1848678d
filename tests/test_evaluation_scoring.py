"""One case against references whose right scores are known by construction."""

import math
from dataclasses import replace

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.evaluation.reference import (
    Reference,
    bodies_reference,
    cord_reference,
    discs_reference,
    labels_reference,
    points_reference,
    spider_reference,
)
from spinekit.evaluation.region import annotated_region
from spinekit.evaluation.scoring import evaluate_case

SPACING = (4.0, 1.0, 1.0)
SHAPE = (6, 60, 130)
LEVELS = ("L4", "L3", "L2", "L1")
DISCS = ("L4-L5", "L3-L4", "L2-L3", "L1-L2")


def column():
    """Four vertebrae of 20 mm with discs of 6 mm, a canal behind them and a cord within it."""
    dseg, parts = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    for n, (level, disc) in enumerate(zip(LEVELS, DISCS, strict=True)):
        low = 10 + 26 * n
        dseg[1:5, 30:55, low : low + 20] = VALUES[level]
        parts[1:5, 30:55, low : low + 20] = 1
        dseg[1:5, 5:18, low : low + 8] = VALUES[level]
        parts[1:5, 5:18, low : low + 8] = 2
        dseg[1:5, 30:55, low - 6 : low] = VALUES[disc]
        parts[1:5, 30:55, low - 6 : low] = 3
    dseg[2:4, 18:28, 2:128], parts[2:4, 18:28, 2:128] = VALUES["spinal_canal"], 4
    dseg[2:4, 21:25, 2:128], parts[2:4, 21:25, 2:128] = VALUES["spinal_cord"], 5
    return dseg, parts


def only_bodies(dseg, parts):
    return bodies_reference("scan", np.where(parts == 1, dseg, 0))


def by_name(scores, kind):
    return {instance.name: instance for instance in scores.instances if instance.kind == kind}


def test_perfect_prediction_is_perfect():
    dseg, parts = column()
    scores = evaluate_case(dseg, parts, only_bodies(dseg, parts), SPACING)
    assert list(by_name(scores, "body")) == ["L1", "L2", "L3", "L4"]
    for instance in scores.instances:
        assert (instance.dice, instance.assd_mm, instance.hd95_mm) == (1.0, 0.0, 0.0)
        assert instance.named_right
        assert not any((instance.partial, instance.split, instance.merged, instance.missed))
        assert instance.volume_mm3 == 4 * 25 * 20 * 4
    assert scores.extra == (("body", 0),)
    assert scores.mean_dice("body") == 1.0


def test_body_is_compared_with_the_body_alone():
    dseg, parts = column()
    reference = only_bodies(dseg, parts)
    with_parts = evaluate_case(dseg, parts, reference, SPACING)
    without = evaluate_case(dseg, None, reference, SPACING)
    assert with_parts.mean_dice("body") == 1.0
    assert 0.8 < without.mean_dice("body") < 0.95


def test_whole_vertebrae_are_not_scored_as_bodies_that_were_told_from_arches():
    dseg, parts = column()
    reference = labels_reference("scan", dseg, parts)
    with_parts = evaluate_case(dseg, parts, reference, SPACING)
    without = evaluate_case(dseg, None, reference, SPACING)
    assert with_parts.kinds == ("body", "vertebra", "disc")
    assert without.kinds == ("vertebra", "disc")
    assert dict(without.extra) == {"vertebra": 0, "disc": 0}
    assert without.mean_dice("vertebra") == 1.0
    no_arches = labels_reference(
        "scan", np.where(parts == 2, 0, dseg), np.where(parts == 2, 0, parts)
    )
    assert (
        evaluate_case(np.where(parts == 2, 0, dseg), None, no_arches, SPACING).mean_dice("body")
        == 1.0
    )


def test_spider_takes_the_bodies_of_a_prediction_without_parts_as_its_own():
    dseg, parts = column()
    spider = np.select([parts <= 2, parts >= 4], [7 * (parts > 0), 4], parts)
    reference = spider_reference("scan", spider, dseg)
    scores = evaluate_case(dseg, None, reference, SPACING)
    assert scores.mean_dice("body") == 1.0
    assert all(instance.named_right for instance in scores.instances)


def test_names_one_level_off_are_wrong_but_overlap_is_full():
    dseg, parts = column()
    shifted = dseg.copy()
    for wrong, right in (("L3", "L4"), ("L2", "L3"), ("L1", "L2"), ("T12", "L1")):
        shifted[dseg == VALUES[right]] = VALUES[wrong]
    scores = evaluate_case(shifted, parts, only_bodies(dseg, parts), SPACING)
    found = by_name(scores, "body")
    assert {name: i.predicted for name, i in found.items()} == {
        "L1": "T12", "L2": "L1", "L3": "L2", "L4": "L3",
    }  # fmt: skip
    assert not any(instance.named_right for instance in found.values())
    assert scores.mean_dice("body") == 1.0


def test_instance_without_a_name_is_matched_and_not_right():
    dseg, parts = column()
    pred = dseg.copy()
    pred[dseg == VALUES["L2"]] = VALUES["vertebra_1"]
    found = by_name(evaluate_case(pred, parts, only_bodies(dseg, parts), SPACING), "body")
    assert found["L2"].predicted == "?"
    assert found["L2"].dice == 1.0
    assert not found["L2"].named_right


def test_missed_instance_scores_zero_and_has_no_distance():
    dseg, parts = column()
    pred = dseg.copy()
    pred[dseg == VALUES["L3"]] = 0
    scores = evaluate_case(pred, parts, only_bodies(dseg, parts), SPACING)
    lost = by_name(scores, "body")["L3"]
    assert lost.missed
    assert lost.dice == 0.0
    assert math.isnan(lost.assd_mm)
    assert scores.mean_dice("body") == pytest.approx(0.75)


def test_predictions_beyond_the_annotated_stretch_are_ignored_by_default():
    dseg, parts = column()
    reference = bodies_reference("scan", np.where(np.isin(dseg, [43, 42]) & (parts == 1), dseg, 0))
    scores = evaluate_case(dseg, parts, reference, SPACING)
    assert scores.extra == (("body", 0),)
    assert scores.mean_dice("body") == 1.0
    everywhere = evaluate_case(dseg, parts, reference, SPACING, annotated_only=False)
    assert everywhere.extra == (("body", 2),)


def test_leak_beyond_the_margin_is_ignored_and_within_it_counts():
    dseg, parts = column()
    reference = bodies_reference("scan", np.where((dseg == 44) & (parts == 1), dseg, 0))
    pred, pred_parts = dseg.copy(), parts.copy()
    pred[1:5, 30:55, 0:10], pred_parts[1:5, 30:55, 0:10] = 44, 1
    instance = evaluate_case(pred, pred_parts, reference, SPACING).instances[0]
    assert instance.dice == pytest.approx(2 * 20 / (20 + 23))


def test_extra_instance_within_the_stretch_is_counted():
    dseg, parts = column()
    pred, pred_parts = dseg.copy(), parts.copy()
    pred[1:5, 45:58, 30:36] = VALUES["L5"]
    pred_parts[1:5, 45:58, 30:36] = 1
    reference = only_bodies(*column())
    without_l3 = replace(reference, bodies=np.where(reference.bodies == 43, 0, reference.bodies))
    assert evaluate_case(pred, pred_parts, without_l3, SPACING).extra == (("body", 2),)


@pytest.mark.parametrize("edge", ["low", "high", "small", "side"])
def test_cut_or_tiny_references_are_reported_but_not_scored(edge):
    ref = np.zeros((4, 40, 60), np.uint8)
    ref[0:3, 10:30, 20:40] = 43
    wanted = True
    if edge == "low":
        ref[0:3, 10:30, 0:12] = 44
    elif edge == "high":
        ref[0:3, 10:30, 50:60] = 44
    elif edge == "small":
        ref[0:1, 10:20, 2:14] = 44  # 480 mm³
    else:
        ref[:, 0:20, 2:14] = 44
        wanted = False
    scores = evaluate_case(ref, (ref > 0) * 1, bodies_reference("scan", ref), SPACING)
    assert by_name(scores, "body")["L4"].partial is wanted
    assert len(scores.scored("body")) == 2 - wanted


def test_discs_are_matched_as_instances():
    dseg, parts = column()
    reference = discs_reference("scan", dseg)
    pred = np.where(dseg == VALUES["L2-L3"], VALUES["L3-L4"], dseg)
    found = by_name(evaluate_case(pred, parts, reference, SPACING), "disc")
    assert set(found) == set(DISCS)
    assert found["L2-L3"].predicted == "L3-L4"
    assert found["L1-L2"].named_right


def spider():
    dseg, parts = column()
    spider_parts = np.select([np.isin(parts, [1, 2]), parts == 3, parts >= 4], [7, 3, 4], 0)
    names = np.where(np.isin(dseg, [1, 2]), 2, dseg)
    # A posterior piece with its neighbour's name, as the published masks have them.
    names[(dseg == VALUES["L3"]) & (parts == 2)] = VALUES["L2"]
    return dseg, parts, spider_reference("scan", spider_parts, names)


def test_spider_counts_canal_with_cord_and_vertebra_with_posterior_elements():
    dseg, parts, reference = spider()
    scores = evaluate_case(dseg, parts, reference, SPACING)
    assert {m.structure: m.dice for m in scores.masks} == {
        "vertebra": 1.0, "disc": 1.0, "disc-tolerant": 1.0, "canal": 1.0,
    }  # fmt: skip


def test_spider_names_are_judged_on_bodies_and_discs_only():
    dseg, parts, reference = spider()
    scores = evaluate_case(dseg, parts, reference, SPACING)
    assert scores.kinds == ("body", "disc")
    assert all(instance.named_right and instance.dice == 1.0 for instance in scores.instances)


def test_tolerant_disc_score_forgives_one_voxel_only():
    dseg, parts, reference = spider()
    for rim, forgiven in ((1, True), (2, False)):
        wide, wide_parts = dseg.copy(), parts.copy()
        for n, disc in enumerate(DISCS):
            low = 4 + 26 * n
            wide[1:5, 30:55, low - rim : low + 6 + rim] = VALUES[disc]
            wide_parts[1:5, 30:55, low - rim : low + 6 + rim] = 3
        scores = evaluate_case(wide, wide_parts, reference, SPACING)
        assert scores.mask_dice("disc") == pytest.approx(2 * 6 / (6 + 6 + 2 * rim))
        assert (scores.mask_dice("disc-tolerant") == 1.0) is forgiven


def test_cord_is_scored_as_one_structure():
    dseg, parts = column()
    reference = cord_reference("scan", (parts == 5) & (np.arange(130) > 40))
    scores = evaluate_case(dseg, parts, reference, SPACING)
    # 3 mm of cord below the annotated stretch still count.
    assert scores.mask_dice("cord") == pytest.approx(2 * 87 / (87 + 90))


def test_points_ask_for_the_name_of_the_body_beside_them():
    dseg, parts = column()
    points = np.zeros(SHAPE, np.uint8)
    points[3, 23, 20], points[3, 23, 98] = 23, 20  # L4 and, counting from C1, L1
    scores = evaluate_case(dseg, parts, points_reference("scan", points), SPACING)
    assert [(p.name, p.predicted) for p in scores.points] == [("L1", "L1"), ("L4", "L4")]
    nothing = evaluate_case(dseg * 0, parts * 0, points_reference("scan", points), SPACING)
    assert [p.predicted for p in nothing.points] == ["", ""]


def test_second_and_ninth_vertebra_are_c2_and_t2():
    points = np.zeros((3, 3, 3), np.uint8)
    points[0, 0, 0], points[1, 1, 1] = 2, 9
    assert points_reference("scan", points).points == (("C2", (0, 0, 0)), ("T2", (1, 1, 1)))


def test_complete_label_map_is_judged_everywhere():
    dseg, parts = column()
    full = dseg.copy()
    full[1:5, 30:55, 0:4] = VALUES["sacrum"]
    reference = labels_reference("scan", full, np.where(full == 50, 6, parts))
    assert reference.complete
    pred, pred_parts = full.copy(), np.where(full == 50, 6, parts)
    pred[1:5, 30:55, 116:128], pred_parts[1:5, 30:55, 116:128] = VALUES["T12"], 1
    scores = evaluate_case(pred, pred_parts, reference, SPACING)
    assert scores.kinds == ("body", "vertebra", "disc")
    assert dict(scores.extra) == {"body": 1, "vertebra": 1, "disc": 0}
    assert {m.structure for m in scores.masks} == {
        "canal", "canal-without-cord", "cord", "sacrum",
    }  # fmt: skip
    partial = evaluate_case(pred, pred_parts, reference, SPACING, annotated_only=True)
    assert dict(partial.extra) == {"body": 0, "vertebra": 0, "disc": 0}


def test_a_cord_marked_twice_counts_once_and_the_map_stays_complete():
    dseg, parts = column()
    dseg[1:5, 30:55, 0:4], parts[1:5, 30:55, 0:4] = VALUES["sacrum"], 6
    cord = dseg == VALUES["spinal_cord"]
    whole = labels_reference("scan", dseg, parts)
    reference = cord_reference("scan", np.where(np.arange(130) > 40, cord, 0)).joined(whole)
    assert reference.complete
    scores = evaluate_case(dseg, parts, reference, SPACING)
    names = [mask.structure for mask in scores.masks]
    assert sorted(names) == ["canal", "canal-without-cord", "cord", "sacrum"]
    # What the first of the two marks is compared: 126 slices of cord were found, 87 are asked for.
    assert scores.mask_dice("cord") == pytest.approx(2 * 87 / (87 + 126))


def test_labels_of_the_lower_bones_alone_leave_the_others_out():
    dseg, parts = column()
    dseg[1:5, 30:55, 0:4], parts[1:5, 30:55, 0:4] = VALUES["sacrum"], 6
    marked = dseg.copy()
    marked[:, :, 60:] = 0  # L3 and L4 to the sacrum, and the canal beside them
    reference = labels_reference("scan", marked, parts, spacing_mm=SPACING)
    scores = evaluate_case(dseg, parts, reference, SPACING)
    assert not reference.complete
    assert {count for _, count in scores.extra} == {0}
    assert [m.dice for m in scores.masks] == pytest.approx([1.0] * 4, abs=0.05)


def test_a_canal_that_holds_the_cord_is_compared_with_both():
    dseg, parts = column()
    whole = np.where(dseg == VALUES["spinal_cord"], VALUES["spinal_canal"], dseg)
    assert {1, 2} <= set(np.unique(dseg).tolist())
    for seen in (parts, None):
        scores = evaluate_case(dseg, seen, labels_reference("scan", whole), SPACING)
        assert [(m.structure, m.dice) for m in scores.masks] == [("canal", 1.0)]


def test_nothing_predicted_misses_everything():
    dseg, parts = column()
    scores = evaluate_case(dseg * 0, parts * 0, only_bodies(dseg, parts), SPACING)
    assert all(instance.missed for instance in scores.instances)
    assert scores.mean_dice("body") == 0.0


def test_nothing_annotated_scores_nothing():
    dseg, parts = column()
    scores = evaluate_case(dseg, parts, Reference("scan"), SPACING)
    assert (scores.instances, scores.masks, scores.points) == ((), (), ())


def test_region_ends_at_right_angles_to_a_tilted_column():
    shape = (3, 80, 80)
    j, k = np.indices(shape)[1:]
    along, across = (j + k) / math.sqrt(2), (j - k) / math.sqrt(2)
    low = (abs(along - 45) < 8) & (abs(across) < 10)
    high = (abs(along - 65) < 8) & (abs(across) < 10)
    region = annotated_region(low | high, (1.0, 1.0, 1.0), instances=low + 2 * high)
    assert region[(along > 35) & (along < 75)].all()
    assert not region[(along < 32) | (along > 78)].any()


def test_region_of_nothing_is_nothing():
    assert not annotated_region(np.zeros((2, 3, 4), bool), SPACING).any()


def test_region_of_one_structure_runs_along_the_body_axis():
    annotated = np.zeros((3, 20, 30), bool)
    annotated[1, 5:9, 10:15] = True
    region = annotated_region(annotated, (1.0, 1.0, 1.5), instances=annotated * 41)
    assert np.flatnonzero(region.all(axis=(0, 1))).tolist() == list(range(8, 17))
    assert not region[:, :, :8].any()
