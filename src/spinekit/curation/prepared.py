"""A prepared set as it lies on disk: its files, its parts, its label table.

It knows records and names, and how a file gets a second name; no voxels.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.curation.recipe import PrepareRecipe
from spinekit.io.writing import output_errors, unfinished


@dataclass(frozen=True)
class Output:
    """A pair of image and label map, with the record of the case it is of."""

    name: str
    kind: str
    """`whole`, `crop` or `augmented`."""
    image: Path
    labels: Path
    part: str
    """`train`, `validation` or `test`."""
    values: dict[int, int]
    """Our value → value in the file, of what is in it."""
    record: dict[str, Any]


@dataclass(frozen=True)
class PreparedSet:
    """A set whose cases are all prepared."""

    folder: Path
    recipe: PrepareRecipe
    records: tuple[dict[str, Any], ...]
    split: dict[str, Any]
    """As in `splits.json`."""
    table: dict[str, Any]
    """As in `labels.json`."""

    def outputs(self) -> Iterator[Output]:
        """Every pair that belongs to a part of the split, by case."""
        part_of = {
            name: part for part in ("train", "validation", "test") for name in self.split[part]
        }
        for record in self.records:
            for row in record["outputs"]:
                if row["name"] not in part_of:
                    continue
                if row["kind"] == "augmented" and self.recipe.noaug:
                    continue
                yield Output(
                    row["name"],
                    row["kind"],
                    self.folder / row["image"],
                    self.folder / row["labels"],
                    part_of[row["name"]],
                    {s["spinekit_value"]: s["value"] for s in row["structures"]},
                    record,
                )


def put_file(source: Path, target: Path, *, share: bool) -> None:
    """Let a file appear in a second place, whole or not at all.

    Args:
        source: The file.
        target: Where it is wanted; what is there is replaced.
        share: Let both names be one file where the disk allows it; else, and for files that
            others may write to, it is copied.

    Raises:
        OutputError: It cannot be written.
    """
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (share and _link(source, target)):
            with unfinished(target) as copy, source.open("rb") as original:
                shutil.copyfileobj(original, copy)
            shutil.copystat(source, target)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name, in place of what bore it; False where the disk cannot."""
    temporary = target.with_name(f".{target.name}.link")
    try:
        temporary.unlink(missing_ok=True)
        os.link(source, temporary)
        os.replace(temporary, target)
    except OSError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True
