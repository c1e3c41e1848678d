"""A training set as `spinekit data prepare` lays it out, read back for training.

It knows files, parts and the label table, nothing of voxels or of how the set was made.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError


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
    if "pairs" not in split:
        raise InputError(
            "set-outdated",
            f"{folder}: its splits.json does not say of which patient a scan is",
            "run the same `spinekit data prepare` again; what is done is not done again",
        )
    values = np.zeros(256, np.uint8)
    try:
        for row in table["labels"]:
            values[int(row["value"])] = int(row["spinekit_value"])
        own = _own_values(folder, values)
        pairs = tuple(
            PreparedPair(
                name,
                folder / f"images/{name}.nii.gz",
                folder / f"labels/{name}.nii.gz",
                part,
                str(split["pairs"][name]["dataset"]),
                str(split["pairs"][name]["subject"]),
                own.get(name, values),
            )
            for part in ("train", "validation")
            for name in split[part]
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
        digest.update(pair.values.tobytes())
    return PreparedFolder(name, pairs, digest.hexdigest())


def _own_values(folder: Path, common: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Name of a pair → meaning of its values by its case's record, the set's table for the rest.

    In schemes that count from the lowest vertebra the same value means one bone here, another
    there.
    """
    found = {}
    for path in sorted((folder / "cases").glob("*.json")):
        for output in _read(path)["outputs"]:
            values = common.copy()
            for row in output["structures"]:
                values[int(row["value"])] = int(row["spinekit_value"])
            found[str(output["name"])] = values
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
