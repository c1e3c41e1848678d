"""The report beside a result, read back: whether it is ours, what it says, and what still holds.

It knows the report's keys and when one is of use; what is done where none is, its readers know.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError, SpineKitError
from spinekit.io.reading import read_labels
from spinekit.io.voxels import hash_voxels

_MARK = "spinekit_version"
"""The key by which a report is known; the second of those that are written."""
_MARK_WITHIN = 200
"""Bytes from the beginning of a report that hold the mark."""
_MATTERS_WITH = {
    "force": {"not-mri", "no-spine", "uneven-slices", "uneven-volumes", "mixed-orientation"},
    "strict": {"implausible-spacing", "units-doubtful"},
}
"""Option → warnings of a result that it would have changed, or kept from being."""
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
    """The result's files below the folder of its layout."""
    voxels_sha256: Mapping[str, str]
    """Kind of label map → hash of its voxels as written."""

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
                provenance=_rows(told["provenance"], "action", "words"),
                files=frozenset(map(str, told["files"])),
                voxels_sha256={**told["voxels_sha256"]},
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

    def other_options(self, options: Mapping[str, Any]) -> list[str]:
        """The options that differ from others and can have changed the result.

        Which series was taken shows in the scan's content. `force` and `strict` matter only where
        the result says that there was something to put up with.

        Args:
            options: As another report would have them.
        """
        told = {warning["code"] for warning in self.warnings}
        idle = {"series"} | {name for name, codes in _MATTERS_WITH.items() if not codes & told}
        keys = sorted({*self.options, *options} - idle)
        return [key for key in keys if self.options.get(key) != options.get(key)]

    def find_obstacle(
        self, folder: Path, new: Mapping[str, Any], reach: Sequence[Mapping[str, str]]
    ) -> tuple[str, str] | None:
        """Why a new result must not take this one's place: code and text; None where it may.

        Args:
            folder: The folder of the layout.
            new: The new report.
            reach: Kind → path below it of the files that this result may have, for each format.
        """
        path = folder / reach[0]["json"]
        if self.input_sha256 != new["input"]["sha256"]:
            return "other-scan", f"{path} was made of another scan of this name"
        if other := self.other_options(new["options"]):
            return "other-options", f"{path} was made with other options ({', '.join(other)})"
        if self.model_sha256 != new["model"]["sha256"]:
            return "other-options", f"{path} was made with another model"
        corrected = self.find_correction(folder, reach)
        return None if corrected is None else ("results-exist", corrected)

    def find_correction(self, folder: Path, reach: Sequence[Mapping[str, str]]) -> str | None:
        """What of the result a person has corrected, names or voxels; None for nothing.

        Args:
            folder: The folder of the layout.
            reach: As in `find_obstacle`.
        """
        if self.provenance:
            return f"names in {folder / reach[0]['json']} were corrected by hand"
        for file in (file for names in reach for file in self.find_changed(folder, names)):
            return f"{file} was changed since it was written, by hand"
        return None

    def find_changed(self, folder: Path, files: Mapping[str, str]) -> list[Path]:
        """The label volumes that no longer hold what was written; none that is missing.

        Args:
            folder: The folder of the layout.
            files: Kind of file → path below it; those that the report does not list are passed by.
        """
        known = self.voxels_sha256
        written = {
            k: folder / name for k, name in files.items() if k in known and name in self.files
        }
        return [path for k, path in written.items() if path.is_file() and _differs(path, known[k])]


def _differs(path: Path, digest: str) -> bool:
    """Whether a file's voxels have another hash; those of a file that cannot be read have."""
    try:
        return hash_voxels(read_labels(path).array) != digest
    except SpineKitError:
        return True


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
