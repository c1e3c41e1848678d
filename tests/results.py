"""A run of the command line, and what it left in a folder."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from spinekit.apps.cli import main

FILES = ["spine_dseg.json", "spine_dseg.nii.gz", "spine_parts.nii.gz", "spine_preview.png"]
"""Of the scan `spine`, by their order in a listing."""


def run(*words: object) -> int:
    """The exit status of a command that prints errors only."""
    return main([*map(str, words), "--quiet"])


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
        "provenance": [],
        "files": [],
        "voxels_sha256": {},
        **sections,
    }


def report_of(folder: Path, stem: str = "spine") -> dict:
    return read_json(folder / f"{stem}_dseg.json")


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def vertebrae(report: dict) -> list[str]:
    """Their names, from above."""
    return [row["name"] for row in report["structures"] if row["part"] == "vertebra"]


def codes(report: dict) -> list[str]:
    """Those of its warnings."""
    return [warning["code"] for warning in report["warnings"]]


def voxels(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)
