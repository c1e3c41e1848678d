"""From one label scheme to another by way of ours, with an account of what is lost.

It knows values and names, nothing of files or of where voxels lie.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import SACRUM
from spinekit.anatomy.scheme import LEVELS, VALUES, Scheme, name_in_context


@dataclass(frozen=True)
class Kept:
    """A structure that both schemes can say."""

    name: str
    source: int
    target: int
    voxels: int


@dataclass(frozen=True)
class Gone:
    """A structure that did not come through."""

    name: str
    """The value in words where the source gives it no meaning."""
    source: int
    voxels: int
    reason: str
    """`no-meaning` in the source, `no-value` in the target, `merged` with another, in the target or
    when the source is read, or `renamed`: the target takes the value for another structure when it
    is read."""


@dataclass(frozen=True)
class Translation:
    """A label map in the target's values, and what became of every structure."""

    labels: NDArray[np.uint8]
    kept: tuple[Kept, ...]
    lost: tuple[Gone, ...]

    def to_dict(self) -> dict[str, Any]:
        """The account as plain values, without the voxels."""
        return {"kept": [asdict(row) for row in self.kept], "lost": [asdict(r) for r in self.lost]}


def translate(
    label_map: NDArray[np.integer], source: Scheme, target: Scheme, *, lowest: str = "L5"
) -> Translation:
    """Put a label map of one scheme into another's values.

    Args:
        label_map: (I, J, K) values of `source`.
        source: What the values mean.
        target: What they are to be.
        lowest: The vertebra a source that counts from the lowest one begins with.

    Returns:
        The map and the account; an empty map gives zeros and empty accounts.

    Raises:
        UsageError: `lowest` is no vertebra.
    """
    ours, unknown = source.read(label_map, lowest=lowest)
    theirs, unsaid = target.convert(ours)
    lost = [Gone(row.name, row.value, row.voxels, "no-meaning") for row in unknown]
    meanings = source.meanings(lowest=lowest, present=[int(v) for v in np.unique(label_map)])
    present = [int(value) for value in np.unique(ours) if value]
    came_from, joined = _sources(label_map, meanings)
    for value, name in joined.items():
        lost.append(Gone(name, value, int(np.count_nonzero(label_map == value)), "merged"))
    reasons = dict.fromkeys(_misread(ours, theirs, target), "renamed")
    reasons |= {row.value: "no-value" if row.merged_into is None else "merged" for row in unsaid}
    kept = []
    for value, voxels in enumerate(np.bincount(ours.ravel(), minlength=256).tolist()):
        if value == 0 or voxels == 0:
            continue
        name, origin = name_in_context(value, present), came_from[value]
        if value in reasons:
            lost.append(Gone(name, origin, voxels, reasons[value]))
        if reasons.get(value) != "no-value":
            kept.append(Kept(name, origin, target.table(ours)[value][1], voxels))
    return Translation(theirs, tuple(kept), tuple(lost))


def _misread(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], target: Scheme) -> list[int]:
    """Our values that come back from the target as others, though its lowest bone is known."""
    bones = [name for name in LEVELS if name != SACRUM and (ours == VALUES[name]).any()]
    back, _ = target.read(theirs, lowest=bones[-1] if bones else "L5")
    return [int(value) for value in np.unique(ours[(theirs > 0) & (back != ours)])]


def _sources(
    label_map: NDArray[np.integer], meanings: dict[int, str]
) -> tuple[dict[int, int], dict[int, str]]:
    """Our value → the source's value it came from, the first of several; and the others' names."""
    found: dict[int, int] = {}
    joined: dict[int, str] = {}
    for value in map(int, np.unique(label_map)):
        if value in meanings:
            ours = VALUES[meanings[value]]
            if found.setdefault(ours, value) != value:
                joined[value] = meanings[value]
    return found, joined
