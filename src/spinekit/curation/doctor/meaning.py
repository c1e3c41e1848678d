"""What a mask's values mean where nothing says it, and what kind of thing a name is.

It knows label schemes, no voxels. A guess is only used to check the mask, never to write one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.datasets.case import MaskFile
from spinekit.datasets.meaning import PART_VALUES
from spinekit.io.discovery import stem_of

Kind = Literal["vertebra", "disc", "sacrum", "canal", "cord", "other"]

_PART_KINDS: dict[str, Kind] = {
    "spinal_cord": "cord",
    "spinal_canal": "canal",
    "canal": "canal",
    "cord": "cord",
    "sacrum": "sacrum",
}


def kind_of(name: str) -> Kind:
    """What kind of structure bears a name; `other` for parts that tell no level."""
    if name in _PART_KINDS:
        return _PART_KINDS[name]
    if name in VALUES:
        part = kind_of_value(VALUES[name])
        return "disc" if part == "disc" else "vertebra"
    return "other"


def rank_of(name: str) -> float | None:
    """Place of a vertebra, disc or sacrum in the column, downwards; discs at halves.

    Neighbours of the usual column are 1 apart. A thirteenth thoracic and a sixth lumbar vertebra,
    with the discs beside them, lie in between, so that without them no room is left out; so does
    the last disc, which has one name whatever lies above it.

    Returns:
        None for anything without a level.
    """
    return _RANKS.get(name)


def _rank_all() -> dict[str, float]:
    usual = [level for level in LEVELS if level not in ("T13", "L6")]
    ranks = {level: float(n) for n, level in enumerate(usual)}
    ranks |= {"T13": ranks["T12"] + 0.5, "L6": ranks["L5"] + 0.5}
    for name in VALUES:
        upper, _, lower = name.partition("-")
        if lower == "S1":
            ranks[name] = ranks["sacrum"] - 0.25
        elif lower in ranks and upper in ranks:
            ranks[name] = (ranks[upper] + ranks[lower]) / 2
    return ranks


_RANKS = _rank_all()


def names_of(
    mask: MaskFile, values: list[int], known: Mapping[int, str]
) -> tuple[dict[int, str], str | None]:
    """Names of the values found in a mask.

    Args:
        mask: What the set says of it.
        values: What it holds, without 0.
        known: Value to name by the set and by names in the file.

    Returns:
        Value to name, and where the set is silent and not all are known, what the values were
        taken for.
    """
    if mask.binary:
        name = next(iter(mask.values.values()), "structure")
        return {value: name for value in values}, None
    if mask.values or known.keys() >= set(values):
        return dict(known), None
    if len(values) == 1:
        return {values[0]: "structure"}, "one structure without a name"
    if stem_of(mask.path).endswith("_parts") and set(values) <= set(PART_VALUES):
        return dict(PART_VALUES), "parts"
    if set(values) - known.keys() <= set(NAMES):
        return NAMES | dict(known), "the scheme spinekit"
    return {v: known.get(v, f"value {v}") for v in values}, "structures without a name"
