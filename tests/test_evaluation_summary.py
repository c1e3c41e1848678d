"""Scores of several scans joined and shown."""

import csv
import json
import math

import pytest

from spinekit.evaluation.scoring import CaseScores, InstanceScore, MaskScore, PointScore
from spinekit.evaluation.summary import summarise
from spinekit.evaluation.table import format_table, to_csv, to_json

NAN = math.nan


def instance(name, dice, *, predicted=None, partial=False, split=False, merged=False):
    predicted = name if predicted is None else predicted
    distance = NAN if predicted == "" else 1.0
    return InstanceScore(
        "body", name, 30000.0, partial, predicted, dice, dice, distance, distance, split, merged
    )


CASES = [
    CaseScores("a1", "chu", "a", (instance("L1", 0.9), instance("L2", 0.7)), extra=(("body", 1),)),
    CaseScores("a2", "chu", "a", (instance("L1", 0.6, predicted="T12"), instance("L2", 0.8))),
    CaseScores("b1", "chu", "b", (instance("L1", 0.0, predicted=""), instance("L2", 0.8))),
    CaseScores(
        "c1",
        "chu",
        "c",
        (instance("L1", 0.1, partial=True, predicted="?"), instance("L2", 1.0, predicted="?")),
    ),
    CaseScores(
        "s1",
        "spider",
        "s1",
        (instance("L3", 0.8, split=True, merged=True),),
        (MaskScore("canal", 0.91, 0.5, 2.0), MaskScore("disc-tolerant", 0.8, NAN, NAN)),
    ),
    CaseScores("e1", "errsm", "e1", points=(PointScore("C2", "C2"), PointScore("T2", "T3"))),
]


def row_of(cases, dataset, structure, scope):
    rows = {(row.dataset, row.structure, row.scope): row for row in summarise(cases)}
    return rows[dataset, structure, scope]


def test_datasets_are_never_pooled():
    rows = summarise(CASES)
    assert [(r.dataset, r.structure, r.scope) for r in rows] == [
        ("chu", "body", "instances"),
        ("spider", "body", "instances"),
        ("spider", "canal", "whole"),
        ("spider", "disc-tolerant", "whole"),
        ("errsm", "level", "points"),
    ]


def test_mean_is_over_scans_of_means_over_scored_instances():
    row = row_of(CASES, "chu", "body", "instances")
    assert row.dice.mean == pytest.approx((0.8 + 0.7 + 0.4 + 1.0) / 4)
    assert (row.worst_scan, row.worst_dice) == ("b1", pytest.approx(0.4))
    assert (row.n_scans, row.n_subjects, row.n_instances, row.n_partial) == (4, 3, 7, 1)
    assert row.dice.low < row.dice.mean < row.dice.high


def test_names_are_judged_on_matched_instances_and_scans_on_all():
    row = row_of(CASES, "chu", "body", "instances")
    assert row.missed_pct == pytest.approx(100 / 7)
    assert row.named_right_pct == pytest.approx(100 * 4 / 6)
    assert row.unnamed == 1
    assert row.scans_all_right == 1
    assert row.extra == 1


def test_a_reference_without_a_name_asks_for_none():
    found = [instance("?", 0.9, predicted=name) for name in ("L2", "?")]
    cases = [
        CaseScores("a", "d", "a", (instance("L1", 0.9), *found)),
        CaseScores("b", "d", "b", (instance("?", 0.0, predicted=""),)),
    ]
    row = row_of(cases, "d", "body", "instances")
    assert (row.named_right, row.nameless, row.named_right_pct) == (1, 2, 100.0)
    assert (row.n_instances, row.missed, row.scans_all_right) == (4, 1, 1)


def test_distances_leave_missed_instances_out():
    assert row_of(CASES, "chu", "body", "instances").assd_mm == 1.0


def test_points_are_counted():
    row = row_of(CASES, "errsm", "level", "points")
    assert (row.n_instances, row.named_right, row.scans_all_right) == (2, 1, 0)
    assert math.isnan(row.dice.mean)


def test_scans_without_a_score_of_a_structure_are_not_counted_for_it():
    masks = [MaskScore("cord", dice, NAN, NAN) for dice in (0.8, NAN)]
    cases = [CaseScores(f"s{n}", "set", f"p{n}", masks=(mask,)) for n, mask in enumerate(masks)]
    row = row_of(cases, "set", "cord", "whole")
    assert (row.n_scans, row.n_subjects, row.dice.mean) == (1, 1, 0.8)
    assert [case.is_empty for case in cases] == [False, True]


def test_csv_has_a_line_for_everything_scored():
    rows = list(csv.DictReader(to_csv(CASES).decode("utf-8").splitlines()))
    count = {case.name: sum(row["scan"] == case.name for row in rows) for case in CASES}
    assert count == {"a1": 3, "a2": 2, "b1": 2, "c1": 2, "s1": 3, "e1": 2}
    cells = ("scope", "name", "predicted", "volume_mm3", "dice", "assd_mm", "split")
    missed = next(row for row in rows if row["scan"] == "b1")
    assert [missed[key] for key in cells] == [
        "instances", "L1", "", "30000.0000", "0.0000", "", "0"
    ]  # fmt: skip


def test_csv_of_a_file_name_that_is_no_text():
    assert b"\nd,s,a\\udcff," in to_csv([CaseScores("a\udcff", "d", "s", (instance("L1", 0.5),))])


def test_json_has_null_instead_of_nan():
    document = to_json(summarise(CASES), CASES)
    text = json.dumps(document, allow_nan=False)
    rows = json.loads(text)["summary"]
    assert rows[-1]["dice"]["mean"] is None
    assert rows[0]["named_right_pct"] == pytest.approx(66.667, abs=1e-3)
    assert len(document["scans"]) == len(CASES)


def test_table_shows_interval_and_worst_scan():
    table = format_table(summarise(CASES))
    chu = next(line for line in table.splitlines() if line.strip().startswith("body"))
    assert "0.725" in chu
    assert "b1" in chu
    assert "1/4" in chu
    assert "all canal" in table


def test_nothing_to_score_says_so():
    assert summarise([]) == ()
    assert format_table(()) == "nothing to score"
