"""The classes of TotalSpineSeg's two steps and its labels, as look-up tables from our values.

It knows which class stands for which structure, and nothing of images or of how they are found.

Each table has 256 entries: our value → theirs, 0 where they have none. Classes after the tool's
own description: step 1 has 1 disc, 2 C2-C3, 3 C7-T1, 4 T12-L1, 5 the disc on the sacrum,
6 vertebrae with sacrum, 7 C1, 8 canal, 9 cord; step 2 has the discs alike, 6 a vertebra of
neither kind, 7 and 8 vertebrae in turn, 9 sacrum, 10 canal, 11 cord. Its third data set has a
class of its own for every structure of an ordinary column.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import CERVICAL, LUMBAR, SACRUM, THORACIC, Variant
from spinekit.anatomy.scheme import LAST_DISC, NAMES, VALUES, disc_name, kind_of_value, load_scheme

Table = NDArray[np.uint8]

_ALL_DISCS = 1
LANDMARK_DISCS = {"C2-C3": 2, "C7-T1": 3, "T12-L1": 4, "L5-S1": 5}
"""Discs with a class of their own in both steps."""
_STEP1 = {"vertebra": 6, "sacrum": 6, "spinal_canal": 8, "spinal_cord": 9}
_STEP1_C1 = 7
_STEP2 = {"vertebra": 6, "sacrum": 9, "spinal_canal": 10, "spinal_cord": 11}
_IN_TURN = (*CERVICAL, *THORACIC[:12], *LUMBAR)
"""Vertebrae that are 7 and 8 in turn, C1 being 7; T13 has no place among them."""
TURNS = (7, 8)
"""Classes of vertebrae in turn."""
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
        table[VALUES[name]] = TURNS[order % 2]
    return table


def full_classes() -> Table:
    """Our values → classes of the data set that has one for each; none for T13, L6, their discs."""
    table = np.zeros(256, np.uint8)
    discs = [disc_name(upper, lower) for upper, lower in pairwise(Variant().levels[1:])]
    for first, names in (
        (3, discs[: discs.index("T1-T2")]),
        (10, discs[discs.index("T1-T2") : discs.index("L1-L2")]),
        (23, discs[discs.index("L1-L2") :]),
        (30, CERVICAL),
        (38, THORACIC[:12]),
        (51, LUMBAR[:5]),
        (56, (SACRUM, "spinal_canal", "spinal_cord")),
    ):
        for number, name in enumerate(names, start=first):
            table[VALUES[name]] = number
    return table


def discs_in_turn() -> tuple[frozenset[int], frozenset[int]]:
    """Our values of the discs that the second network is shown in turn, C2-C3 among the first.

    The disc on the sacrum is in neither set, nor is any that the tool's labels lack.
    """
    known = step2_labels()
    discs = [v for v in NAMES if known[v] and kind_of_value(v) == "disc" and v != LAST_DISC]
    return frozenset(discs[::2]), frozenset(discs[1::2])


def step1_labels() -> Table:
    """Our values → labels after the first step: discs by name, vertebrae as the sacrum but C1."""
    table = step2_labels()
    for value in NAMES:
        if kind_of_value(value) == "vertebra" and value != VALUES["C1"]:
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
    discs = [value for value in sorted(present) if known[value] and kind_of_value(value) == "disc"]
    for value in discs[::2]:
        table[value] = value
    return table


def _with_discs(classes: dict[str, int]) -> Table:
    table = np.zeros(256, np.uint8)
    for value, name in NAMES.items():
        table[value] = classes.get(kind_of_value(value), 0) or LANDMARK_DISCS.get(name, _ALL_DISCS)
    return table
