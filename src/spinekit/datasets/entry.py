"""An entry of the dataset registry: who made a set, how it lies on disk, how it is had.

It knows no set by name and reads no file; each set's module fills one in.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinekit.core.errors import RecipeError
from spinekit.datasets.case import Case
from spinekit.datasets.sources import Source

Settings = Mapping[str, Any]
"""What a user says of a set's folder, by the keys of `Entry.settings`."""


@dataclass(frozen=True)
class Entry:
    """A published set, or a way of laying out one's own."""

    name: str
    """Word used on the command line."""
    title: str
    citation: str
    """Reference with its DOI; for a layout, the page that defines it."""
    licence: str
    homepage: str
    layout: str
    """Tree of files as published, one path a line, with what they are."""
    labels: str
    """What the masks' values are, in a sentence or a table."""
    find: Callable[[Path, Settings], list[Case]]
    """Lists the cases below a folder. A folder without any gives an empty list."""
    source: Source
    """Where its files are had."""
    recognise: Callable[[Path], bool] = lambda _: False
    """Whether a folder looks like this set; never, where no name tells it from other folders."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Key to one line of help."""
    tells_patients: bool = False
    """Whether its records say who the patient of every case is, and no name has to."""

    @property
    def looked_for(self) -> str:
        """The first paths of its layout, in a line."""
        lines = self.layout.splitlines()[:3]
        return ", ".join(re.split(r"\s{2,}", line)[0] for line in lines)

    def check(self, settings: Settings, *, otherwise: str = "") -> None:
        """Refuse a setting the set does not know.

        Args:
            settings: What a user says.
            otherwise: How to name another set, where this one was recognised and not named.

        Raises:
            RecipeError: Names the nearest valid key.
        """
        who = f"{self.name}, as which the folder was recognised," if otherwise else self.name
        also = f"; to take the folder for another: {otherwise}" if otherwise else ""
        for key in settings:
            if key not in self.settings:
                near = difflib.get_close_matches(key, self.settings, n=1)
                known = ", ".join(self.settings) or "none"
                rest = f"leave it out; its settings: {known}"
                raise RecipeError(
                    "unknown-setting",
                    f"{who} has no setting {key!r}",
                    (f"did you mean {near[0]!r}?" if near else rest) + also,
                )


def holds(pattern: str) -> Callable[[Path], bool]:
    """For `Entry.recognise`: whether something in a folder fits a pattern of `Path.glob`."""
    return lambda root: any(root.glob(pattern))
