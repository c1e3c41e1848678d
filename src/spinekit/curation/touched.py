"""Files of a prepared set that a person has changed since they were made: they are kept, and told.

A label map corrected in the set's own folder counts as it is from then on. It knows records and
files, nothing of how a case is made.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spinekit.anatomy.scheme import NAMES, VALUES
from spinekit.core.errors import InputError, Notice, SpineKitError
from spinekit.curation.belongings import is_anothers
from spinekit.curation.encoding import Encoder, anomaly_of, missing_structures
from spinekit.curation.recipe import PrepareRecipe
from spinekit.io.reading import hash_files, read_label_file, read_scan
from spinekit.io.writing import write_json

CODE = "changed-since"
"""Of the notice that a file was changed."""
EMPTY = Notice("nothing-marked", "its label map is empty")
"""Of a case with masks."""


def describe_made(paths: tuple[Path, Path]) -> list[dict[str, Any]]:
    """What tells whether the two files of a pair are still as they were made.

    No time of change is among it, so that a set made again has the same records.
    """
    return [{"bytes": path.stat().st_size, "sha256": hash_files([path])} for path in paths]


def find_touched(record: Path, told: Mapping[str, Any]) -> list[str]:
    """Files of a case that were changed since they were made.

    A record older than files that are all as they were made, as in a copy of a set, gets the time
    of the newest, so that their bytes are compared once.

    Args:
        record: `cases/NAME.json` of a set.
        told: What is in it.

    Returns:
        Paths within the set, in the order of the record; those that are gone, or are another
        case's by now, are not among them. None of a record that is not there, or does not say how
        its files were made.
    """
    try:
        written_ns = newest_ns = record.stat().st_mtime_ns
        touched = []
        for path, made, was_touched in _made_files(record, told):
            with contextlib.suppress(FileNotFoundError):
                stat = (record.parent.parent / path).stat()
                newest_ns = max(newest_ns, stat.st_mtime_ns)
                is_left = stat.st_mtime_ns <= written_ns and not was_touched
                if stat.st_size != made["bytes"] or not (is_left or _has_bytes(record, path, made)):
                    touched.append(path)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if newest_ns > written_ns and not touched:
        with contextlib.suppress(OSError):
            os.utime(record, ns=(newest_ns, newest_ns))
    return touched


def _made_files(
    record: Path, told: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Path within the set, how it was made, and whether its pair is told to be changed."""
    for row in told["outputs"]:
        if not is_anothers(row["name"], record):
            for key, made in zip(("image", "labels"), row["made"], strict=True):
                yield row[key], made, row.get("touched", False)


def _has_bytes(record: Path, path: str, made: Mapping[str, Any]) -> bool:
    return hash_files([record.parent.parent / path]) == str(made["sha256"])


def refuse_touched(record: Path) -> None:
    """Refuse to make a case anew over what a person has changed.

    Raises:
        InputError: A file of the case was changed since it was made.
    """
    try:
        told = json.loads(record.read_bytes())
    except (OSError, ValueError):
        return
    for path in find_touched(record, told):
        raise _refusal(f"{path} was changed since it was made here")


def keep_touched(record: Path, recipe: PrepareRecipe) -> dict[str, Any]:
    """Let a record tell what a person left in the files of its case.

    Args:
        record: `cases/NAME.json`, which is there.
        recipe: By which the case was made.

    Returns:
        The record as it is now; what is in a file that is as it was made again is told again too.

    Raises:
        InputError: A label map cannot be read, does not lie on the grid that it was made on, or
            holds a value without a meaning.
        OutputError: The record cannot be written.
    """
    encoder = Encoder.of(recipe)
    told: dict[str, Any] = json.loads(record.read_bytes())
    out, touched = record.parent.parent, find_touched(record, told)
    for row in told["outputs"]:
        is_touched = row["image"] in touched or row["labels"] in touched
        if is_touched or row.pop("touched", False):
            row["structures"] = _read_structures(out, row, encoder)
        if is_touched:
            row["touched"] = True
    _tell_anew(told, encoder, recipe)
    for path in touched:
        text = f"{path} was changed since it was made; it is kept, and counts as it is"
        told["notices"].append({"code": CODE, "text": text})
    write_json(record, told)
    return told


def _tell_anew(told: dict[str, Any], encoder: Encoder, recipe: PrepareRecipe) -> None:
    """Put right, in place, what a record says of the whole case by what is in its label map.

    What the set does not keep, or has no value for, is in no label map: of that its masks tell.
    """
    there = {row["spinekit_value"] for row in told["outputs"][0]["structures"]}
    unsaid = {row["name"] for row in told["losses"] if row["reason"] == "no-value"}
    shown = {VALUES[name] for name in told["shown"]}
    present = there | {v for v in shown if v not in encoder.kept or NAMES[v] in unsaid}
    told["shown"] = [NAMES[value] for value in sorted(present) if value in NAMES]
    told["anomaly"] = told["facts"].get("anomalies") or anomaly_of(present)
    told["missing"] = missing_structures(recipe, present)
    told["notices"] = [row for row in told["notices"] if row["code"] not in (CODE, EMPTY.code)]
    has_masks = len(told["inputs"]) > 1
    if has_masks and not there:
        told["notices"].append(asdict(EMPTY))


def _read_structures(out: Path, row: dict[str, Any], encoder: Encoder) -> list[dict[str, Any]]:
    known = {int(s["value"]): int(s["spinekit_value"]) for s in row["structures"]}
    try:
        volume, _ = read_label_file(out / row["labels"])
        if not volume.grid.is_close(read_scan(out / row["image"]).volume.grid):
            raise _refusal("it does not lie on the grid of its image")
        return encoder.tell(volume.array, known)
    except SpineKitError as error:
        text = f"{row['labels']} was changed since it was made here: {error.message}"
        raise _refusal(text) from error


def _refusal(text: str) -> InputError:
    return InputError("changed-since", text, "move it away; the case is then made anew")
