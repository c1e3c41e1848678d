"""The classes of TotalSpineSeg's nnU-Net datasets 101, 102 and 103, from our values.

They are facts of that system's published `dataset.json` files and maps. It knows numbers, no files.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.anatomy.totalspineseg import (
    LANDMARK_DISCS,
    TURNS,
    Table,
    discs_in_turn,
    full_classes,
    step1_classes,
    step2_classes,
    step2_labels,
)

ALTERNATE_DISCS, OTHER_DISCS = discs_in_turn()
"""Second channel of dataset 102, and of its second cases."""


@dataclass(frozen=True)
class NnunetDataset:
    """One dataset: what a value becomes, and what the classes are called."""

    number: int
    name: str
    channels: tuple[str, ...]
    classes: dict[int, int]
    """Our value → class."""
    regions: dict[str, int | list[int]]
    """As under `labels` of `dataset.json`, background included."""

    @property
    def folder(self) -> str:
        """As nnU-Net wants it called."""
        return f"Dataset{self.number:03d}_{self.name}"

    @property
    def order(self) -> list[int]:
        """`regions_class_order`: every class, one after the other."""
        return list(range(1, len(self.regions)))

    def lacks(self, values: Collection[int]) -> list[str]:
        """Names of our values that have no class here."""
        return [NAMES.get(value, str(value)) for value in values if value not in self.classes]


def _step1() -> NnunetDataset:
    classes = _by_value(step1_classes())
    regions: dict[str, int | list[int]] = {"background": 0, "disc": [1, 2, 3, 4, 5]}
    regions |= _landmarks()
    regions |= {"vertebrae": [6, 7], "vertebrae_C1": 7, "canal": [8, 9], "cord": 9}
    return NnunetDataset(101, "TotalSpineSeg_step1", ("MRI",), classes, regions)


def _step2() -> NnunetDataset:
    known = step2_labels()
    # Beside vertebrae in turn, T13 and what has no name would teach the network a wrong turn.
    classes = {v: number for v, number in _by_value(step2_classes()).items() if known[v]}
    regions: dict[str, int | list[int]] = {"background": 0, "disc": [1, 2, 3, 4, 5]}
    regions |= _landmarks()
    regions |= {"vertebrae": [6, 7, 8, 9], "vertebrae_O": 7, "vertebrae_E": 8, "sacrum": 9}
    regions |= {"canal": [10, 11], "cord": 11}
    return NnunetDataset(102, "TotalSpineSeg_step2", ("MRI", "noNorm"), classes, regions)


def _full() -> NnunetDataset:
    classes = _by_value(full_classes())
    named = {number: _region_name(value) for value, number in classes.items()}
    groups = {
        1: ("disc", 1, 27), 2: ("disc_C", 2, 8), 9: ("disc_T", 9, 21), 22: ("disc_L", 22, 27),
        28: ("vertebrae", 28, 56), 29: ("vertebrae_C", 29, 36), 37: ("vertebrae_T", 37, 49),
        50: ("vertebrae_L", 50, 56),
    }  # fmt: skip
    regions: dict[str, int | list[int]] = {"background": 0}
    for number in range(1, 59):
        if number in groups:
            name, first, last = groups[number]
            regions[name] = list(range(first, last + 1))
        elif number == 57:
            regions["canal"] = [57, 58]
        else:
            regions[named[number]] = number
    return NnunetDataset(103, "TotalSpineSeg_full", ("MRI",), classes, regions)


def _by_value(table: Table) -> dict[int, int]:
    return {value: int(table[value]) for value in NAMES if table[value]}


def _landmarks() -> dict[str, int]:
    return {_region_name(VALUES[name]): number for name, number in LANDMARK_DISCS.items()}


def _region_name(value: int) -> str:
    if kind_of_value(value) == "disc":
        return "disc_" + NAMES[value].replace("S1", "S").replace("-", "_")
    names = {"sacrum": "sacrum", "spinal_cord": "cord", "spinal_canal": "canal"}
    return names.get(kind_of_value(value), f"vertebrae_{NAMES[value]}")


DATASETS: dict[int, NnunetDataset] = {d.number: d for d in (_step1(), _step2(), _full())}
"""Number → dataset."""
EXCHANGED = dict(zip(TURNS, TURNS[::-1], strict=True))
"""Classes of dataset 102 that change places in its second cases."""
