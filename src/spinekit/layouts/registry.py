"""The layouts there are, by name.

It knows what every layout must be able to do, and nothing of how it does it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from spinekit.io.discovery import ScanSource
from spinekit.layouts import bids, plain, totalspineseg
from spinekit.layouts.wanted import Place, Wanted
from spinekit.segmentation import Segmentation


class Layout(Protocol):
    """A module that lays out files."""

    OPTIONS: Mapping[str, Any]
    """Options of the segmentation that the layout fixes."""

    def check(self, wanted: Wanted) -> None:
        """Refuse choices that make no sense here, before anything runs."""

    def select(self, found: Sequence[ScanSource]) -> list[ScanSource]:
        """The scans to do, of those that were found in a folder."""

    def plan(self, wanted: Wanted) -> Place:
        """Where the files of a scan go."""

    def write(self, result: Segmentation, wanted: Wanted) -> Mapping[str, Any]:
        """Write a result, all of it or nothing, and give back its report."""


LAYOUTS: Mapping[str, Layout] = {
    "spinekit": plain,
    "totalspineseg": totalspineseg,
    "bids": bids,
}
