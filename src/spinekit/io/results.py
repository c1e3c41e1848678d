"""Results: which files are this program's own, so that none is taken for a scan.

Knows the marks that the layouts leave beside what they write; opens nothing but small JSON files.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path

from spinekit.io.discovery import FILE_ENDINGS, SEGMENTATION_ENDING, stem_of
from spinekit.io.reports import is_report

KINDS = ("_dseg", "_parts", "_image", "_levels", "_cord_soft", "_canal_soft")
"""What follows the scan's stem in the names of its volumes."""
_BIDS = {"dseg": "spine", "parts": "parts"}
"""Kind of file → what its name says after `seg-` in BIDS."""
_BESIDE = re.compile(
    r"(.+_space-orig)(?:_seg-(?:parts|levels))?(_res-1mm)?(?:_label-(?:cord|canal))?"
    r"_desc-(?:resampled_)?([A-Za-z0-9]+?)(?:_dseg|_probseg)?"
)
"""Volumes beside the labels in BIDS; parts of the name that it shares with those."""
_REPORTS = ".spinekit"
_TREE = ("input", "step1_", "step2_")
"""How the folders with volumes begin in the tree that keeps its reports in a hidden folder."""
_IN_REPORT = ("step1_output", "step2_output")
"""Folders of that tree whose label maps bear the values that its reports tell of."""
_SCAN = "_0000"
"""How the names of the scans in that tree end."""
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
    for kind in KINDS:
        if stem.endswith(kind) and is_report(
            path.with_name(f"{stem.removesuffix(kind)}_dseg.json")
        ):
            return True
    if (named := _BESIDE.fullmatch(stem)) and is_report(
        path.with_name(f"{named[1]}_seg-spine{named[2] or ''}_desc-{named[3]}_dseg.json")
    ):
        return True
    is_copy = path.parent.name != "input" or stem.endswith(_SCAN)
    if path.parent.name.startswith(_TREE) and is_copy:
        name = stem.removesuffix(_SCAN) if path.parent.name == "input" else stem
        if is_report(path.parent.parent / _REPORTS / f"{name}.json"):
            return True
    within = [folder for folder in path.parents if folder == top or top in folder.parents]
    return any(_is_derived(folder) for folder in within)


def report_place(labels: Path) -> Path | None:
    """Where the report of a label map with names would lie, in whatever layout.

    Args:
        labels: Its path; where the map comes from need not be known.

    Returns:
        The path, whether or not a file is there; None for a name that no layout gives such maps.
    """
    stem = stem_of(labels)
    if stem.endswith("_dseg"):
        return labels.with_name(f"{stem}.json")
    if labels.parent.name in _IN_REPORT:
        return labels.parent.parent / _REPORTS / f"{stem}.json"
    return None


def is_part_of_result(path: Path, kind: str) -> bool:
    """Whether a file lies beside that of another kind that tells of the same scan.

    Args:
        path: A volume.
        kind: `dseg` or `parts`.

    Returns:
        True by its name alone, for `a_parts` where `a_dseg` lies beside; no report need be there.
    """
    stem = stem_of(path)
    wanted = [
        f"{stem.removesuffix(other)}_{kind}"
        for other in KINDS
        if stem.endswith(other) and other != f"_{kind}"
    ]
    if "_seg-" in stem:
        wanted = [re.sub(r"_seg-(spine|parts|levels)_", f"_seg-{_BIDS[kind]}_", stem)]
    endings = (SEGMENTATION_ENDING, *FILE_ENDINGS)
    return any(
        name != stem and path.with_name(name + ending).is_file()
        for name in wanted
        for ending in endings
    )


@functools.lru_cache(maxsize=4096)
def _is_derived(folder: Path) -> bool:
    """Whether a folder says of itself, as BIDS has it, that this program made it of another."""
    try:
        said = json.loads((folder / _DERIVED).read_bytes())
        makers = [maker["Name"] for maker in said["GeneratedBy"]]
        return said["DatasetType"] == "derivative" and makers == ["SpineKit"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
