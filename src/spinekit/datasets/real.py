"""Partially annotated real scans in one folder: `index.json`, `images/`, `labels/`.

It knows where files lie and which masks go with a scan, nothing of voxels. The folder is a
setting: the variable `SPINEKIT_REAL_DATA`, else `../shared/data/real` beside the working folder
when that exists.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError

HOLD_OUTS: dict[str, frozenset[str]] = {
    "H1": frozenset({"chu", "ivd"}),
    "H2": frozenset({"myosegmentum", "errsm"}),
    "H3": frozenset({"spider"}),
}
"""Sets left out of training, by hold-out."""

LOOSE_SIDES_MM: dict[str, float] = {"myosegmentum": 8.0}
"""Sets whose masks of bodies reach into the psoas at both sides, and how far at most: their
outermost one or two slices of 4 mm show muscle alone."""

CORD_SEEN: frozenset[str] = frozenset({"spider"})
"""Sets whose canal masks hold the cord untold and whose T2-weighted scans show it dark in fluid."""


@dataclass(frozen=True)
class RealCase:
    """One scan and the masks drawn on it.

    `masks` maps a kind (bodies, discs, parts, names, cord, points) to its file.
    """

    name: str
    dataset: str
    subject: str
    image: Path
    masks: dict[str, Path]


def real_data_folder() -> Path | None:
    """The folder of real scans, None when there is none and none was named.

    Raises:
        InputError: SPINEKIT_REAL_DATA names a folder without an index.
    """
    setting = os.environ.get("SPINEKIT_REAL_DATA")
    folder = Path(setting) if setting else Path("../shared/data/real")
    if (folder / "index.json").is_file():
        return folder
    if setting:
        raise InputError(
            "file-missing",
            f"{folder / 'index.json'}: no such file, so SPINEKIT_REAL_DATA names no set of scans",
            "correct the variable, or unset it to go without real scans",
        )
    return None


def subject_fold(subject: str, folds: int = 5) -> int:
    """A subject's fold, from its name alone."""
    return int(hashlib.sha256(subject.encode()).hexdigest(), 16) % folds


def is_held_out(dataset: str, subject: str, hold_out: str) -> bool:
    """Whether a split keeps a scan from training and its validation.

    Args:
        dataset: The scan's set.
        subject: Its patient.
        hold_out: "H1", "H2" or "H3" leave whole sets out, "within" fold 0 of the subjects of every
            set, "" nothing.
    """
    if hold_out == "within":
        return subject_fold(subject) == 0
    return dataset in HOLD_OUTS.get(hold_out, frozenset())


def list_real_cases(folder: Path) -> list[RealCase]:
    """Every scan of the index, in its order.

    Raises:
        InputError: The index cannot be read, or a scan of it has no name, set or patient.
    """
    index = folder / "index.json"
    try:
        rows = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            "unreadable", f"{index.name}: {error}", "check SPINEKIT_REAL_DATA"
        ) from error
    kinds = ("bodies", "discs", "parts", "names", "cord", "points")
    cases = []
    for row in _checked(rows, index):
        masks = {kind: folder / "labels" / f"{row['name']}_{kind}.nii.gz" for kind in kinds}
        cases.append(
            RealCase(
                row["name"],
                row["dataset"],
                row["subject"],
                folder / "images" / f"{row['name']}.nii.gz",
                {kind: path for kind, path in masks.items() if path.is_file()},
            )
        )
    return cases


def _checked(rows: Any, index: Path) -> list[dict[str, Any]]:
    """The rows of an index.

    Raises:
        InputError: They are no list, or one lacks a key.
    """
    wanted = ("name", "dataset", "subject")
    remedy = f"give every scan {', '.join(wanted)}"
    if not isinstance(rows, list):
        raise InputError("bad-table", f"{index}: is no list of scans", remedy)
    for number, row in enumerate(rows, start=1):
        lacking = [key for key in wanted if not isinstance(row, dict) or not row.get(key)]
        if lacking:
            raise InputError(
                "bad-table",
                f"{index}: its scan {number} has no {' and no '.join(lacking)}",
                remedy,
            )
    return rows
