"""SPIDER's radiological gradings: one row per patient and disc, under the discs' names.

The table counts discs from the lowest (1 = L5-S1), as the masks do. It cannot tell a sixth lumbar
vertebra: the lowest disc is called L5-S1 whatever lies above it, as everywhere in this package.
Reading knows the table; `check_numbering` knows arrays and no file.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import VARIANTS, ends_of
from spinekit.anatomy.scheme import LAST_DISC, VALUES, disc_name
from spinekit.core.errors import InputError
from spinekit.datasets.meaning import values_of

COLUMNS: dict[str, tuple[str, range]] = {
    "Modic": ("modic", range(4)),
    "UP endplate": ("upper_endplate", range(2)),
    "LOW endplate": ("lower_endplate", range(2)),
    "Spondylolisthesis": ("spondylolisthesis", range(2)),
    "Disc herniation": ("herniation", range(2)),
    "Disc narrowing": ("narrowing", range(2)),
    "Disc bulging": ("bulging", range(2)),
    "Pfirrman grade": ("pfirrmann", range(1, 6)),
}
"""Column of the table to our name and the grades it may hold."""

MEANINGS = values_of("spider")
"""Value in a mask to name."""
LOWEST_DISC = min(value for value, name in MEANINGS.items() if "-" in name)
"""Value of the lowest disc in a mask, which is number 1 of the table."""


@dataclass(frozen=True)
class Grading:
    """What a radiologist said of one disc."""

    patient: str
    number: int
    """Counted from the lowest disc, which is 1."""
    disc: str
    above: str
    """Vertebra above; its lower endplate is the disc's upper one."""
    below: str
    grades: Mapping[str, int]
    """By the names of `COLUMNS`; absent where the table is empty."""


def read_gradings(path: Path) -> list[Grading]:
    """Read `radiological_gradings.csv`.

    Args:
        path: The file, or the folder that holds it.

    Returns:
        Gradings in the table's order; empty for a table without rows.

    Raises:
        InputError: The file is missing, lacks a column, or holds a number that is none.
    """
    path = path / "radiological_gradings.csv" if path.is_dir() else path
    try:
        rows = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except FileNotFoundError as error:
        raise InputError(
            "file-missing", f"{path}: no such file", "fetch SPIDER's tables"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError("bad-table", f"{path.name}: {error}", "fetch it again") from error
    missing = [key for key in ("Patient", "IVD label", *COLUMNS) if rows and key not in rows[0]]
    if missing:
        raise InputError(
            "bad-table", f"{path.name}: no column {', '.join(missing)}", "fetch it again"
        )
    return [_grading(path.name, line, row) for line, row in enumerate(rows, start=2)]


def _grading(name: str, line: int, row: Mapping[str, str]) -> Grading:
    patient, number = _whole(name, line, row["Patient"]), _whole(name, line, row["IVD label"])
    disc = None if number is None else disc_of(number)
    if patient is None or number is None or disc is None:
        raise InputError(
            "bad-table",
            f"{name}, line {line}: patient {row['Patient']!r}, disc {row['IVD label']!r}",
            "discs are counted from 1 upward",
        )
    above, below = ends_of(disc)
    grades = {}
    for column, (grade, _) in COLUMNS.items():
        value = _whole(name, line, row[column])
        if value is not None:
            grades[grade] = value
    return Grading(str(patient), number, disc, above, below, grades)


def _whole(name: str, line: int, text: str) -> int | None:
    """A whole number, also written `3.0`; None for an empty field."""
    text = (text or "").strip()
    if text.lower() in ("", "nan"):
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not number.is_integer():
        raise InputError(
            "bad-table", f"{name}, line {line}: {text!r} is no whole number", "fetch it again"
        )
    return int(number)


def disc_of(number: int) -> str | None:
    """Disc of a number counted from the lowest: 1 is L5-S1, 6 is T12-L1; None out of range."""
    return MEANINGS.get(LOWEST_DISC - 1 + number) if number > 0 else None


def number_discs(names: Collection[str]) -> dict[str, int]:
    """Numbers that the table has for the discs of a column, by their names.

    Args:
        names: Discs that were found, as named; those without a name are passed over.

    Returns:
        Name → number counted from the lowest disc, whether those between were found or not. Empty
        where the lowest one, above the sacrum, is not among them, or no column has these discs. Of
        several columns it is the most usual one.
    """
    known = {name for name in names if name in VALUES and VALUES[name] <= LAST_DISC}
    for variant in sorted(VARIANTS, key=lambda v: abs(v.thoracic - 12) + abs(v.lumbar - 5)):
        pairs = list(pairwise(variant.levels))[:0:-1]  # C1 and C2 have no disc
        chain = [disc_name(upper, lower) for upper, lower in pairs]
        if chain[0] in known and known <= set(chain):
            return {name: n for n, name in enumerate(chain, start=1) if name in known}
    return {}


def check_gradings(gradings: Iterable[Grading], discs: Mapping[str, int]) -> list[str]:
    """What is odd in a table, in sentences.

    Args:
        gradings: The table's rows.
        discs: Patient to the number of discs marked in the masks, by the overview; may be empty.

    Returns:
        One sentence a finding; empty when all is well: numbers of a patient start at 1, none is
        missing or doubled, none exceeds the discs marked, and every grade is one that exists.
    """
    found = []
    by_patient: dict[str, list[int]] = {}
    for row in gradings:
        by_patient.setdefault(row.patient, []).append(row.number)
        for grade, allowed in COLUMNS.values():
            if grade in row.grades and row.grades[grade] not in allowed:
                found.append(f"patient {row.patient}, {row.disc}: {grade} is {row.grades[grade]}")
    for patient, numbers in by_patient.items():
        doubled = sorted({n for n in numbers if numbers.count(n) > 1})
        missing = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        if doubled:
            found.append(f"patient {patient}: graded twice: {', '.join(map(_disc_word, doubled))}")
        if missing:
            found.append(f"patient {patient}: not graded: {', '.join(map(_disc_word, missing))}")
        if patient in discs and max(numbers) > discs[patient]:
            found.append(
                f"patient {patient}: {max(numbers)} discs graded, {discs[patient]} marked in masks"
            )
    return found


def _disc_word(number: int) -> str:
    return disc_of(number) or f"disc {number}"


def check_numbering(
    label_map: NDArray[np.integer], up: Sequence[float], numbers: Iterable[int] = ()
) -> list[str]:
    """Whether a mask counts discs from the lowest, as the table does.

    Args:
        label_map: (I, J, K) in SPIDER's values.
        up: Upward direction in mm per voxel step along i, j and k: the third row of the affine.
        numbers: Numbers of the graded discs.

    Returns:
        One sentence a finding; empty when every graded disc is marked, heights rise with the
        numbers, and most discs lie below the vertebra of their own number. An empty mask lacks all.
    """
    heights = {
        int(value): float(np.argwhere(label_map == value).mean(axis=0) @ np.asarray(up, float))
        for value in np.unique(label_map[label_map > 0])
    }
    found = [
        f"{_disc_word(number)} is graded and not marked"
        for number in sorted(numbers)
        if LOWEST_DISC - 1 + number not in heights
    ]
    discs = sorted(value for value in heights if value >= LOWEST_DISC)
    for lower, upper in pairwise(discs):
        if heights[upper] <= heights[lower]:
            found.append(f"disc {upper} lies below disc {lower}: not counted from the lowest")
    pairs = [
        (disc, bone)
        for disc in discs
        for bone in heights
        if disc in MEANINGS and MEANINGS.get(bone) == ends_of(MEANINGS[disc])[0]
    ]
    below = [pair for pair in pairs if heights[pair[1]] <= heights[pair[0]]]
    # One alone may be cut by the scan, its spinous process hanging lower than its disc.
    if 2 * len(below) > len(pairs):
        words = ", ".join(f"vertebra {bone} below disc {disc}" for disc, bone in below)
        found.append(f"{words}: each should be its lower one")
    return found
