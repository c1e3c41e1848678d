"""Whether a file is still the one that it was: size, time of change and digest of its bytes.

It knows files and series, nothing of what is in them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError
from spinekit.io.discovery import dicom_files
from spinekit.io.reading import hash_files


def fingerprint(path: Path, series: str | None, root: Path) -> dict[str, Any]:
    """What tells whether an input is still the same; errors come when it is read.

    Args:
        path: File, or DICOM folder.
        series: UID of the series, where the folder holds several.
        root: Folder of its set; the path is told from there.

    Returns:
        `file`, `bytes`, `modified_ns` and `sha256`; the last three empty where it cannot be read.
    """
    shown = shown_path(path, root)
    try:
        files = _files_of(path, series)
        stats = [file.stat() for file in files]
        return {
            "file": shown,
            "bytes": sum(stat.st_size for stat in stats),
            "modified_ns": max((stat.st_mtime_ns for stat in stats), default=0),
            "sha256": hash_files(files),
        }
    except (OSError, InputError):
        return {"file": shown, "bytes": 0, "modified_ns": 0, "sha256": ""}


def is_same(path: Path, series: str | None, root: Path, row: dict[str, Any]) -> bool:
    """Whether an input has path, size and time of change of its fingerprint, or else the bytes."""
    try:
        files = _files_of(path, series)
        stats = [file.stat() for file in files]
        same_size = sum(stat.st_size for stat in stats) == row["bytes"]
        same_time = max((s.st_mtime_ns for s in stats), default=0) == row["modified_ns"]
        same = same_size and (same_time or hash_files(files) == row["sha256"])
        return same and shown_path(path, root) == row["file"]
    except (OSError, InputError):
        return False


def shown_path(path: Path, root: Path) -> str:
    """A path inside its set; the name alone for one that lies elsewhere."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return path.name


def _files_of(path: Path, series: str | None) -> list[Path]:
    if series is not None:
        from spinekit.io.dicom import series_files

        return series_files(path, series)
    return dicom_files(path) if path.is_dir() else [path]
