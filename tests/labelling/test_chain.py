"""Names over known columns: right, consecutive, and honest about what cannot be known."""

import dataclasses
import itertools

import numpy as np
import pytest

from labelling.columns import (
    build,
    bump,
    delete,
    draw,
    merge,
    others_right,
    split,
    uniform,
)
from spinekit.anatomy.column import LEVELS, Variant, successors
from spinekit.labelling.chain import _describe_extra, name_column


def _name(column):
    return name_column(column.instances, column.evidence)


def _bone_names(column, naming):
    return [naming.names[n] for n in column.bones]


VIEWS = [
    ("T11", "sacrum"),
    ("L1", "sacrum"),
    ("C1", "T4"),
    ("C2", "sacrum"),
    ("T3", "L2"),
    ("C3", "T10"),
    ("T5", "T12"),
]


@pytest.mark.parametrize(("first", "last"), VIEWS)
def test_noisy_columns_are_named_right_or_not_surely_wrong(first, last):
    rng = np.random.default_rng(11)
    right = 0
    for _ in range(5):
        column = draw(rng, first=first, last=last)
        naming = _name(column)
        right += naming.names == column.truth
        assert naming.names == column.truth or min(naming.probability) < 0.8
        assert column.truth in [naming.names, *(names for names, _ in naming.alternatives)]
        assert naming.ambiguous == (naming.reason is not None)
        if {first, last} & {"C1", "C2", "sacrum"}:
            assert not naming.ambiguous
    assert right >= 4


def test_a_column_that_is_likely_through_many_drifts_together_is_among_the_likeliest():
    rng = np.random.default_rng(11)
    for _ in range(3):
        naming = _name(draw(rng, first="C2", last="sacrum"))
        others = sum(probability for _, probability in naming.alternatives)
        assert min(naming.probability) + others > 0.9


def test_a_bone_that_the_edge_cuts_is_at_least_as_tall_as_what_is_seen():
    column = draw(np.random.default_rng(5), first="C2", last="T2", known=False)
    tall = column.instances.items[0]
    cut = dataclasses.replace(tall, partial=True, touches_edge=True)
    edge = dataclasses.replace(column.instances, items=(cut, *column.instances.items[1:]))
    seen, whole = name_column(edge, column.evidence), _name(column)
    assert seen.names[0] == whole.names[0] == "C2"
    short = dataclasses.replace(cut, height_mm=6.0, depth_mm=4.0)
    unseen = dataclasses.replace(column.instances, items=(short, *column.instances.items[1:]))
    assert name_column(unseen, column.evidence).probability[0] < seen.probability[0]


@pytest.mark.parametrize(("first", "last"), VIEWS)
@pytest.mark.parametrize("harm", [delete, merge, split])
def test_one_harmed_instance_leaves_the_other_names_right(harm, first, last):
    rng = np.random.default_rng(5)
    right = []
    for _ in range(4):
        column = draw(rng, first=first, last=last)
        # C1 and C2 lie side by side and have a test of their own.
        special = {"C1", "C2", "sacrum"}
        bones = [n for n in column.bones if column.truth[n] not in special]
        candidates = bones[:-1] if harm is merge else bones
        harmed = harm(column, int(rng.choice(candidates)))
        right.append(others_right(harmed, _name(harmed).names))
    assert sum(right) >= 3


def _draw_variant(thoracic, lumbar):
    rng = np.random.default_rng(7)
    return draw(rng, variant=Variant(thoracic, lumbar), first="C2", noise=0.05, spread=0.35)


COUNTS = [(12, 4), (12, 5), (12, 6), (11, 5), (13, 5), (11, 4), (13, 6)]


@pytest.mark.parametrize(("thoracic", "lumbar"), COUNTS)
def test_every_deviating_count_is_found_with_good_evidence(thoracic, lumbar):
    column = _draw_variant(thoracic, lumbar)
    naming = _name(column)
    assert naming.names == column.truth
    found = {anomaly.name for anomaly in naming.anomalies}
    expected = {11: {"T11"}, 12: set(), 13: {"T13"}}[thoracic]
    expected |= {4: {"four-lumbar"}, 5: set(), 6: {"L6"}}[lumbar]
    assert expected <= found


@pytest.mark.parametrize(("thoracic", "lumbar"), [(11, 6), (13, 4)])
def test_a_shifted_border_in_a_column_of_24_is_at_least_an_alternative(thoracic, lumbar):
    column = _draw_variant(thoracic, lumbar)
    naming = _name(column)
    assert column.truth in [naming.names, *(names for names, _ in naming.alternatives)]


def test_without_evidence_the_sacrum_decides():
    column = draw(np.random.default_rng(3), first="T12", known=False)
    naming = _name(column)
    assert _bone_names(column, naming) == ["T12", "L1", "L2", "L3", "L4", "L5", "sacrum"]
    lowest = min(naming.probability)
    assert 0.6 < lowest < 0.97
    assert not naming.ambiguous


def test_without_evidence_and_landmark_the_scan_is_ambiguous():
    column = draw(np.random.default_rng(3), first="T4", last="T9", known=False)
    naming = _name(column)
    assert naming.ambiguous
    assert "no sacrum" in naming.reason
    assert max(naming.probability) < 0.6
    assert len(naming.alternatives) >= 2


def test_l6_without_a_view_of_the_thorax_is_a_count_with_two_types():
    rng = np.random.default_rng(2)
    column = draw(rng, variant=Variant(12, 6), first="T12", noise=0.05, spread=0.35)
    naming = _name(column)
    assert naming.names == column.truth
    assert "L6" in {anomaly.name for anomaly in naming.anomalies}


def test_l6_that_a_blunt_word_leaves_open_is_an_alternative_with_its_probability():
    rng = np.random.default_rng(2)
    column = draw(rng, variant=Variant(12, 6), first="T12", noise=0.05)
    naming = _name(column)
    assert column.truth in [naming.names, *(names for names, _ in naming.alternatives)]
    assert {a.name: 0.1 < a.probability < 0.9 for a in naming.anomalies} == {"L6": True}


def test_names_and_alternatives_share_one_probability():
    column = draw(np.random.default_rng(4), first="T10", last="L3", noise=1.0)
    naming = _name(column)
    total = min(naming.probability) + sum(probability for _, probability in naming.alternatives)
    assert 0.9 < total <= 1.0 + 1e-4
    assert all(0.0 <= p <= 1.0 for p in naming.probability)
    ordered = [probability for _, probability in naming.alternatives]
    assert ordered == sorted(ordered, reverse=True)
    assert all(names != naming.names for names, _ in naming.alternatives)


def _is_gapless(names):
    return all(lower in successors(upper) for upper, lower in itertools.pairwise(names))


def test_names_stay_consecutive_however_wild_the_evidence():
    rng = np.random.default_rng(9)
    for _ in range(20):
        column = draw(rng, first="T8", last="L5")
        wild = rng.dirichlet(np.full(len(LEVELS), 0.3), len(column.truth))
        naming = name_column(column.instances, wild)
        named = [LEVELS.index(n) for n in _bone_names(column, naming) if n is not None]
        assert all(a < b for a, b in itertools.pairwise(named))
        if None not in _bone_names(column, naming) and not naming.anomalies:
            assert _is_gapless(_bone_names(column, naming))


def test_one_bad_witness_is_outvoted():
    column = draw(np.random.default_rng(6), first="T11", noise=0.1)
    evidence = column.evidence.copy()
    evidence[column.bones[2]] = bump("C4", flat=0.0, spread=0.3)
    naming = name_column(column.instances, evidence)
    assert naming.names == column.truth


def test_a_missed_level_is_skipped_and_reported():
    column = draw(np.random.default_rng(8), first="T10", noise=0.1)
    bone = column.truth.index("L2")
    harmed = delete(column, bone)
    naming = _name(harmed)
    assert naming.names == harmed.truth
    missed = [a for a in naming.anomalies if a.name == "missed"]
    assert len(missed) == 1
    assert "L1 and L3" in missed[0].text


def test_several_missed_levels_are_counted_and_named():
    column = draw(np.random.default_rng(8), first="T10", noise=0.1)
    for lost in ("L2", "L3"):
        column = delete(column, column.truth.index(lost))
    naming = _name(column)
    assert others_right(column, naming.names)
    missed = [anomaly.text for anomaly in naming.anomalies if anomaly.name == "missed"]
    assert missed == ["2 levels (L2 to L3) between L1 and L4 were not found"]


@pytest.mark.parametrize(("lost", "between"), [("L5", "L4 and sacrum"), ("T12", "T11 and L1")])
@pytest.mark.parametrize("seed", range(5))
def test_a_missed_last_vertebra_makes_no_neighbours_of_those_beside_it(lost, between, seed):
    column = draw(np.random.default_rng(seed), first="T9")
    harmed = delete(column, column.truth.index(lost))
    naming = _name(harmed)
    assert naming.names == harmed.truth
    assert [a.text for a in naming.anomalies] == [f"a level between {between} was not found"]


def test_four_lumbar_vertebrae_on_a_sacrum_are_neighbours():
    column = draw(np.random.default_rng(2), variant=Variant(12, 4), first="C2", noise=0.05)
    naming = _name(column)
    assert "L4-S1" in naming.names
    assert "missed" not in {a.name for a in naming.anomalies}


@pytest.mark.parametrize("lost", ["L1-L2", "L2-L3"])
def test_a_disc_at_a_missed_vertebra_is_named_by_the_bone_it_lies_at(lost):
    column = draw(np.random.default_rng(8), first="T10", noise=0.1)
    harmed = delete(column, column.truth.index("L2"))
    harmed = delete(harmed, harmed.truth.index(lost))
    assert _name(harmed).names == harmed.truth


@pytest.mark.parametrize("harm", [merge, split])
def test_a_harmed_bone_moves_no_name_in_columns_that_little_decides(harm):
    """Names, right or wrong, are those of the whole column: the harm itself tells no level."""
    same = []
    for seed in range(24):
        column = draw(np.random.default_rng(seed), first="T2", last="T11", noise=0.6)
        bone = column.bones[2 + seed % 5]
        before = _name(column).names
        harmed = harm(column, bone)
        kept = {column.truth[n]: before[n] for n in column.bones}
        after = _name(harmed).names
        same.append(all(after[n] == kept[harmed.truth[n]] for n in harmed.bones if harmed.truth[n]))
    assert sum(same) >= 22


def test_second_disc_between_neighbours_has_no_name():
    column = draw(np.random.default_rng(8), first="L1", noise=0.1)
    at = column.truth.index("L2-L3")
    items = [(i.kind, i.top_mm, i.height_mm, i.depth_mm) for i in column.instances.items]
    extra = ("disc", items[at][1] + items[at][2], 1.0, 30.0)
    harmed = build(
        [*column.truth[: at + 1], None, *column.truth[at + 1 :]],
        [*column.evidence[: at + 1], uniform(), *column.evidence[at + 1 :]],
        [*items[: at + 1], extra, *items[at + 1 :]],
    )
    names = _name(harmed).names
    assert list(names).count("L2-L3") == 1
    assert others_right(harmed, names)


def test_discs_at_the_ends_are_named_by_their_only_neighbour():
    column = draw(np.random.default_rng(3), first="T12", last="L5", noise=0.05)
    top = column.instances.items[0].top_mm
    items = [(i.kind, i.top_mm, i.height_mm, i.depth_mm) for i in column.instances.items]
    low = items[-1][1] + items[-1][2]
    ends = build(
        ["T11-T12", *column.truth, "L5-S1"],
        [uniform(), *column.evidence, uniform()],
        [("disc", top - 6, 6.0, 30.0), *items, ("disc", low, 8.0, 30.0)],
    )
    assert _name(ends).names == ends.truth


def test_four_lumbar_disc_above_the_sacrum():
    rng = np.random.default_rng(7)
    column = draw(rng, variant=Variant(12, 4), first="T8", noise=0.05, spread=0.35)
    assert _name(column).names[-2] == "L4-S1"


def _with_first_sacral_apart(disc_depth, wings=0.0):
    """T11 to the sacrum, S1 (of which that covers a share) apart, called L5, and L5 halfway L4."""
    column = draw(np.random.default_rng(3), first="T11", noise=0.05)
    items = [(i.kind, i.top_mm, i.height_mm, i.depth_mm) for i in column.instances.items]
    top, depth = items[-1][1], items[-2][3]
    lower = [
        ("vertebra", top, 21.0, 0.88 * depth),
        ("disc", top + 21.0, 7.0, disc_depth * depth),
        ("sacrum", top + (21.0 * (1.0 - wings) if wings else 28.0), 50.0, 30.0),
    ]
    evidence = list(column.evidence)
    evidence[-3] = 0.6 * bump("L4", spread=0.4) + 0.4 * bump("L5", spread=0.4)
    last = [bump("L5", spread=0.3, flat=0.02), 0.5 * (bump("L5") + bump("sacrum"))]
    return column, build(
        [*column.truth[:-1], None, None, "sacrum"],
        [*evidence[:-1], *last, evidence[-1]],
        [*items[:-1], *lower],
    )


def test_first_sacral_on_a_rudimentary_disc_moves_no_name():
    column, split_off = _with_first_sacral_apart(0.65)
    names = _name(split_off).names
    assert names[: len(column.truth) - 1] == column.truth[:-1]
    assert names[-4:] == ("L5-S1", None, None, "sacrum")


def test_a_bone_on_a_whole_disc_is_a_vertebra():
    _, one_more = _with_first_sacral_apart(0.97)
    assert _name(one_more).names[-3] in ("L5", "L6")


def test_first_sacral_between_the_wings_moves_no_name_whatever_its_disc():
    column, split_off = _with_first_sacral_apart(0.97, wings=0.95)
    assert _name(split_off).names == (*column.truth[:-1], None, None, "sacrum")
    assert _name(_with_first_sacral_apart(0.97, wings=0.7)[1]).names[-3] in ("L5", "L6")


def test_a_disc_cut_by_the_edge_is_no_rudiment():
    _, one_more = _with_first_sacral_apart(0.65)
    items = list(one_more.instances.items)
    items[-2] = dataclasses.replace(items[-2], touches_edge=True, partial=True)
    instances = dataclasses.replace(one_more.instances, items=tuple(items))
    names = name_column(instances, one_more.evidence).names
    assert names[-3] in ("L5", "L6")
    assert names[-1] == "sacrum"


def test_nothing_and_discs_alone_are_ambiguous():
    empty = build([], np.zeros((0, len(LEVELS))), [("vertebra", 0.0, 1.0, 1.0)])
    nothing = type(empty.instances)(
        empty.instances.parts, empty.instances.parts, empty.instances.parts, (), (1.0, 1.0, 1.0)
    )
    naming = name_column(nothing, np.zeros((0, len(LEVELS))))
    assert naming.names == ()
    assert naming.ambiguous
    disc = build([None], [uniform()], [("disc", 5.0, 8.0, 30.0)])
    naming = _name(disc)
    assert naming.names == (None,)
    assert naming.ambiguous


@pytest.mark.parametrize("count", [1, 2])
def test_few_bones(count):
    pieces = [("vertebra", 10.0 + 36 * n, 26.0, 34.0) for n in range(count)]
    column = build([None] * count, [uniform()] * count, pieces)
    naming = _name(column)
    assert len(naming.names) == count
    assert all(0 < p < 0.9 for p in naming.probability)
    sure = build(
        ["L3", "L4"][:count], [bump("L3", flat=0.02), bump("L4", flat=0.02)][:count], pieces
    )
    assert _name(sure).names == sure.truth


def test_atlas_and_axis_are_named_when_another_bone_is_missing():
    rng = np.random.default_rng(12)
    column = draw(rng, first="C1", last="T3", noise=0.1)
    harmed = delete(column, column.truth.index("C4"))
    naming = _name(harmed)
    assert _bone_names(harmed, naming)[:4] == ["C1", "C2", "C3", "C5"]


def test_sacrum_alone_is_the_sacrum():
    column = build(["sacrum"], [uniform()], [("sacrum", 5.0, 80.0, 40.0)])
    naming = _name(column)
    assert naming.names == ("sacrum",)
    assert naming.probability[0] == pytest.approx(1.0)


def test_an_error_that_all_bones_share_counts_as_one_witness():
    rng = np.random.default_rng(3)
    shifted = draw(rng, first="T4", last="T12", noise=0.0)
    for bone in shifted.bones:
        shifted.evidence[bone] = bump(shifted.truth[bone], shift=0.45, spread=0.6)
    naming = _name(shifted)
    few = draw(rng, first="T7", last="T9", noise=0.0)
    for bone in few.bones:
        few.evidence[bone] = bump(few.truth[bone], shift=0.45, spread=0.6)
    assert max(naming.probability) < 0.9
    assert max(naming.probability) < max(_name(few).probability) + 0.25


def test_a_sudden_step_of_the_evidence_is_a_missed_level_and_no_drift():
    column = draw(np.random.default_rng(8), first="T4", last="T12", noise=0.0)
    harmed = delete(column, column.truth.index("T8"))
    naming = _name(harmed)
    assert [a.name for a in naming.anomalies] == ["missed"]
    assert others_right(harmed, naming.names)


def test_a_bone_that_is_no_vertebra_is_told_by_its_place() -> None:
    last, sacrum = (LEVELS.index("L5"),), (LEVELS.index("sacrum"),)
    assert "above the sacrum" in _describe_extra([last, (), sacrum], 1)
    assert _describe_extra([(), last, sacrum], 0) == "a bone above L5 is no single vertebra"
    assert _describe_extra([last, ()], 1) == "a bone below L5 is no single vertebra"
