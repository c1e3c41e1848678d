"""What of a result lies in its place, by what its report says: others may have put files beside.

It knows reports and places; which files a run writes, the layouts know, and what is to become of
a changed file, others decide.
"""

from collections.abc import Iterable
from pathlib import Path

from spinekit.io.reports import StoredReport
from spinekit.layouts.wanted import Place


def find_listed(place: Place, report: StoredReport) -> dict[str, Path]:
    """Kind of file → path, of the files in a place those that are there and its report lists."""
    listed = [kind for kind, name in place.files.items() if name in report.files]
    return {kind: place.path(kind) for kind in listed if place.path(kind).is_file()}


def find_kinds(place: Place) -> set[str]:
    """Kinds of files that the result in a place has.

    Args:
        place: With every kind that it may have.

    Returns:
        Those that are there and that the report lists. Where it lists no files, or they were
        renamed since, so that it does not list itself, those that are there.
    """
    report = StoredReport.find(place.path("json"))
    if report is None or place.files["json"] not in report.files:
        return {kind for kind in place.files if place.path(kind).is_file()}
    return set(find_listed(place, report))


def find_changed(places: Iterable[Place], report: StoredReport) -> list[Path]:
    """Find the label volumes of a result that no longer hold what was written.

    Args:
        places: Where its files may lie.
        report: Its report; one without hashes tells of no change.

    Returns:
        Of the files that the report lists; none that is missing.
    """
    found = (report.find_changed(place.root, place.files) for place in places)
    return list(dict.fromkeys(path for changed in found for path in changed))
