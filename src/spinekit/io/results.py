"""Results: which files are this program's own, so that none is taken for a scan.

Knows the marks that the layouts leave beside what they write; opens nothing but small JSON files.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

from spinekit.io.discovery import stem_of

_KINDS = ("_dseg", "_parts", "_image", "_levels", "_cord_soft", "_canal_soft")
"""What follows the scan's stem in the names of its volumes."""
_MARK = b'"spinekit_version"'
_MARK_WITHIN = 200
"""The mark is the second key of a report."""
_REPORTS = ".spinekit"
_TREE = ("input", "step1_", "step2_")
"""How the folders with volumes begin in the tree that keeps its reports in a hidden folder."""
_DERIVED = "dataset_description.json"


def is_result(path: Path, top: Path) -> bool:
    """Whether a file was written by this program as the result of a scan.

    Args:
        path: A volume.
        top: The folder it was found in or below; none above is looked into.

    Returns:
        True only where a report of this program lies beside it, or in the place its layout has
        for that; a name alone tells nothing.
    """
    stem = stem_of(path)
    for kind in _KINDS:
        if stem.endswith(kind) and _is_report(
            path.with_name(f"{stem.removesuffix(kind)}_dseg.json")
        ):
            return True
    if path.parent.name.startswith(_TREE):
        name = stem.removesuffix("_0000") if path.parent.name == "input" else stem
        if _is_report(path.parent.parent / _REPORTS / f"{name}.json"):
            return True
    within = [folder for folder in path.parents if folder == top or top in folder.parents]
    return any(_is_derived(folder) for folder in within)


@functools.lru_cache(maxsize=4096)
def _is_report(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_MARK_WITHIN)
    except OSError:
        return False


@functools.lru_cache(maxsize=4096)
def _is_derived(folder: Path) -> bool:
    """Whether a folder says of itself, as BIDS has it, that this program made it of another."""
    try:
        said = json.loads((folder / _DERIVED).read_bytes())
        makers = [maker["Name"] for maker in said["GeneratedBy"]]
        return said["DatasetType"] == "derivative" and makers == ["SpineKit"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
