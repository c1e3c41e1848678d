"""The classes of TotalSpineSeg's two steps and its labels, as look-up tables from our values.

It knows which class stands for which structure, and nothing of images or of how they are found.

Each table has 256 entries: our value → theirs, 0 where they have none. Classes after the tool's
own description: step 1 has 1 disc, 2 C2-C3, 3 C7-T1, 4 T12-L1, 5 the disc on the sacrum,
6 vertebrae with sacrum, 7 C1, 8 canal, 9 cord; step 2 has the discs alike, 6 a vertebra of
neither kind, 7 and 8 vertebrae in turn, 9 sacrum, 10 canal, 11 cord.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import CERVICAL, LUMBAR, THORACIC
from spinekit.anatomy.scheme import NAMES, VALUES, load_scheme, part_of

Table = NDArray[np.uint8]

_ALL_DISCS, _LANDMARK_DISCS = 1, {"C2-C3": 2, "C7-T1": 3, "T12-L1": 4, "L5-S1": 5}
_STEP1 = {"vertebra": 6, "sacrum": 6, "spinal_canal": 8, "spinal_cord": 9}
_STEP1_C1 = 7
_STEP2 = {"vertebra": 6, "sacrum": 9, "spinal_canal": 10, "spinal_cord": 11}
_IN_TURN = (*CERVICAL, *THORACIC[:12], *LUMBAR)
"""Vertebrae that are 7 and 8 in turn, C1 being 7; T13 has no place among them."""
LEVELS_KNOWN = range(1, 26)
"""Numbers of the points on the canal that the tool writes."""


def step1_classes() -> Table:
    """Our values → classes of the first network."""
    table = _with_discs(_STEP1)
    table[VALUES["C1"]] = _STEP1_C1
    return table


def step2_classes() -> Table:
    """Our values → classes of the second network."""
    table = _with_discs(_STEP2)
    for order, name in enumerate(_IN_TURN):
        table[VALUES[name]] = 7 + order % 2
    return table


def step1_labels() -> Table:
    """Our values → labels after the first step: discs by name, vertebrae as the sacrum but C1."""
    table = step2_labels()
    for value in NAMES:
        if part_of(value) == "vertebra" and value != VALUES["C1"]:
            table[value] = VALUES["sacrum"]
    return table


def step2_labels() -> Table:
    """Our values → the tool's final labels; without T13, its discs, and what has no name."""
    table = np.zeros(256, np.uint8)
    for name, value in load_scheme("totalspineseg").values.items():
        table[VALUES[name]] = value
    return table


def alternate_discs(present: Iterable[int]) -> Table:
    """Every other disc that is there, from the uppermost: what the second network is shown.

    Args:
        present: Our values in the label map.

    Returns:
        Our values → the same values for those discs, 0 for all else.
    """
    table = np.zeros(256, np.uint8)
    known = step2_labels()
    discs = [value for value in sorted(present) if known[value] and part_of(value) == "disc"]
    for value in discs[::2]:
        table[value] = value
    return table


def _with_discs(classes: dict[str, int]) -> Table:
    table = np.zeros(256, np.uint8)
    for value, name in NAMES.items():
        table[value] = classes.get(part_of(value), 0) or _LANDMARK_DISCS.get(name, _ALL_DISCS)
    return table
