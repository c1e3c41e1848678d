"""Every set and layout that can be asked for by name.

It knows their modules, not how any of them lies on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from spinekit.core.errors import InputError, UsageError
from spinekit.datasets import (
    al_khalil,
    bids,
    chu,
    decathlon,
    folder,
    goldatlas,
    mrspineseg,
    myosegmentum,
    nnunet,
    phantom,
    prepared_cases,
    spider,
    spine_generic,
    synthrad2023,
    totalspineseg,
    verse,
)
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry

DATASETS: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        prepared_cases.ENTRY,
        spider.ENTRY,
        al_khalil.ENTRY,
        chu.ENTRY,
        myosegmentum.ENTRY,
        mrspineseg.ENTRY,
        totalspineseg.ENTRY,
        spine_generic.SINGLE,
        spine_generic.MULTI,
        verse.ENTRY,
        goldatlas.ENTRY,
        synthrad2023.ENTRY,
        phantom.ENTRY,
        nnunet.ENTRY,
        decathlon.ENTRY,
        bids.ENTRY,
        folder.ENTRY,
    )
}
"""Name to entry; the more particular come first, for `recognise` asks in this order."""


def entry_named(name: str) -> Entry:
    """The entry of a name.

    Raises:
        UsageError: No set or layout is called so.
    """
    if name not in DATASETS:
        raise UsageError(
            "unknown-dataset",
            f"no dataset or layout is called {name!r}",
            f"choose one of {', '.join(sorted(DATASETS))}",
        )
    return DATASETS[name]


def find_cases(root: Path, dataset: str, settings: Mapping[str, Any] | None = None) -> list[Case]:
    """Every case of a set below a folder.

    Args:
        root: Where the set lies.
        dataset: A key of `DATASETS`.
        settings: What its entry's `settings` allow.

    Returns:
        Cases by name; at least one.

    Raises:
        UsageError: Unknown set, missing folder, or no case in it.
        RecipeError: An unknown or senseless setting.
        InputError: A table of the set cannot be read, or two cases bear one name.
    """
    entry = entry_named(dataset)
    settings = settings or {}
    entry.check(settings)
    if not root.is_dir():
        raise UsageError("file-missing", f"{root}: no such folder", "check the path")
    cases = sorted(entry.find(root, settings), key=lambda case: case.name)
    if not cases:
        raise UsageError(
            "no-cases",
            f"{root}: no case of {dataset} in this folder (looked for {entry.looked_for})",
            f"`spinekit data show {dataset}` tells more",
        )
    for first, second in pairwise(cases):
        if first.name == second.name:
            raise InputError(
                "same-name",
                f"{first.image} and {second.image} are both the case {first.name}",
                "rename one of them with its masks, or move it away",
            )
    return cases


def recognise(root: Path) -> str | None:
    """Guess the set or layout of a folder.

    Args:
        root: A folder.

    Returns:
        A key of `DATASETS`, None when nothing fits.
    """
    return next((name for name, entry in DATASETS.items() if entry.recognise(root)), None)
