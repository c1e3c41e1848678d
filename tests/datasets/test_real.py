"""Which real scans there are, and which a split keeps from training."""

import json

import pytest

from spinekit.core.errors import InputError
from spinekit.datasets.real import HOLD_OUTS, is_held_out, list_real_cases, subject_fold

SUBJECTS = [f"case{number:03d}" for number in range(500)]


def test_a_hold_out_leaves_its_whole_sets_out_and_no_other():
    for name, sets in HOLD_OUTS.items():
        assert all(is_held_out(dataset, "anyone", name) for dataset in sets)
        others = set().union(*HOLD_OUTS.values()) - sets
        assert not any(is_held_out(dataset, "anyone", name) for dataset in others)


def test_within_leaves_a_fifth_of_the_subjects_out_whatever_their_set():
    left_out = [name for name in SUBJECTS if is_held_out("chu", name, "within")]
    assert 70 <= len(left_out) <= 130
    assert left_out == [name for name in SUBJECTS if is_held_out("spider", name, "within")]
    assert left_out == [name for name in SUBJECTS if subject_fold(name) == 0]


def test_no_split_leaves_nothing_out():
    assert not any(is_held_out("chu", name, "") for name in SUBJECTS)


def test_a_scan_has_the_masks_that_are_there(tmp_path):
    rows = [{"name": name, "dataset": "d", "subject": "p", "age": 40} for name in ("b", "a")]
    (tmp_path / "index.json").write_text(json.dumps(rows))
    (tmp_path / "labels").mkdir()
    for name in ("a_discs", "a_cord", "a_other", "c_discs"):
        (tmp_path / "labels" / f"{name}.nii.gz").touch()
    found = list_real_cases(tmp_path)
    assert [(case.name, [*case.masks]) for case in found] == [("b", []), ("a", ["discs", "cord"])]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([{"name": "a", "dataset": "d", "subject": "p"}, {"name": "b"}], "scan 2 has no dataset"),
        ([{"name": "", "dataset": "d", "subject": "p"}], "scan 1 has no name"),
        (["a"], "scan 1 has no name and no dataset and no subject"),
        ({"a": {}}, "no list"),
    ],
)
def test_an_index_that_lacks_something_is_named(tmp_path, rows, text):
    (tmp_path / "index.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=text) as caught:
        list_real_cases(tmp_path)
    assert str(tmp_path / "index.json") in str(caught.value)
    assert "name, dataset, subject" in caught.value.remedy
