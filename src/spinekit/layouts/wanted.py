"""What a layout is asked for, and what it answers: which files, and where.

It knows paths and choices, no result.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wanted:
    """The files of one scan that are asked for."""

    source: Path
    """The scan."""
    stem: str
    """Its name without extensions."""
    out: Path
    """OUT, the folder of the whole run."""
    inside: Path = Path()
    """Where the scan lay inside the folder given; kept inside OUT where the layout has folders."""
    fmt: str = "nii.gz"
    """Ending of the volumes."""
    scheme: str = "spinekit"
    """Label scheme of the values."""
    iso: bool = False
    """The result lies on a grid of its own."""
    levels: bool = False
    """With the points of the discs."""
    soft: bool = False
    """With the soft maps of canal and cord."""
    localizer: Path | None = None
    """Labels of the scan's localizer, where there are any."""
    step1: bool = False
    """Only the first of the two steps, in a layout that has steps."""
    keep: tuple[str, ...] = ()
    """The only folders to write, in a layout that has folders of one kind; empty for all."""


@dataclass(frozen=True)
class Place:
    """Where the files of one scan go."""

    root: Path
    """The folder under which they all appear together."""
    files: Mapping[str, str]
    """Kind of file → path below `root`; `json` is the report, and is always there."""
    shown: str
    """Kind of the file that a person should look at."""
    labels: str
    """Kind of the label map that bears the names."""
    undo: str
    """Path below `root` of the archive that a change of names leaves."""

    @property
    def is_drawn(self) -> bool:
        """Whether a picture is among the files."""
        return any(kind.startswith("preview") for kind in self.files)

    def path(self, kind: str) -> Path:
        """The path of a file."""
        return self.root / self.files[kind]
