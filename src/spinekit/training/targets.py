"""Level codes: from label values to the level head's soft targets.

A vertebra's code is its place in `LEVELS` plus one; a disc's code follows, and its target is half
the vertebra above and half the one below. It knows nothing of images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import LEVELS, VALUES, disc_value

DISC_PAIRS: tuple[tuple[str, str], ...] = (
    *((LEVELS[n], LEVELS[n + 1]) for n in range(1, 18)),
    ("T12", "L1"),
    ("T12", "T13"),
    ("T13", "L1"),
    ("T11", "L1"),
    *((f"L{n}", f"L{n + 1}") for n in range(1, 6)),
    ("L4", "sacrum"),
    ("L5", "sacrum"),
    ("L6", "sacrum"),
)
"""Vertebrae above and below each disc, in code order."""

_SHARED = {"T12-L1", "L5-S1"}
"""Usual names of the discs whose value does not tell what lies above them."""


def level_codes(
    labels: NDArray[np.integer], *, present: set[str] | None = None
) -> NDArray[np.uint8]:
    """(…) label values (`anatomy.scheme`) → level codes, 0 for anything without a level.

    Args:
        labels: Label map.
        present: Names of all structures of the column, a disc's two vertebrae among them; decides
            what lies above the discs 91 and 100. The normal column when not given.
    """
    table = np.zeros(256, np.uint8)
    for index, name in enumerate(LEVELS):
        table[VALUES[name]] = index + 1
    names = present or {"T12", "L5"}
    names = names | {end for name in names - _SHARED for end in name.split("-")}
    last_lumbar = next((n for n in ("L6", "L5", "L4") if n in names), "L5")
    last_thoracic = next((n for n in ("T13", "T12", "T11") if n in names), "T12")
    for offset, (above, below) in enumerate(DISC_PAIRS):
        if below == "sacrum" and above != last_lumbar:
            continue
        if below == "L1" and above != last_thoracic:
            continue
        table[disc_value(above, below)] = len(LEVELS) + 1 + offset
    return table[np.clip(labels, 0, 255)]


def target_table() -> NDArray[np.float32]:
    """(codes, levels) soft target of every level code; the row of code 0 is zero."""
    table = np.zeros((len(LEVELS) + 1 + len(DISC_PAIRS), len(LEVELS)), np.float32)
    table[np.arange(1, len(LEVELS) + 1), np.arange(len(LEVELS))] = 1.0
    for offset, (above, below) in enumerate(DISC_PAIRS):
        row = len(LEVELS) + 1 + offset
        table[row, LEVELS.index(above)] = 0.5
        table[row, LEVELS.index(below)] = 0.5
    return table
