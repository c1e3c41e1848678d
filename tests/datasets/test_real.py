"""Which real scans a split keeps from training."""

from spinekit.datasets.real import HOLD_OUTS, is_held_out, subject_fold

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
