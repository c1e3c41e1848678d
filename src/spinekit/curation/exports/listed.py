"""The list in a layout's folder of what this program put there: how it is read.

It knows paths and stamps, nothing of what becomes of the files.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

LIST = ".placed.json"
"""Name of the list: under `files`, by path within the folder, `pair`, `sha256`, and size in bytes
with time of change in ns of the file (`stamp`) and of what it was made from (`source`); under
`begun`, by pair, what a run that has not ended puts there. Readers of BIDS pass over hidden
files."""


def read_list(root: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The two parts of the list in a folder; empty where it is not there, or not of us."""
    try:
        told = json.loads((root / LIST).read_bytes())
        files = {
            path: {**row, "pair": str(row["pair"]), "sha256": str(row["sha256"])}
            for path, row in told["files"].items()
            if _is_inside(path)
        }
        begun = {
            str(pair): {
                "kept": bool(run["kept"]),
                "files": {p: list(source) for p, source in run["files"].items() if _is_inside(p)},
            }
            for pair, run in told["begun"].items()
        }
        return {"files": files, "begun": begun}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"files": {}, "begun": {}}


def _is_inside(path: str) -> bool:
    """Whether a path that a list names lies within the folder."""
    return not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts


def stamp_of(path: Path) -> list[int]:
    """Size of a file in bytes and time of change in ns; nothing where it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]
