"""No patient both trains and chooses the weights, whatever sets their scans lie in."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from spinekit.training import batches
from spinekit.training.batches import held_out_cases, keep_apart, split_cases
from spinekit.training.recipe import Recipe


def renamed(case, name, subject, source=""):
    return dataclasses.replace(case, name=name, subject=subject, source=source)


def test_sets_without_a_common_patient_are_left_as_they_are(cases):
    said = []
    train = {"one": cases[:2], "two": [renamed(cases[2], "x", "case4", "else")]}
    valid = {"one": cases[3:4], "two": [renamed(cases[5], "y", "case0", "else")]}
    apart, choosing = keep_apart(train, valid, report=said.append)
    assert choosing == valid
    assert {name: [id(c) for c in of] for name, of in apart.items()} == {
        name: [id(c) for c in of] for name, of in train.items()
    }
    assert not said


def test_who_validates_in_one_set_trains_in_none(cases):
    """A set of real scans, and a prepared one that was made of it with another split."""
    said = []
    other = [renamed(cases[n], f"T1-{n}", cases[n - 3].subject, "blocks") for n in (3, 4)]
    train = {"blocks": cases[1:3], "mine": other}
    apart, _ = keep_apart(train, {"blocks": cases[:1]}, report=said.append)
    assert [case.name for case in apart["mine"]] == ["T1-4"]
    assert [case.name for case in apart["blocks"]] == ["case1", "case2"]
    (line,) = said
    assert line.startswith("mine: 1 of 2 scans do not train")


def test_the_same_image_is_the_same_patient_under_any_name(cases):
    """Who shares an image with who validates keeps all scans from training, by a third set too."""
    train = {
        "two": [renamed(cases[0], "a", "anna", "two"), renamed(cases[1], "b", "anna", "two")],
        "three": [renamed(cases[1], "c", "A.", "three"), renamed(cases[2], "d", "A.", "three")],
        "four": [renamed(cases[3], "e", "bert", "four")],
    }
    apart, _ = keep_apart(train, {"one": [renamed(cases[0], "f", "p1", "one")]})
    assert {name: [case.name for case in of] for name, of in apart.items()} == {"four": ["e"]}


def test_images_of_other_voxels_or_another_shape_are_different(cases):
    image = cases[0].image
    arrays = {
        field: getattr(cases[0], field).reshape(80, 4, 120)
        for field in ("image", "allowed", "level")
    }
    turned = dataclasses.replace(cases[0], name="b", subject="b", **arrays)
    other = dataclasses.replace(cases[0], name="c", subject="c", image=image ^ (image == image[0]))
    apart, _ = keep_apart({"two": [turned, other]}, {"one": cases[:1]})
    assert apart == {"two": [turned, other]}


def test_phantoms_stay(cases):
    apart, _ = keep_apart({"phantom": cases[:2]}, {"phantom": cases[:1]})
    assert apart["phantom"] == cases[:2]


def test_who_tests_in_one_set_neither_trains_nor_chooses_in_another(cases):
    said = []
    train = {"a": [renamed(cases[0], "t1", "p1", "site"), renamed(cases[1], "t2", "p2", "site")]}
    valid = {"a": [renamed(cases[2], "v3", "p3", "site"), renamed(cases[3], "v4", "p4", "site")]}
    testing = {("site", "p1"), ("site", "p3"), ("elsewhere", "p2")}
    apart, choosing = keep_apart(train, valid, testing=testing, report=said.append)
    assert [case.name for case in apart["a"]] == ["t2"]
    assert [case.name for case in choosing["a"]] == ["v4"]
    assert said == [
        "a: 1 of 2 scans do not choose the weights, as the same patients, or the same images, "
        "test or are held out",
        "a: 1 of 2 scans do not train, as the same patients, or the same images, "
        "test or are held out",
    ]


def test_what_is_held_out_trains_under_no_other_name(cases):
    sets = {
        "chu": [renamed(cases[0], "chu01", "chu01")],
        "mine": [renamed(cases[0], "x", "x", "mine"), renamed(cases[1], "y", "y", "mine")],
    }
    recipe = Recipe(hold_out="H1")
    held_out = held_out_cases(sets, recipe)
    assert held_out == {"chu": sets["chu"]}
    apart, _ = keep_apart(*split_cases(sets, recipe), held_out=held_out)
    assert {name: [case.name for case in of] for name, of in apart.items()} == {"mine": ["y"]}


def scored(cases, recipe, monkeypatch):
    """Names of the cases that the validation looks at, in order."""
    seen = []
    original = batches.plain_view

    def noted(case, *values, **options):
        seen.append(case.name)
        return original(case, *values, **options)

    monkeypatch.setattr(batches, "plain_view", noted)
    batches.validation_batches(batches.index_sets({"set": cases}), recipe)
    return seen


def test_of_many_cases_those_that_choose_the_weights_are_spread_over_all(
    cases, recipe, monkeypatch
):
    many = [renamed(cases[n % 6], f"case{n:02d}", f"p{n}") for n in range(40)]
    seen = scored(many, recipe, monkeypatch)
    numbers = [int(name[4:]) for name in seen]
    assert len(set(numbers)) == 16
    assert numbers == sorted(numbers)
    assert max(np.diff([*numbers, 40])) <= 3


@pytest.mark.parametrize("count", [1, 5, 16])
def test_of_few_cases_all_choose_the_weights_in_turn(cases, recipe, monkeypatch, count):
    some = [renamed(cases[n % 6], f"case{n:02d}", f"p{n}") for n in range(count)]
    assert scored(some, recipe, monkeypatch) == [f"case{n % count:02d}" for n in range(16)]


def test_a_batch_is_the_same_bit_for_bit_on_any_number_of_threads(cases, recipe):
    """In a loader's process torch has one thread, in the training process one for each core."""
    batches_of = batches.StepBatches(batches.index_sets({"phantom": cases}), recipe)
    before = torch.get_num_threads()
    made = {}
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            made[threads] = [batches_of[step] for step in range(6)]
            made[threads] += batches.validation_batches(batches_of.sets, recipe)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for threads in (2, 4):
        for one, other in zip(made[1], made[threads], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
