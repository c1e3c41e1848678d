"""Batches by step number: the same step gives the same batch on every machine.

It knows which packs a recipe asks for and how they are split, nothing of networks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spinekit.datasets.real import is_held_out, subject_fold
from spinekit.loaders.appearance import AppearanceRanges, change_appearance
from spinekit.loaders.pack import PackedCase
from spinekit.loaders.slices import (
    SliceIndex,
    ViewRanges,
    cut_view,
    draw_view,
    index_case,
    plain_view,
)
from spinekit.training.recipe import Recipe

Batch = tuple[Tensor, Tensor, Tensor]
"""Images (B, context, J, K), allowed bytes (B, J, K), level codes (B, J, K)."""

Patient = tuple[str, str]
"""The set that scans were taken from, and the subject in it."""


@dataclass(frozen=True)
class CaseSet:
    """Cases of one source with what sampling needs to know of each."""

    name: str
    cases: tuple[PackedCase, ...]
    indices: tuple[SliceIndex, ...]


def split_cases(
    sets: dict[str, list[PackedCase]], recipe: Recipe
) -> tuple[dict[str, list[PackedCase]], dict[str, list[PackedCase]]]:
    """Training and validation cases by set.

    Held-out sets are in neither, nor are their scans in prepared ones; "within" leaves fold 0 of
    the subjects of every real set out of both. Validation takes one subject in ten (by a second
    hash) of what remains, one phantom in twenty; a prepared set says itself who validates.
    """
    train: dict[str, list[PackedCase]] = {}
    valid: dict[str, list[PackedCase]] = {}
    for name, cases in sets.items():
        is_phantom = name == "phantom"
        for case in cases:
            if not is_phantom and is_held_out(case.source or name, case.subject, recipe.hold_out):
                continue
            folds = 20 if is_phantom else 10
            held = len(cases) > 5 and subject_fold(f"validation {case.subject}", folds) == 0
            if case.part:
                held = case.part == "validation"
            (valid if held else train).setdefault(name, []).append(case)
    return train, valid


def keep_apart(
    train: dict[str, list[PackedCase]],
    valid: dict[str, list[PackedCase]],
    *,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, list[PackedCase]]:
    """The training cases by set, without those of patients who validate in any set.

    Every set shares out its own patients, so that two with the same ones may differ. Whose images
    are the same, voxel by voxel, are one patient, whatever their sets call them. Phantoms are all
    different and stay.

    Args:
        train: Training cases by set.
        valid: Validation cases by set.
        report: Told how many cases of a set are left out.
    """
    marks = [
        (patient, _hash_image(case))
        for sets in (train, valid)
        for patient, case in _real_cases(sets)
    ]
    validating = _join_patients(marks, {patient for patient, _ in _real_cases(valid)})
    apart: dict[str, list[PackedCase]] = {}
    for name, cases in train.items():
        kept = [c for c in cases if name == "phantom" or _patient(name, c) not in validating]
        if len(kept) < len(cases):
            report(
                f"{name}: {len(cases) - len(kept)} of {len(cases)} scans do not train, as the same "
                "patients, or the same images, are among those that choose the weights"
            )
        if kept:
            apart[name] = kept
    return apart


def _patient(name: str, case: PackedCase) -> Patient:
    """Whose scan a case of the set `name` is."""
    return case.source or name, case.subject


def _real_cases(sets: dict[str, list[PackedCase]]) -> Iterator[tuple[Patient, PackedCase]]:
    """Every case that is no phantom, with its patient."""
    for name, cases in sets.items():
        if name != "phantom":
            yield from ((_patient(name, case), case) for case in cases)


def _hash_image(case: PackedCase) -> str:
    digest = hashlib.sha256(str(case.image.shape).encode())
    digest.update(np.ascontiguousarray(case.image).data)
    return digest.hexdigest()


def _join_patients(marks: list[tuple[Patient, str]], first: set[Patient]) -> set[Patient]:
    """Patients, and all who share an image with one of them or with one who does."""
    joined: set[Patient] = set()
    more = first
    while more:
        joined |= more
        images = {image for patient, image in marks if patient in joined}
        more = {patient for patient, image in marks if image in images} - joined
    return joined


def index_sets(sets: dict[str, list[PackedCase]]) -> list[CaseSet]:
    """Index every case once."""
    return [
        CaseSet(name, tuple(cases), tuple(index_case(case) for case in cases))
        for name, cases in sets.items()
    ]


class StepBatches(Dataset[Batch]):
    """Item n is the whole training batch of step n."""

    def __init__(self, sets: list[CaseSet], recipe: Recipe) -> None:
        self.sets = sets
        self.recipe = recipe
        weights = np.array([self._weight(item) for item in sets])
        self.weights = weights / weights.sum()

    def _weight(self, item: CaseSet) -> float:
        """Phantoms take their share; real sets share the rest by weight × √size."""
        real = [s for s in self.sets if s.name != "phantom"]
        if item.name == "phantom":
            return self.recipe.phantom_share if real else 1.0
        weights = {
            s.name: self.recipe.set_weights.get(s.name, 1.0) * len(s.cases) ** 0.5 for s in real
        }
        return (1.0 - self.recipe.phantom_share) * weights[item.name] / sum(weights.values())

    def __len__(self) -> int:
        return self.recipe.steps

    def __getitem__(self, step: int) -> Batch:
        recipe = self.recipe
        rng = np.random.default_rng([recipe.seed, step])
        views = []
        for _ in range(recipe.batch):
            chosen = self.sets[int(rng.choice(len(self.sets), p=self.weights))]
            number = int(rng.integers(len(chosen.cases)))
            case = chosen.cases[number]
            view = draw_view(
                case,
                chosen.indices[number],
                recipe.canvas,
                ViewRanges(),
                rng,
                pixel_mm=recipe.in_plane_mm,
                neighbour_mm=recipe.neighbour_mm,
                context=recipe.context,
            )
            views.append(cut_view(case, view, recipe.canvas))
        images, allowed, levels = (torch.stack(items) for items in zip(*views, strict=True))
        ranges = AppearanceRanges().scaled(recipe.appearance)
        return change_appearance(images, allowed, ranges, rng), allowed, levels


def validation_batches(sets: list[CaseSet], recipe: Recipe, per_set: int = 16) -> list[Batch]:
    """Plain views, `per_set` slices of every set, the same at every call."""
    batches = []
    for item in sets:
        rng = np.random.default_rng([recipe.seed, 77])
        views = []
        for n in range(per_set):
            case, index = item.cases[n % len(item.cases)], item.indices[n % len(item.cases)]
            view = plain_view(
                case,
                index,
                int(rng.choice(index.slices)),
                recipe.canvas,
                pixel_mm=recipe.in_plane_mm,
                neighbour_mm=recipe.neighbour_mm,
                context=recipe.context,
            )
            views.append(cut_view(case, view, recipe.canvas))
        images, allowed, levels = (torch.stack(items) for items in zip(*views, strict=True))
        batches.append((images, allowed, levels))
    return batches
