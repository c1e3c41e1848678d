"""Which files of a folder are masks, or label maps, and which are something else of a result.

It knows names and what lies beside a file; no mask is opened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spinekit.core.errors import InputError, UsageError
from spinekit.io.discovery import SEGMENTATION_ENDING, ScanSource, dicom_files, find_scans, stem_of
from spinekit.io.results import is_part_of_result, is_result
from spinekit.relabelling.result import find_result


def find_masks(
    source: Path, *, exclude: Path | None, quiet: bool, kind: str = "dseg"
) -> list[ScanSource]:
    """The masks of a folder; of results only one file each.

    Left out are the parts, points, soft maps and images of results, what bears the name of a
    `.seg.nrrd` beside it, and DICOM folders; lines say how many.

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

    def leave_out(path: Path) -> bool:
        if _is_other(path, kind):
            others.append(path)
        elif _is_double(path):
            doubles.append(path)
        return path in (*others[-1:], *doubles[-1:])

    try:
        found = find_scans(source, exclude=exclude, leave_out=leave_out, masks=True)
    finally:
        but = "bear no names (parts, points, images)" if kind == "dseg" else "are no parts"
        _tell(others, f"files in {source} are of results, but {but}", quiet=quiet)
        _tell(doubles, f"files in {source} have the name of a {SEGMENTATION_ENDING}", quiet=quiet)
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
    taken = {(scan.relative_dir, scan.stem) for scan in found}
    names = {}
    for scan in found:
        short = scan.stem.removesuffix("_dseg")
        beside = os.path.realpath(out / scan.relative_dir) == os.path.realpath(scan.path.parent)
        is_free = bool(short) and (scan.relative_dir, short) not in taken and not beside
        names[scan.path] = short if is_free else scan.stem
    return names


def _is_other(path: Path, kind: str) -> bool:
    """Whether a file belongs to a result, and is not what is wanted of it."""
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


def _is_double(path: Path) -> bool:
    """Whether a segmentation of the same name lies beside a file."""
    segmentation = path.with_name(stem_of(path) + SEGMENTATION_ENDING)
    return path != segmentation and segmentation.is_file()


def _is_dicom(path: Path) -> bool:
    try:
        return path.is_dir() and bool(dicom_files(path))
    except OSError:
        return False


def _tell(left_out: list[Path], what: str, *, quiet: bool) -> None:
    if left_out and not quiet:
        print(f"spinekit: {len(left_out)} {what}; passed over", file=sys.stderr)
