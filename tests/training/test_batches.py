"""No patient both trains and chooses the weights, whatever sets their scans lie in."""

import dataclasses

import pytest

pytest.importorskip("torch")

from spinekit.training.batches import keep_apart


def renamed(case, name, subject, source=""):
    return dataclasses.replace(case, name=name, subject=subject, source=source)


def test_sets_without_a_common_patient_are_left_as_they_are(cases):
    said = []
    train = {"one": cases[:2], "two": [renamed(cases[2], "x", "case4", "else")]}
    valid = {"one": cases[3:4], "two": [renamed(cases[5], "y", "case0", "else")]}
    apart = keep_apart(train, valid, report=said.append)
    assert {name: [id(c) for c in of] for name, of in apart.items()} == {
        name: [id(c) for c in of] for name, of in train.items()
    }
    assert not said


def test_who_validates_in_one_set_trains_in_none(cases):
    """A set of real scans, and a prepared one that was made of it with another split."""
    said = []
    other = [renamed(cases[n], f"T1-{n}", cases[n - 3].subject, "blocks") for n in (3, 4)]
    train = {"blocks": cases[1:3], "mine": other}
    apart = keep_apart(train, {"blocks": cases[:1]}, report=said.append)
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
    apart = keep_apart(train, {"one": [renamed(cases[0], "f", "p1", "one")]})
    assert {name: [case.name for case in of] for name, of in apart.items()} == {"four": ["e"]}


def test_images_of_other_voxels_or_another_shape_are_different(cases):
    image = cases[0].image
    turned = dataclasses.replace(cases[0], name="b", subject="b", image=image.reshape(80, 4, 120))
    other = dataclasses.replace(cases[0], name="c", subject="c", image=image ^ (image == image[0]))
    assert keep_apart({"two": [turned, other]}, {"one": cases[:1]}) == {"two": [turned, other]}


def test_phantoms_stay(cases):
    assert keep_apart({"phantom": cases[:2]}, {"phantom": cases[:1]})["phantom"] == cases[:2]
