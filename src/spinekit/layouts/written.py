"""Whether the label volumes of a result are as they were written, or somebody painted in them.

It knows reports and where files lie; what is to become of a changed file, others decide.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinekit.core.errors import SpineKitError
from spinekit.io.reading import read_labels
from spinekit.io.voxels import hash_voxels
from spinekit.layouts.registry import Layout
from spinekit.layouts.wanted import Wanted


def find_changed(layout: Layout, wanted: Wanted, report: Mapping[str, Any]) -> list[Path]:
    """Find the label volumes of a result that no longer hold what was written.

    Args:
        layout: Where its files are.
        wanted: What the run was asked for that wrote it, in any format.
        report: Its sidecar; one without hashes, of an earlier version, tells of no change.

    Returns:
        The files, in every format that the report lists; none that is missing.
    """
    known = report.get("voxels_sha256") or {}
    listed = set(report.get("files", ()))
    there = {
        place.path(kind): digest
        for place in layout.reach(wanted)
        for kind, digest in known.items()
        if place.files.get(kind) in listed and place.path(kind).is_file()
    }
    return [path for path, digest in there.items() if not _holds(path, digest)]


def _holds(path: Path, digest: str) -> bool:
    """Whether a file's voxels have a hash; of a file that cannot be read they do not."""
    try:
        return hash_voxels(read_labels(path).array) == digest
    except SpineKitError:
        return False
