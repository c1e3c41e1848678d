"""Which files of a folder are masks, or label maps, and which are something else of a result.

It knows names and what lies beside a file; no mask is opened.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from spinekit.core.errors import InputError, SpineKitError, UsageError
from spinekit.io.derivatives import split_derived
from spinekit.io.discovery import (
    FILE_ENDINGS,
    SEGMENTATION_ENDING,
    ScanSource,
    dicom_files,
    find_scans,
    stem_of,
)
from spinekit.io.results import is_part_of_result, is_result
from spinekit.layouts.listed import find_changed
from spinekit.relabelling.result import find_result
from spinekit.report import read_report


def find_masks(
    source: Path, *, exclude: Path | None, quiet: bool, kind: str = "dseg"
) -> list[ScanSource]:
    """The masks of a folder; of results only one file each.

    Left out are the parts, points, soft maps and images of results, what lies there in another
    format too (of a result, or as `.seg.nrrd`), and DICOM folders; lines say how many.

    Args:
        source: A mask, or a folder of them.
        exclude: A folder not to look into, such as OUT.
        quiet: Print nothing.
        kind: What to take of a result: `dseg`, the labels that bear its names, or `parts`.

    Raises:
        UsageError: There is none.
    """
    others: list[Path] = []
    doubles: list[Path] = []
    # Every format asks, and an answer means reading them.
    look_up = functools.cache(_look_up)

    def leave_out(path: Path) -> bool:
        if _is_other(path, kind):
            others.append(path)
        elif _is_double(path, look_up):
            doubles.append(path)
        return path in (*others[-1:], *doubles[-1:])

    try:
        found = find_scans(source, exclude=exclude, leave_out=leave_out, masks=True)
    finally:
        but = "bear no names (parts, points, images)" if kind == "dseg" else "are no parts"
        _tell(others, f"files in {source} are of results, but {but}", quiet=quiet)
        _tell(doubles, f"files in {source} are there in another format", quiet=quiet)
    masks = [scan for scan in found if not _is_dicom(scan.path)]
    if masks:
        scans = [scan.path for scan in found if scan not in masks]
        _tell(scans, f"DICOM folders in {source} are no masks", quiet=quiet)
    return masks or found


def name_results(found: list[ScanSource], out: Path) -> dict[Path, str]:
    """What the results of masks are called: the labels of an earlier result as its scan was.

    Args:
        found: The masks.
        out: Folder of the results.

    Returns:
        Path of a mask → first part of its results' names. `_dseg` stays where the result would
        lie beside the mask, or have the name of another's.
    """
    names = [(scan.relative_dir, scan.stem) for scan in found]
    short = [(scan.relative_dir, _scan_name(scan.path)) for scan in found]
    stems = {}
    for scan, wanted in zip(found, short, strict=True):
        beside = os.path.realpath(out / scan.relative_dir) == os.path.realpath(scan.path.parent)
        is_taken = wanted in names or short.count(wanted) > 1
        is_free = bool(wanted[1]) and not is_taken and not beside
        stems[scan.path] = wanted[1] if is_free else scan.stem
    return stems


def _scan_name(path: Path) -> str:
    """What the scan was called whose labels a file holds, in whatever layout."""
    derived = split_derived(path.name)
    return stem_of(path).removesuffix("_dseg") if derived is None else derived[0]


def _is_other(path: Path, kind: str) -> bool:
    """Whether a file belongs to a result, and is not what is wanted of it."""
    derived = split_derived(path.name)
    if derived is not None:
        return derived[1] != kind
    if is_part_of_result(path, kind):
        return True
    place = Path(os.path.abspath(path))
    if not is_result(place, Path(place.anchor)):
        return False
    return not (_bears_names(path) if kind == "dseg" else stem_of(path).endswith("_parts"))


def _bears_names(path: Path) -> bool:
    """Whether a file of a result is the label map that bears its names, in whatever layout."""
    try:
        find_result(path)
    except UsageError:
        return False
    except InputError:
        return True  # by its name; only its report is damaged
    return True


def _is_double(path: Path, look_up: Callable[[Path], _Formats]) -> bool:
    """Whether the same labels lie beside a file in another format, which are the ones to take.

    Those are a segmentation's, or the first that a result lists, unless others were painted in
    since they were written.
    """
    endings = (SEGMENTATION_ENDING, *FILE_ENDINGS)
    beside = [path.with_name(stem_of(path) + ending) for ending in endings]
    there = [file for file in beside if file.is_file()]
    if path not in there or len(there) == 1:
        return False
    formats = look_up(there[0])
    if there[0] != beside[0] and not formats.listed.issuperset(file.name for file in there):
        return False
    if there[0].name in formats.painted or not formats.painted:
        return path != there[0]
    return path.name not in formats.painted


class _Formats(NamedTuple):
    """Names of files of a result."""

    listed: frozenset[str]
    """All that its report lists."""
    painted: frozenset[str]
    """Those that somebody has changed."""


def _look_up(path: Path) -> _Formats:
    """The files of the result that labels or parts are of; none of what is no result."""
    try:
        found = find_result(path.with_name(path.name.replace("_parts.", "_dseg.")))
        report = read_report(found.place.path("json"))
        changed = find_changed(found.places, report)
    except SpineKitError:
        return _Formats(frozenset(), frozenset())
    listed = (Path(name).name for name in report.files)
    return _Formats(frozenset(listed), frozenset(file.name for file in changed))


def _is_dicom(path: Path) -> bool:
    try:
        return path.is_dir() and bool(dicom_files(path))
    except OSError:
        return False


def _tell(left_out: list[Path], what: str, *, quiet: bool) -> None:
    if left_out and not quiet:
        print(f"spinekit: {len(left_out)} {what}; passed over", file=sys.stderr)
