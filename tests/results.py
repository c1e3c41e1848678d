"""What a run of the command line left in a folder."""

import json
from pathlib import Path

FILES = ["spine_dseg.json", "spine_dseg.nii.gz", "spine_parts.nii.gz", "spine_preview.png"]
"""Of the scan `spine`, by their order in a listing."""


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What every file holds, by its name from the folder."""
    return {name: (folder / name).read_bytes() for name in listing(folder)}


def a_report(**sections: object) -> dict:
    """A report of this program that holds what is read of every one, and what is given."""
    return {
        "spinekit_version": "0.1.0",
        "input": {"sha256": "1f"},
        "model": {"sha256": None},
        "options": {},
        "seconds": {},
        "structures": [],
        "column": {"ambiguous": False, "anomalies": [], "outside": []},
        "warnings": [],
        "evidence": {"items": []},
        **sections,
    }


def report_of(folder: Path, stem: str = "spine") -> dict:
    return json.loads((folder / f"{stem}_dseg.json").read_text(encoding="utf-8"))
