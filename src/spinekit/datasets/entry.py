"""An entry of the dataset registry: who made a set, how it lies on disk, how it is had.

It knows no set by name and reads no file; each set's module fills one in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinekit.core.errors import RecipeError
from spinekit.datasets.case import Case

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
    recognise: Callable[[Path], bool]
    """Whether a folder looks like this set."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Key to one line of help."""

    def check(self, settings: Settings) -> None:
        """Refuse a setting the set does not know.

        Raises:
            RecipeError: Names the nearest valid key.
        """
        import difflib

        for key in settings:
            if key not in self.settings:
                near = difflib.get_close_matches(key, self.settings, n=1)
                known = ", ".join(self.settings) or "none"
                raise RecipeError(
                    "unknown-setting",
                    f"{self.name} has no setting {key!r}",
                    f"did you mean {near[0]!r}?" if near else f"its settings: {known}",
                )
