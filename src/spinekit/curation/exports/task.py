"""What every export is made of: tasks for cases, and a closing word for the set.

It knows no layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from spinekit.curation.prepared import PreparedSet


@dataclass(frozen=True)
class Task:
    """The files of one pair."""

    name: str
    work: Callable[..., None]
    """A function of a module, called with `arguments`."""
    arguments: tuple[Any, ...]


@dataclass
class Plan:
    """What an export will do."""

    tasks: list[Task] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    """Pairs that the layout cannot hold: `name`, `reason`."""
    present: list[str] = field(default_factory=list)
    """Pairs that the layout takes from where the set has them."""


@dataclass(frozen=True)
class Export:
    """A layout."""

    plan: Callable[[PreparedSet], Plan]
    finish: Callable[[PreparedSet, Sequence[str]], None]
    """Writes what describes the set, given the names of the pairs that are there."""
    places: tuple[str, ...]
    """What it writes, as patterns within the folder of the set."""
