"""What of a result lies in its place, by what its report lists: others may have put files beside.

It knows reports and places; which files a run writes, the layouts know.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from spinekit.layouts.wanted import Place


def report_at(place: Place) -> dict[str, Any] | None:
    """The report of the result in a place; None where there is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        report = json.loads(Path(place.path("json")).read_bytes())
        if report["spinekit_version"]:
            return {**report, "files": [*report.get("files", ())]}
    return None


def find_kinds(place: Place) -> set[str]:
    """Kinds of files that the result in a place has.

    Args:
        place: With every kind that it may have.

    Returns:
        Those that are there and that the report lists. Where it lists no files, or they were
        renamed since, so that it does not list itself, those that are there.
    """
    report = report_at(place)
    listed = set() if report is None else {str(name) for name in report["files"]}
    is_telling = place.files["json"] in listed
    return {
        kind
        for kind, name in place.files.items()
        if place.path(kind).is_file() and (name in listed or not is_telling)
    }
