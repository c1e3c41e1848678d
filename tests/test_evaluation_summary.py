"""Scores of several scans joined, written and read back."""

import json
import math

import pytest

from spinekit.core.errors import InputError
from spinekit.evaluation.scoring import CaseScores, InstanceScore, MaskScore, PointScore
from spinekit.evaluation.summary import find_row, summarise
from spinekit.evaluation.table import format_table, read_csv, to_json, write_csv

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
    row = find_row(summarise(CASES), "chu", "body", "instances")
    assert row.dice.mean == pytest.approx((0.8 + 0.7 + 0.4 + 1.0) / 4)
    assert (row.worst_scan, row.worst_dice) == ("b1", pytest.approx(0.4))
    assert (row.n_scans, row.n_subjects, row.n_instances, row.n_partial) == (4, 3, 7, 1)
    assert row.dice.low < row.dice.mean < row.dice.high


def test_names_are_judged_on_matched_instances_and_scans_on_all():
    row = find_row(summarise(CASES), "chu", "body", "instances")
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
    row = find_row(summarise(cases), "d", "body", "instances")
    assert (row.named_right, row.nameless, row.named_right_pct) == (1, 2, 100.0)
    assert (row.n_instances, row.missed, row.scans_all_right) == (4, 1, 1)


def test_distances_leave_missed_instances_out():
    assert find_row(summarise(CASES), "chu", "body", "instances").assd_mm == 1.0


def test_points_are_counted():
    row = find_row(summarise(CASES), "errsm", "level", "points")
    assert (row.n_instances, row.named_right, row.scans_all_right) == (2, 1, 0)
    assert math.isnan(row.dice.mean)


def test_scans_without_a_score_of_a_structure_are_not_counted_for_it():
    masks = [MaskScore("cord", dice, NAN, NAN) for dice in (0.8, NAN)]
    cases = [CaseScores(f"s{n}", "set", f"p{n}", masks=(mask,)) for n, mask in enumerate(masks)]
    row = find_row(summarise(cases), "set", "cord", "whole")
    assert (row.n_scans, row.n_subjects, row.dice.mean) == (1, 1, 0.8)
    assert [case.is_empty for case in cases] == [False, True]


def test_row_that_does_not_exist():
    with pytest.raises(KeyError, match="ivd"):
        find_row(summarise(CASES), "ivd", "disc", "instances")


def test_csv_gives_the_same_summary_back(tmp_path):
    path = tmp_path / "scores.csv"
    write_csv(path, CASES, comments={"weights": "abc", "command": "run, it"})
    assert path.read_text(encoding="utf-8").startswith("# weights: abc\n# command: run, it\n")
    again = read_csv(path)
    assert [(c.name, c.dataset, c.subject, c.extra, c.points) for c in again] == [
        (c.name, c.dataset, c.subject, c.extra, c.points) for c in CASES
    ]
    assert format_table(summarise(again)) == format_table(summarise(CASES))


@pytest.mark.parametrize("name", ["#7", "a\u2028b", "a\nb", 'a, "b"'])
def test_csv_keeps_every_name(tmp_path, name):
    case = CaseScores(name, name, name, (instance("L1", 0.5),), extra=(("body", 1),))
    write_csv(tmp_path / "scores.csv", [case])
    (again,) = read_csv(tmp_path / "scores.csv")
    assert (again.name, again.dataset, again.subject) == (name, name, name)
    assert again.instances[0].dice == 0.5


def test_csv_of_a_file_name_that_is_no_text(tmp_path):
    write_csv(tmp_path / "scores.csv", [CaseScores("a\udcff", "d", "s", (instance("L1", 0.5),))])
    (again,) = read_csv(tmp_path / "scores.csv")
    assert again.name == "a\\udcff"


def test_csv_that_was_cut_short_is_refused(tmp_path):
    path = tmp_path / "cut.csv"
    write_csv(path, [CaseScores("a", "d", "s", extra=(("body", 1),))])
    path.write_text(path.read_text(encoding="utf-8").rstrip("1,\n"), encoding="utf-8")
    with pytest.raises(InputError, match=r"cut\.csv"):
        read_csv(path)


def test_csv_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"other\.csv"):
        read_csv(path)
    with pytest.raises(InputError, match=r"none\.csv"):
        read_csv(tmp_path / "none.csv")


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
