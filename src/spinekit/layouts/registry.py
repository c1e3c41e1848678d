"""The layouts there are, by name.

It knows what every layout must be able to do, and nothing of how it does it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from spinekit.io.discovery import ScanSource
from spinekit.layouts import bids, plain, totalspineseg
from spinekit.layouts.wanted import Place, Wanted
from spinekit.segmentation import Segmentation, Settle, leave_earlier


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

    def reach(self, wanted: Wanted) -> list[Place]:
        """Where the files of a result may lie, whatever else a run was asked for.

        All of these places have the report and the archive of `plan`.
        """

    def recall(self, labels: Path) -> Wanted | None:
        """What the run was asked for that wrote these labels; None where it has none such."""

    def write(self, result: Segmentation, wanted: Wanted, settle: Settle = leave_earlier) -> None:
        """Write a result, all of it or nothing; `settle` says what goes of an earlier one."""


LAYOUTS: Mapping[str, Layout] = {
    "bids": bids,
    "totalspineseg": totalspineseg,
    "spinekit": plain,
}
"""The more particular first: what one of them wrote may look like a result of a later one."""
