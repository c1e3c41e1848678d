"""A result put where an earlier one of the scan lies: no file stays that would contradict it.

It knows paths and what reports list, in whatever layout; not how a result came about.
"""

import dataclasses
from collections.abc import Mapping, Set
from typing import Any

from spinekit.io.writing import output_errors, write_json
from spinekit.layouts.listed import report_at
from spinekit.layouts.registry import Layout
from spinekit.layouts.wanted import Place, Wanted
from spinekit.segmentation import Segmentation


def replace_result(
    layout: Layout, result: Segmentation, wanted: Wanted, *, beside: bool = False
) -> Mapping[str, Any]:
    """Write a result; what an earlier run wrote of the scan and this one does not is removed.

    A file goes only where the earlier report lists it and the layout has its name for this scan,
    and once the new files are in place. So does what an earlier change of names could be undone by.

    Args:
        layout: Where its files go.
        result: The result.
        wanted: What of it.
        beside: Leave the other files of the earlier run, such as the same in another format; not
            labels that say something else.

    Returns:
        The report as written; its `files` are those of the result, with those left beside it.

    Raises:
        OutputError: A file cannot be written or removed.
    """
    place = layout.plan(wanted)
    new = set(place.files.values())
    earlier: set[str] = set()
    archives: set[str] = set()
    hashes: dict[str, str] = {}
    held: dict[str, str] = {}
    for other in layout.reach(wanted):
        before = report_at(other)
        if before is not None:
            listed = {str(name) for name in before["files"]}
            earlier |= listed & set(other.files.values()) - new
            archives.add(other.undo)
            if beside and other.files["json"] == place.files["json"]:
                known = before.get("voxels_sha256") or {}
                hashes |= known
                held |= {name: known[kind] for kind, name in other.files.items() if kind in known}
    kept = {name for name in earlier if (place.root / name).exists()} if beside else set()
    report = {**result.report, "files": sorted(new | kept), "voxels_sha256": hashes}
    written = dict(layout.write(dataclasses.replace(result, report=report), wanted))
    if kept:
        kept -= _leave_out_other_labels(place, kept, held, layout, wanted)
        written["files"] = sorted(new | kept)
    for name in sorted(earlier - kept | ({place.undo} & archives if beside else archives)):
        with output_errors(place.root / name):
            (place.root / name).unlink(missing_ok=True)
    return written


def _leave_out_other_labels(
    place: Place, kept: Set[str], held: Mapping[str, str], layout: Layout, wanted: Wanted
) -> set[str]:
    """Take files left beside that hold other labels than were written out of the report.

    Args:
        place: Where the new result lies.
        kept: Names of the files left.
        held: Name of a label map → hash of what it held when it was written.
        layout: Where files go.
        wanted: What was written.

    Returns:
        Names of those files.
    """
    report = report_at(place)
    if report is None:
        return set()
    now = report.get("voxels_sha256") or {}
    kinds = {name: kind for other in layout.reach(wanted) for kind, name in other.files.items()}
    stale = {name for name in kept & held.keys() if now.get(kinds[name]) != held[name]}
    if stale:
        files = [name for name in report["files"] if name not in stale]
        write_json(place.path("json"), {**report, "files": files})
    return stale
