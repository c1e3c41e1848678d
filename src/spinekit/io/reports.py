"""The report beside a result, read back: whether it is ours, and what it says.

It knows the report's keys and when one is of use; what is done where none is, its readers know.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError

_MARK = "spinekit_version"
"""The key by which a report is known; the second of those that are written."""
_MARK_WITHIN = 200
"""Bytes from the beginning of a report that hold the mark."""
_OF_STRUCTURE = ("name", "value", "part", "probability", "centroid_ras_mm", "touches_edge")


@dataclass(frozen=True, slots=True)
class StoredReport:
    """What the report of a result says."""

    whole: Mapping[str, Any]
    """All of it, key by key, to be written back."""
    input_sha256: str
    """Content of what was segmented."""
    model_sha256: str | None
    """The model that looked at it; None where none did."""
    options: Mapping[str, Any]
    seconds: float
    """Time that all steps took together."""
    structures: Sequence[dict[str, Any]]
    column: Mapping[str, Any]
    warnings: Sequence[dict[str, Any]]
    evidence: Mapping[str, Any]
    """What names are decided from; `report.recall_evidence` knows whether it is whole."""
    provenance: Sequence[Mapping[str, Any]]
    """Changes of names, the first one first."""
    files: frozenset[str]
    """The result's files below the folder of its layout; empty in reports of earlier versions."""
    voxels_sha256: Mapping[str, str]
    """Kind of label map → hash of its voxels as written; empty in reports of earlier versions."""

    @classmethod
    def parse(cls, content: bytes) -> StoredReport | None:
        """Take in the bytes of a report; None where another program wrote them.

        Raises:
            ValueError: It is damaged.
        """
        told = json.loads(content)
        if not (isinstance(told, dict) and told.get(_MARK)):
            return None
        try:
            return cls(
                whole=told,
                input_sha256=told["input"]["sha256"],
                model_sha256=told["model"]["sha256"],
                options={**told["options"]},
                seconds=sum({**told["seconds"]}.values()),
                structures=_rows(told["structures"], *_OF_STRUCTURE),
                column={**told["column"]},
                warnings=_rows(told["warnings"], "code", "text"),
                evidence={**told["evidence"]},
                provenance=_rows(told.get("provenance", ()), "action", "words"),
                files=frozenset(map(str, told.get("files", ()))),
                voxels_sha256={**(told.get("voxels_sha256") or {})},
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"incomplete: {error}") from error

    @classmethod
    def read(cls, path: Path) -> StoredReport:
        """Read a report.

        Raises:
            InputError: It cannot be read, is damaged, or another program wrote it.
        """
        try:
            stored = cls.parse(path.read_bytes())
        except OSError as error:
            raise InputError(
                "report-missing",
                f"{path.name}: cannot be read",
                "keep it where it was written, or segment the scan again",
            ) from error
        except ValueError:
            stored = None
        if stored is None:
            text = f"{path.name}: no report of this program"
            raise InputError("report-damaged", text, "segment the scan again")
        return stored

    @classmethod
    def find(cls, path: Path) -> StoredReport | None:
        """Read a report; None where there is none that `read` would take."""
        try:
            return cls.read(path)
        except InputError:
            return None


def _rows(told: Any, *keys: str) -> list[dict[str, Any]]:
    """A table of the report, whose rows all have some keys."""
    rows = [{**row} for row in told]
    if any(key not in row for row in rows for key in keys):
        raise KeyError(*keys)
    return rows


@functools.lru_cache(maxsize=4096)
def is_report(path: Path) -> bool:
    """Whether a file begins as a report of this program; of a large one no more is read."""
    try:
        with path.open("rb") as file:
            return f'"{_MARK}"'.encode() in file.read(_MARK_WITHIN)
    except OSError:
        return False
