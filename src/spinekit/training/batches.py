"""Batches by step number: the same step gives the same batch, whichever process makes it.

It knows which packs a recipe asks for and how they are split, nothing of networks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spinekit.datasets.prepared import Patient
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
from spinekit.training.patients import join_by_images, patient_of
from spinekit.training.recipe import Recipe

P = ParamSpec("P")
T = TypeVar("T")
Batch = tuple[Tensor, Tensor, Tensor]
"""Images (B, context, J, K), allowed bytes (B, J, K), level codes (B, J, K)."""
PER_SET = 16
"""Slices of every set that a validation looks at."""


def _on_one_thread(make: Callable[P, T]) -> Callable[P, T]:
    """Let torch count on one thread, as it does in a loader's process: sums then round alike."""

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return make(*args, **kwargs)
        finally:
            torch.set_num_threads(threads)

    return made


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

    What is held out (`held_out_cases`) is in neither. Validation takes one subject in ten (by a
    second hash) of what remains, one phantom in twenty; a prepared set says itself who validates.
    """
    train: dict[str, list[PackedCase]] = {}
    valid: dict[str, list[PackedCase]] = {}
    for name, cases in sets.items():
        is_phantom = name == "phantom"
        for case in cases:
            if _is_held_out(name, case, recipe):
                continue
            folds = 20 if is_phantom else 10
            held = len(cases) > 5 and subject_fold(f"validation {case.subject}", folds) == 0
            if case.part:
                held = case.part == "validation"
            (valid if held else train).setdefault(name, []).append(case)
    return train, valid


def held_out_cases(
    sets: dict[str, list[PackedCase]], recipe: Recipe
) -> dict[str, list[PackedCase]]:
    """What the recipe holds out, by set: whole sets, and their scans in prepared ones.

    "within" holds out fold 0 of the subjects of every real set.
    """
    found = {name: [c for c in of if _is_held_out(name, c, recipe)] for name, of in sets.items()}
    return {name: cases for name, cases in found.items() if cases}


def _is_held_out(name: str, case: PackedCase, recipe: Recipe) -> bool:
    """Whether a case of the set `name` is held out; no phantom ever is."""
    return name != "phantom" and is_held_out(case.source or name, case.subject, recipe.hold_out)


def keep_apart(
    train: dict[str, list[PackedCase]],
    valid: dict[str, list[PackedCase]],
    *,
    held_out: dict[str, list[PackedCase]] | None = None,
    testing: Collection[Patient] = (),
    report: Callable[[str], None] = lambda _: None,
) -> tuple[dict[str, list[PackedCase]], dict[str, list[PackedCase]]]:
    """The training and validation cases by set, no patient's on two sides.

    Who tests in any set, or is held out, neither trains nor validates in another; who validates in
    any does not train. Every set shares out its own patients, so that two with the same ones may
    differ. Whose images are the same, voxel by voxel, are one patient, whatever their sets call
    them. Phantoms are all different and stay.

    Args:
        train: Training cases by set.
        valid: Validation cases by set.
        held_out: Held-out cases by set.
        testing: Patients who test.
        report: Told how many cases of a set are left out.
    """
    aside = held_out or {}
    sides = (train, valid, aside)
    kept_out, why = join_by_images(sides, aside, testing), "test or are held out"
    valid = _without(valid, kept_out, "do not choose the weights", why, report=report)
    train = _without(train, kept_out, "do not train", why, report=report)
    validating = join_by_images(sides, valid)
    why = "are among those that choose the weights"
    return _without(train, validating, "do not train", why, report=report), valid


def _without(
    sets: dict[str, list[PackedCase]],
    patients: set[Patient],
    what: str,
    why: str,
    *,
    report: Callable[[str], None],
) -> dict[str, list[PackedCase]]:
    """The cases by set but for those of some patients; sets without any other are left out."""
    rest: dict[str, list[PackedCase]] = {}
    for name, cases in sets.items():
        kept = [c for c in cases if name == "phantom" or patient_of(name, c) not in patients]
        if len(kept) < len(cases):
            report(
                f"{name}: {len(cases) - len(kept)} of {len(cases)} scans {what}, as the same "
                f"patients, or the same images, {why}"
            )
        if kept:
            rest[name] = kept
    return rest


def index_sets(sets: dict[str, list[PackedCase]]) -> list[CaseSet]:
    """Index every case once."""
    return [
        CaseSet(name, tuple(cases), tuple(index_case(case) for case in cases))
        for name, cases in sets.items()
    ]


class StepBatches(Dataset[Batch]):
    """Item n is the whole training batch of step n, the same in any process bit for bit."""

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

    @_on_one_thread
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


@_on_one_thread
def validation_batches(sets: list[CaseSet], recipe: Recipe) -> list[Batch]:
    """Plain views, `PER_SET` slices of every set, the same at every call.

    Of more than `PER_SET` cases those are taken that stand evenly in the whole row.
    """
    batches = []
    for item in sets:
        rng = np.random.default_rng([recipe.seed, 77])
        views = []
        total = len(item.cases)
        for n in range(PER_SET):
            number = n % total if total <= PER_SET else n * total // PER_SET
            case, index = item.cases[number], item.indices[number]
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
