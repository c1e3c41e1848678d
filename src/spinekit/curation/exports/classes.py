"""The classes of TotalSpineSeg's nnU-Net datasets 101, 102 and 103, from our values.

They are facts of that system's published `dataset.json` files and maps. It knows numbers, no files.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from spinekit.anatomy.scheme import NAMES, VALUES, part_of

_LANDMARKS = {63: 2, 71: 3, 91: 4, 100: 5}
"""Discs with a class of their own: C2-C3, C7-T1, T12-L1, L5-S1."""
_LANDMARK_NAMES = {"disc_C2_C3": 2, "disc_C7_T1": 3, "disc_T12_L1": 4, "disc_L5_S": 5}
ALTERNATE_DISCS = frozenset((63, 65, 67, 72, 74, 76, 78, 80, 82, 92, 94, 96))
"""Second channel of dataset 102."""
OTHER_DISCS = frozenset((64, 66, 71, 73, 75, 77, 79, 81, 91, 93, 95))
"""Second channel of its second cases."""
_ODD = ("C1", "C3", "C5", "C7", "T2", "T4", "T6", "T8", "T10", "T12", "L2", "L4", "L6")
_EVEN = ("C2", "C4", "C6", "T1", "T3", "T5", "T7", "T9", "T11", "L1", "L3", "L5")


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


def _of_kind(kind: str) -> list[int]:
    return [value for value in NAMES if part_of(value) == kind]


def _step1() -> NnunetDataset:
    classes = {value: _LANDMARKS.get(value, 1) for value in _of_kind("disc")}
    classes |= dict.fromkeys([*_of_kind("vertebra"), VALUES["sacrum"]], 6)
    classes |= {VALUES["C1"]: 7, VALUES["spinal_canal"]: 8, VALUES["spinal_cord"]: 9}
    regions: dict[str, int | list[int]] = {"background": 0, "disc": [1, 2, 3, 4, 5]}
    regions |= _LANDMARK_NAMES
    regions |= {"vertebrae": [6, 7], "vertebrae_C1": 7, "canal": [8, 9], "cord": 9}
    return NnunetDataset(101, "TotalSpineSeg_step1", ("MRI",), classes, regions)


def _step2() -> NnunetDataset:
    discs = ALTERNATE_DISCS | OTHER_DISCS | {100}
    classes = {value: _LANDMARKS.get(value, 1) for value in sorted(discs)}
    classes |= {VALUES[name]: 7 for name in _ODD} | {VALUES[name]: 8 for name in _EVEN}
    classes |= {VALUES["sacrum"]: 9, VALUES["spinal_canal"]: 10, VALUES["spinal_cord"]: 11}
    regions: dict[str, int | list[int]] = {"background": 0, "disc": [1, 2, 3, 4, 5]}
    regions |= _LANDMARK_NAMES
    regions |= {"vertebrae": [6, 7, 8, 9], "vertebrae_O": 7, "vertebrae_E": 8, "sacrum": 9}
    regions |= {"canal": [10, 11], "cord": 11}
    return NnunetDataset(102, "TotalSpineSeg_step2", ("MRI", "noNorm"), classes, regions)


def _full() -> NnunetDataset:
    classes = {value: value - 60 for value in range(63, 68)} | {71: 8}
    classes |= {value: value - 62 for value in range(72, 83)} | {91: 21}
    classes |= {value: value - 69 for value in range(92, 96)} | {100: 27}
    classes |= {value: value + 19 for value in range(11, 18)}
    classes |= {value: value + 17 for value in range(21, 33)}
    classes |= {value: value + 10 for value in range(41, 46)}
    classes |= {50: 56, VALUES["spinal_canal"]: 57, VALUES["spinal_cord"]: 58}
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


def _region_name(value: int) -> str:
    if part_of(value) == "disc":
        return "disc_L5_S" if value == 100 else "disc_" + NAMES[value].replace("-", "_")
    names = {"sacrum": "sacrum", "spinal_cord": "cord", "spinal_canal": "canal"}
    return names.get(part_of(value), f"vertebrae_{NAMES[value]}")


DATASETS: dict[int, NnunetDataset] = {d.number: d for d in (_step1(), _step2(), _full())}
"""Number → dataset."""
EXCHANGED = {7: 8, 8: 7}
"""Classes of dataset 102 that change places in its second cases."""
