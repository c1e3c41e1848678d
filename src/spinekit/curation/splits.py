"""Who trains, who validates, who tests: patients shared out evenly, the same for a seed.

It knows names of cases and patients, nothing of files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Member:
    """A case as a split sees it."""

    name: str
    group: str
    """What must stay together: the patient, and whoever shares an image with them."""
    stratum: tuple[str, ...]
    """What the parts share out evenly, such as set, contrast and anomaly."""


@dataclass(frozen=True)
class Owner:
    """The patient of a case, as its set calls them."""

    group: str
    """As in `Member`."""
    dataset: str
    subject: str
    published: str = ""
    """Word of the published set that it is; "" for files of one's own."""
    is_told: bool = False
    """Whether a person said who the patient is, or what in a name is."""
    has_setting: bool = True
    """Whether its set can be told by the setting `subject`."""


@dataclass(frozen=True)
class Split:
    """Names of cases by part, each list sorted."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]
    """The validation part of each fold; the rest of what is not for the test trains."""

    def to_dict(self) -> dict[str, Any]:
        """The split as plain values; every fold with both its parts."""
        pool = sorted({*self.train, *self.validation})
        return {
            "train": list(self.train),
            "validation": list(self.validation),
            "test": list(self.test),
            "folds": [
                {"train": [n for n in pool if n not in set(fold)], "validation": list(fold)}
                for fold in self.folds
            ],
        }


def split_cases(
    members: Sequence[Member], *, validation: float, test: float, folds: int, seed: int
) -> Split:
    """Share patients out, stratum by stratum.

    Patients are ordered by stratum and, within it, by a hash of seed and patient; each part then
    takes every n-th of them (systematic sampling: Cochran 1977, "Sampling Techniques", section
    8.1). So each part has its share of the whole to the nearest patient, and of every stratum
    within one.

    Args:
        members: The cases.
        validation: Share of the patients, 0 … 1.
        test: Share of the patients, 0 … 1.
        folds: Number of folds of those not for the test; 0 for none.
        seed: Of the order.

    Returns:
        The parts; empty ones for no case.
    """
    strata: dict[str, tuple[str, ...]] = {}
    for member in members:
        # A patient with scans of several kinds counts with the first of them.
        strata[member.group] = min(member.stratum, strata.get(member.group, member.stratum))
    order = sorted(strata, key=lambda group: (strata[group], _rank(seed, group)))
    tested = _every(order, test)
    rest = [group for group in order if group not in tested]
    validated = _every(rest, validation / (1 - test) if test < 1 else 0.0)
    parts = [set(rest[n::folds]) for n in range(folds)]

    def names(groups: set[str]) -> tuple[str, ...]:
        return tuple(sorted(member.name for member in members if member.group in groups))

    return Split(
        names(set(rest) - validated), names(validated), names(tested),
        tuple(names(part) for part in parts),
    )  # fmt: skip


def join_groups(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Let groups that share anything be one.

    Args:
        pairs: Group and what it holds, such as patient and hash of an image.

    Returns:
        Group → the first, by name, of all it is joined with.
    """
    parent = {group: group for group, _ in pairs}

    def root(group: str) -> str:
        while parent[group] != group:
            group = parent[group]
        return group

    owner: dict[str, str] = {}
    for group, held in pairs:
        a, b = root(group), root(owner.setdefault(held, group))
        parent[max(a, b)] = min(a, b)
    return {group: root(group) for group in parent}


_VISIT = re.compile(
    r"(?P<patient>.+?)[-_. ]+(?:(?:visit|ses(?:sion)?|scan|exam|study|series|time(?:point)?|tp|day|"
    r"week|month|year|baseline|follow[-_ ]?up|fu|pre|post)[-_. ]?\d*|[vst]\d{1,2})"
    r"|(?P<numbered>.*\d.*?)[-_. ]+\d",
    re.IGNORECASE,
)
"""A patient's name and a visit of theirs: `p1_visit2`, `p1_v2`, `p1-baseline`, `p1_2`."""


def doubt_patients(owners: Iterable[Owner]) -> list[str]:
    """Who may be one patient and stands as several, so that a split may part them.

    They are those of one name in several sets, unless these are different published ones, and
    those of a set whose names are alike but for a visit at their end.

    Args:
        owners: Of every case.

    Returns:
        What is to be asked, with the remedy: a sentence each; empty where nothing is.
    """
    known = sorted(set(owners), key=lambda owner: (owner.dataset, owner.subject))
    return _in_several_sets(known) + _in_several_visits(known)


def _in_several_sets(owners: Sequence[Owner]) -> list[str]:
    found: dict[str, list[Owner]] = {}
    for owner in owners:
        found.setdefault(owner.subject, []).append(owner)
    twice = []
    for subject, same in found.items():
        sets = {owner.dataset: owner.published for owner in same}
        may_be_one = "" in sets.values() or len(set(sets.values())) < len(sets)
        if len(sets) > 1 and may_be_one and len({owner.group for owner in same}) > 1:
            twice.append((subject, list(sets)))
    if not twice:
        return []
    subject, datasets = twice[0]
    return [
        f"{len(twice)} patients such as {subject} are in several sets ({', '.join(datasets)}) and "
        "count as different people, so that one may train in one set and validate in another; if "
        'they are the same, make one source of them: images = "{contrast}/images/{subject}", '
        'masks = "{contrast}/labels/{subject}"'
    ]


def _in_several_visits(owners: Sequence[Owner]) -> list[str]:
    found: dict[tuple[str, str], list[Owner]] = {}
    for owner in owners:
        match = None if owner.is_told else _VISIT.fullmatch(owner.subject)
        if match:
            patient = match.group("patient") or match.group("numbered")
            found.setdefault((owner.dataset, patient), []).append(owner)
    doubts = []
    for dataset in sorted({dataset for dataset, _ in found}):
        everyone = {owner.group for owner in owners if owner.dataset == dataset}
        # What all names begin with is no patient, or the only one, whom no split can part.
        alike = [
            same
            for (where, _), same in found.items()
            if where == dataset and 1 < len({owner.group for owner in same}) < len(everyone)
        ]
        if alike:
            first, names = alike[0][0], [owner.subject for owner in alike[0][:2]]
            doubts.append(
                f"{dataset}: {sum(map(len, alike))} names such as {' and '.join(names)} count as "
                f"so many patients, and may be {len(alike)}, of whom one may then train and "
                f"validate; if so, {_remedy(first)}"
            )
    return doubts


def _remedy(owner: Owner) -> str:
    """What may be done where names that are alike are one patient's."""
    if owner.has_setting:
        return (
            "say which part of a name is the patient: the setting subject (--subject), such as "
            "'^[^_]+'"
        )
    if owner.published:
        return (
            'read the set by dataset = "folder", whose settings images and masks say where files '
            "lie, and subject which part of a name is the patient"
        )
    return (
        "rename images and masks, also where they are listed, so that they begin with the patient "
        "as BIDS writes it, letters and digits alone: sub-p1_v1 and sub-p1_v2 are of one"
    )


def _every(groups: Sequence[str], share: float) -> set[str]:
    """Every n-th group, so many as the share of all says."""
    return {
        group
        for n, group in enumerate(groups)
        if int((n + 1) * share + 0.5 + 1e-9) > int(n * share + 0.5 + 1e-9)
    }


def _rank(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}/{group}".encode()).hexdigest()
