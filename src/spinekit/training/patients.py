"""Whom weights were trained on, known again by hashes: a model's file tells no names.

It knows cases and their patients, nothing of recipes, networks or files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spinekit.core.errors import RecipeError
from spinekit.datasets.prepared import Patient, join_patients
from spinekit.loaders.pack import PackedCase

SALT = "SpineKit: whom weights have seen"
"""Goes into every mark, so that tables of hashes of names or images made elsewhere tell nothing."""
NAMED = 3
"""Patients that a message names at most."""

Sets = Mapping[str, list[PackedCase]]
Marks = frozenset[str]


@dataclass(frozen=True)
class Sides:
    """Patients whom a run's weights must not have been trained on, each with all his marks."""

    aside: Mapping[Patient, Marks] = field(default_factory=dict)
    """Who test or are held out."""
    choosing: Mapping[Patient, Marks] = field(default_factory=dict)
    """Who choose the weights and do not train."""


NOBODY = Sides()


def patient_of(name: str, case: PackedCase) -> Patient:
    """Whose scan a case of the set `name` is."""
    return case.source or name, case.subject


def real_cases(sets: Sets) -> Iterator[tuple[Patient, PackedCase]]:
    """Every case that is no phantom, with its patient."""
    for name, cases in sets.items():
        if name != "phantom":
            yield from ((patient_of(name, case), case) for case in cases)


def join_by_images(
    everyone: Iterable[Sets], first: Sets, others: Collection[Patient] = ()
) -> set[Patient]:
    """Some patients, and all who share an image with one of them or with one who does.

    Args:
        everyone: Cases by set, of all sides of a split.
        first: Cases of the patients to begin with, by set.
        others: More patients to begin with.
    """
    images = [(patient, case.image_hash) for sets in everyone for patient, case in real_cases(sets)]
    return join_patients(images, {patient for patient, _ in real_cases(first)} | set(others))


def find_sides(sets: Sets, aside: Collection[Patient], train: Sets, valid: Sets) -> Sides:
    """Who is on which side now, with the marks by which they are known again.

    Args:
        sets: All cases that are at hand, by set.
        aside: Patients who test or are held out; the scans of some may not be at hand.
        train: Cases that train.
        valid: Cases that choose the weights.
    """
    training = {patient for patient, _ in real_cases(train)}
    choosing = {patient for patient, _ in real_cases(valid)} - training
    marks = {patient: {_mark(*patient)} for patient in {*aside, *choosing}}
    for patient, case in real_cases(sets):
        if patient in marks:
            marks[patient].add(_mark(case.image_hash))
    return Sides(
        {patient: frozenset(marks[patient]) for patient in aside},
        {patient: frozenset(marks[patient]) for patient in choosing},
    )


def describe_patients(train: Sets, valid: Sets) -> dict[str, list[str]]:
    """Marks of the patients, and of the images, that train and that choose; no phantoms'."""
    return {"trained": _marks(train), "chose": _marks(valid)}


def unite_patients(*told: Mapping[str, Any]) -> dict[str, list[str]]:
    """What several facts tell of patients, as one; those that tell nothing add nothing."""
    return {
        key: sorted({mark for facts in told for mark in facts.get("patients", {}).get(key, ())})
        for key in ("trained", "chose")
    }


def check_patients(
    who: str,
    facts: Mapping[str, Any],
    sides: Sides,
    *,
    remedy: str,
    report: Callable[[str], None],
) -> None:
    """Refuse weights that have seen who tests or is held out now; tell whom they choose by.

    Args:
        who: Whose weights, for messages.
        facts: What is known of them; older ones tell nothing of patients, and are taken.
        sides: Who is on which side now.
        remedy: What to do.
        report: Told where patients who choose the weights have trained them before.

    Raises:
        RecipeError: They have seen one, in training or to choose weights by.
    """
    told = unite_patients(facts)
    seen = {*told["trained"], *told["chose"]}
    if met := sorted(patient for patient, marks in sides.aside.items() if marks & seen):
        raise RecipeError(
            "recipe-leak",
            f"{who} has seen {len(met)} of {len(sides.aside)} patients who test or are held out "
            f"now: {_names(met)}",
            remedy,
        )
    trained = set(told["trained"])
    if met := sorted(patient for patient, marks in sides.choosing.items() if marks & trained):
        report(
            f"{who} was trained on {len(met)} of {len(sides.choosing)} patients who choose the "
            f"weights now ({_names(met)}): their scores flatter it"
        )


def _names(patients: list[Patient]) -> str:
    """The first few, by set and subject."""
    names = [f"{subject} of {dataset}" for dataset, subject in patients[:NAMED]]
    return ", ".join(names) + (" …" if len(patients) > NAMED else "")


def _marks(sets: Sets) -> list[str]:
    """Marks of all patients and images, sorted."""
    found = {_mark(*patient) for patient, _ in real_cases(sets)}
    return sorted(found | {_mark(case.image_hash) for _, case in real_cases(sets)})


def _mark(*told: str) -> str:
    """What tells a patient, or an image, from all others and names neither."""
    return hashlib.sha256("\0".join((SALT, *told)).encode()).hexdigest()[:16]
