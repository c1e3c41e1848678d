"""A training set as `spinekit data prepare` lays it out, read back for training.

It knows files, parts and the label table, nothing of voxels or of how the set was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError

Patient = tuple[str, str]
"""The set that scans were taken from, and the subject in it."""


@dataclass(frozen=True)
class PreparedPair:
    """A scan, its label map, and what the split says of them."""

    name: str
    image: Path
    labels: Path
    part: str
    """`train` or `validation`."""
    dataset: str
    """The set that the scan was taken from, whatever the prepared one is called."""
    subject: str
    """Its patient."""
    values: NDArray[np.uint8]
    """(256,) this package's value of each value in the label map, 0 where there is none."""
    shown: frozenset[str]
    """Names of what its masks showed before structures were chosen of them."""
    bodies_only: bool
    """Its masks mark of a vertebra its body alone."""


@dataclass(frozen=True)
class PreparedFolder:
    """A prepared set and its pairs."""

    name: str
    pairs: tuple[PreparedPair, ...]
    state: str
    """Changes whenever a file of the set does."""


def open_prepared(folder: Path) -> PreparedFolder:
    """Read what a prepared set holds; pairs for the test are left out.

    Raises:
        InputError: The folder is no prepared set, or a file of it is missing.
    """
    table = _read(folder / "labels.json")
    split = _read(folder / "splits.json")
    values = np.zeros(256, np.uint8)
    try:
        for row in table["labels"]:
            values[int(row["value"])] = int(row["spinekit_value"])
        told = _told_of_pairs(folder, values)
        pairs = tuple(
            PreparedPair(
                name,
                folder / f"images/{name}.nii.gz",
                folder / f"labels/{name}.nii.gz",
                part,
                *_patient(split["pairs"][name]),
                own,
                shown,
                is_bodies,
            )
            for part in ("train", "validation")
            for name in split[part]
            for own, shown, is_bodies in (told[name],)
        )
        name = str(table["name"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _not_prepared(folder, f"{type(error).__name__}: {error}") from error
    digest = hashlib.sha256()
    for pair in pairs:
        for path in (pair.image, pair.labels):
            if not path.is_file():
                raise InputError(
                    "file-missing", f"{path}: no such file", "run `spinekit data prepare` again"
                )
            state = path.stat()
            digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}".encode())
        digest.update(f"{pair.part} {pair.dataset} {pair.subject}".encode())
        digest.update(pair.values.tobytes() + " ".join(sorted(pair.shown)).encode())
    return PreparedFolder(name, pairs, digest.hexdigest())


def patients_who_test(folders: Iterable[Path]) -> set[Patient]:
    """The patients who test in any of some prepared sets, under every name that these know.

    Two are one patient where the same file is their image.

    Raises:
        InputError: A folder is no prepared set.
    """
    testing: set[Patient] = set()
    marks: list[tuple[Patient, str]] = []
    for folder in folders:
        split = _read(folder / "splits.json")
        try:
            rows = {name: _patient(row) for name, row in split["pairs"].items()}
            testing |= {rows[name] for name in split["test"]}
            for record in _records(folder):
                file = str(record["inputs"][0]["sha256"])
                names = [str(output["name"]) for output in record["outputs"]]
                marks += [(rows[name], file) for name in names if file and name in rows]
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise _not_prepared(folder, f"{type(error).__name__}: {error}") from error
    return join_patients(marks, testing)


def join_patients(marks: Collection[tuple[Patient, str]], first: set[Patient]) -> set[Patient]:
    """Patients, and all who share an image with one of them or with one who does.

    Args:
        marks: Patients, each with what tells an image from all others; a patient may have several.
        first: The patients to begin with.
    """
    joined: set[Patient] = set()
    more = first
    while more:
        joined |= more
        images = {image for patient, image in marks if patient in joined}
        more = {patient for patient, image in marks if image in images} - joined
    return joined


def read_records(folder: Path) -> Iterator[tuple[dict[str, Any], Mapping[str, Any]]]:
    """The record of every case, by name, with the table of whose its pairs are.

    Raises:
        InputError: The folder is no prepared set.
    """
    split = _read(folder / "splits.json")
    if not isinstance(split.get("pairs"), dict):
        raise _not_prepared(folder, "splits.json: no table of pairs")
    for record in _records(folder):
        yield record, split["pairs"]


def _patient(row: Mapping[str, Any]) -> Patient:
    """Whose scan a row of `pairs` is."""
    return str(row["dataset"]), str(row["subject"])


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """The records of a set's cases, by name."""
    for path in sorted((folder / "cases").glob("*.json")):
        yield _read(path)


def _told_of_pairs(
    folder: Path, common: NDArray[np.uint8]
) -> dict[str, tuple[NDArray[np.uint8], frozenset[str], bool]]:
    """Name of a pair → values, `shown` and `bodies_only` of a `PreparedPair`, by its case's record.

    Values that its label map does not hold are those of the set's table. In schemes that count from
    the lowest vertebra the same value means one bone here, another there.
    """
    found = {}
    for record in _records(folder):
        shown = frozenset(map(str, record["shown"]))
        for output in record["outputs"]:
            values = common.copy()
            for row in output["structures"]:
                values[int(row["value"])] = int(row["spinekit_value"])
            found[str(output["name"])] = values, shown, bool(record["bodies_only"])
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        folder = path.parent.parent if path.parent.name == "cases" else path.parent
        raise _not_prepared(folder, f"{path.name}: {error}") from error


def _not_prepared(folder: Path, text: str) -> InputError:
    return InputError(
        "not-prepared",
        f"{folder}: no set made by `spinekit data prepare` ({text})",
        "run `spinekit data prepare SOURCE FOLDER` and name that folder",
    )
