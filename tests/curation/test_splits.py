"""Splits keep patients together and parts alike."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from spinekit.curation.splits import Member, join_groups, split_cases


def members(count: int, strata: int = 1, scans: int = 1) -> list[Member]:
    return [
        Member(f"case{n:03d}_{scan}", f"p{n:03d}", (f"set{n % strata}",))
        for n in range(count)
        for scan in range(scans)
    ]


def test_forty_patients_are_thirty_two_and_eight() -> None:
    split = split_cases(members(40), validation=0.2, test=0.0, folds=5, seed=0)

    assert (len(split.train), len(split.validation), len(split.test)) == (32, 8, 0)
    assert [len(fold) for fold in split.folds] == [8] * 5


def test_a_split_is_of_its_seed_and_not_of_the_order() -> None:
    cases = members(30, 3, 2)

    first = split_cases(cases, validation=0.2, test=0.1, folds=3, seed=4)

    assert split_cases(cases[::-1], validation=0.2, test=0.1, folds=3, seed=4) == first
    assert split_cases(cases, validation=0.2, test=0.1, folds=3, seed=5) != first


@settings(max_examples=60)
@given(st.data())
def test_no_patient_is_on_two_sides_and_strata_are_even(data: st.DataObject) -> None:
    strata = data.draw(st.integers(1, 4))
    cases = members(data.draw(st.integers(0, 60)), strata, data.draw(st.integers(1, 3)))
    test = data.draw(st.sampled_from([0.0, 0.1, 0.25]))
    validation = data.draw(st.sampled_from([0.0, 0.2, 0.5]))
    folds = data.draw(st.sampled_from([0, 2, 5]))

    split = split_cases(cases, validation=validation, test=test, folds=folds, seed=1)

    parts = [split.train, split.validation, split.test]
    group_of = {case.name: case.group for case in cases}
    groups = [{group_of[name] for name in part} for part in parts]
    assert sum(map(len, parts)) == len(cases)
    assert sum(map(len, groups)) == len(set().union(*groups))
    patients = {case.group: case.stratum for case in cases}
    assert abs(len(groups[2]) - test * len(patients)) <= 0.5 + 1e-9
    total = Counter(patients.values())
    held = Counter(patients[group] for group in groups[2])
    assert all(abs(held[s] - test * n) <= 1.0 + 1e-9 for s, n in total.items())
    pool = {*split.train, *split.validation}
    if folds:
        assert sorted(name for fold in split.folds for name in fold) == sorted(pool)
        for fold in split.to_dict()["folds"]:
            inside = {group_of[name] for name in fold["validation"]}
            assert not inside & {group_of[name] for name in fold["train"]}
            assert set(fold["train"]) | set(fold["validation"]) == pool


def test_patients_who_share_an_image_are_one_group() -> None:
    joined = join_groups([("a", "1"), ("b", "2"), ("c", "2"), ("c", "3"), ("d", "3"), ("e", "4")])

    assert joined == {"a": "a", "b": "b", "c": "b", "d": "b", "e": "e"}
