"""Whose files lie in OUT: those that a record of this program names, or a person's.

It knows records and names of files, nothing of what is in a volume.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from spinekit.core.errors import UsageError
from spinekit.io.writing import output_errors, write_json

RECIPE = "recipe.json"
"""Written before all else: it says that the folder is a prepared set."""
TABLES = ("labels.json", "splits.json", "report.json", "report.txt", "failures.json")
KINDS = ("images", "labels")
"""Folders of the two files of a pair."""


def pair_files(out: Path, names: Iterable[str]) -> list[Path]:
    """The two files of every pair of these names in a set's folder."""
    return [out / kind / f"{name}.nii.gz" for name in names for kind in KINDS]


def refuse_others(out: Path, cases: Sequence[tuple[Path, list[str]]], layouts: list[str]) -> None:
    """Refuse to write over what this program has not written.

    Args:
        out: Folder of the set.
        cases: Record of every case, and the names of the pairs that may come of it.
        layouts: Patterns, within the folder, of what the layouts asked for will write.

    Raises:
        UsageError: Such files are there.
    """
    theirs = []
    if not _is_set(out):
        patterns = (RECIPE, *TABLES, *layouts)
        theirs += sorted(path for pattern in patterns for path in out.glob(pattern))
    for record, names in cases:
        ours = own_files(record)
        wanted = [record, *pair_files(out, names)]
        theirs += [path for path in wanted if path not in ours and os.path.lexists(path)]
    if theirs:
        several = len(theirs) > 1
        shown = f"{len(theirs)} files such as {theirs[0]}" if several else str(theirs[0])
        raise UsageError(
            "out-not-ours",
            f"{shown} would be replaced, and {'were' if several else 'was'} not made here",
            f"choose another OUT, or move {'them' if several else 'it'} away",
        )


def own_files(record: Path) -> set[Path]:
    """A case's record and the files that it, or the list of a case in the making, names.

    Args:
        record: `cases/NAME.json` of a set.

    Returns:
        The files, whether they are there or not; none where neither is there, or is of us.
    """
    names = _names_in(record) + _names_in(_list_of(record))
    return {record, *pair_files(record.parent.parent, names)} if names else set()


@contextlib.contextmanager
def making(record: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Replace a case's files: what was known of it is forgotten before the first is written.

    A list beside the record says whose files they are until there is a record again, so that a
    run that was killed goes on.

    Args:
        record: `cases/NAME.json` of a set.
        names: Of the pairs that may come of it.

    Yields:
        A list for the caller to enter the files that it has written; on success those of the
        former record that are not in it go, on any failure all of ours.

    Raises:
        OutputError: The folder cannot be written.
    """
    former = own_files(record)
    known = _names_in(record) + _names_in(_list_of(record))
    write_json(_list_of(record), {"outputs": [{"name": n} for n in sorted({*names, *known})]})
    with output_errors(record):
        record.unlink(missing_ok=True)
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        _remove({*former, *written}, record)
        raise
    _remove(former - {record, *written}, record)


def finish(record: Path) -> None:
    """Clear away what a run that was killed after it wrote a case's record left.

    Args:
        record: `cases/NAME.json` of a set, which is there.
    """
    if _list_of(record).exists():
        kept = pair_files(record.parent.parent, _names_in(record))
        _remove(own_files(record) - {record, *kept}, record)


def is_anothers(name: str, record: Path) -> bool:
    """Whether a pair that a record names is by now another case, or is becoming one.

    Args:
        name: Of the pair, a crop or a copy.
        record: `cases/NAME.json` that names it.
    """
    other = record.with_name(f"{name}.json")
    return other != record and (other.exists() or _list_of(other).exists())


def _is_set(out: Path) -> bool:
    """Whether the folder's recipe is one of ours."""
    try:
        recipe = json.loads((out / RECIPE).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(recipe, dict) and "sources" in recipe


def _names_in(record: Path) -> list[str]:
    """Names of the pairs in a record or a list; none where it is not there, or not of us."""
    try:
        rows = json.loads(record.read_bytes())["outputs"]
        return [Path(row["name"]).name for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _list_of(record: Path) -> Path:
    """Where the pairs of a case are listed while it is made."""
    return record.with_name(f"{record.stem}.begun")


def _remove(paths: Iterable[Path], record: Path) -> None:
    """Remove files of a case, then the list of them; what became another case's stays."""
    for path in paths:
        if not is_anothers(path.name.removesuffix(".nii.gz"), record):
            with output_errors(path):
                path.unlink(missing_ok=True)
    with output_errors(record):
        _list_of(record).unlink(missing_ok=True)
