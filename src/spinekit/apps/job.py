"""One scan to do: its files and how it is done, and what became of it, as plain values.

It knows names and choices; which scans there are, and how they are done, it does not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spinekit.adoption import MaskOptions
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.wanted import Place, Wanted
from spinekit.options import SegmentOptions


@dataclass(frozen=True)
class Job:
    """One scan to do."""

    source: Path
    """File or DICOM folder."""
    shown: str
    """How the scan is called in messages: its name, or its path in the folder given."""
    wanted: Wanted
    """Its files."""
    layout: str
    """How they are laid out."""
    options: SegmentOptions | MaskOptions
    """How the scan is segmented, or the mask named."""
    overwrite: bool
    """Do it although its files are there."""
    debug: bool
    """Show the traceback of an error."""
    alone: bool
    """The only scan: its wrong use is wrong use of the command."""
    study: str = ""
    """Jobs with the same word here are named together; empty for a scan by itself."""
    threads: int = 1
    """Threads of the network, where it looks at a mask's scan."""
    frame: str = ""
    """What the scanner calls its frame; series of other frames are not compared with it."""

    @property
    def place(self) -> Place:
        """Where its files go."""
        return LAYOUTS[self.layout].plan(self.wanted)

    @property
    def files(self) -> dict[str, Path]:
        """Kind of file → path, for every file the job writes."""
        place = self.place
        return {kind: place.path(kind) for kind in place.files}


@dataclass(frozen=True)
class Outcome:
    """What became of a job; a row of the summary."""

    input: str
    status: str
    """`done`, `skipped` (its files were there already) or `failed`."""
    seconds: float = 0.0
    vertebrae: tuple[str, ...] = ()
    discs: int = 0
    probability: float | None = None
    """Of the least certain name of a vertebra."""
    ambiguous: bool = False
    anomalies: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    warning_codes: tuple[str, ...] = ()
    preview: str = ""
    code: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return asdict(self)
