"""A result put where an earlier one of the scan lies: no file stays that would contradict it.

It knows paths and what reports list, in whatever layout; not how a result came about.
"""

import dataclasses
from typing import Any

from spinekit.io.reports import StoredReport
from spinekit.layouts.registry import Layout
from spinekit.layouts.wanted import Wanted
from spinekit.segmentation import Segmentation


def replace_result(
    layout: Layout, result: Segmentation, wanted: Wanted, *, beside: bool = False
) -> StoredReport:
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
    path, new = place.path("json"), set(place.files.values())
    before = StoredReport.find(path)
    kinds = {name: kind for other in layout.reach(wanted) for kind, name in other.files.items()}
    earlier = set() if before is None else before.files & (kinds.keys() - new)
    hashes = before.voxels_sha256 if before is not None and beside else {}

    def settle(report: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        written = report["voxels_sha256"]
        stale = {kind for kind, digest in hashes.items() if written[kind] != digest}
        there = {name for name in earlier if (place.root / name).exists()} if beside else set()
        kept = {name for name in there if kinds[name] not in stale}
        gone = set() if before is None else {*earlier, place.undo} - kept
        return {**report, "files": sorted(new | kept)}, gone

    # What is known of files that stay beside the new ones goes into its report.
    told = {**result.report, "voxels_sha256": hashes}
    layout.write(dataclasses.replace(result, report=told), wanted, settle)
    return StoredReport.read(path)
