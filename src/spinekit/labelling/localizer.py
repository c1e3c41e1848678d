"""A map named elsewhere, such as a localizer's, as a witness of the names of this column.

Both are compared where they lie in the scanner's frame, so that fields of view and voxels may
differ. It knows label values and places, and nothing of the image or of file names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, ends_of
from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import (
    ABSTAINED_DISC,
    ABSTAINED_VERTEBRA,
    NAMES,
    VALUES,
    name_in_context,
)
from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.io.reading import hash_files, read_labels
from spinekit.labelling.earlier import names_in, rely_on, rows_beside
from spinekit.labelling.meanings import read_meanings
from spinekit.labelling.numbers import may_be_first_step
from spinekit.labelling.outside import LEAST_SEEN, Outside, usual_reliability, weigh
from spinekit.labelling.places import item_points, values_at

DISC_SHARE = 0.5
"""Weight of what a disc says of the bones beside it against what they say themselves."""

LEAST_KNOWN = 0.9
"""Share of the marked voxels whose values must be structures; brightness is not."""
_NAMELESS = (*ABSTAINED_VERTEBRA, *ABSTAINED_DISC)
"""Values of structures without a name: known, but no evidence."""
_NAMING = {name for name in VALUES if name in LEVELS or "-" in name} - {SACRUM}
"""Names of vertebrae and discs."""


@dataclass(frozen=True, slots=True)
class NamedMap:
    """A label map whose names are taken as evidence.

    `labels` holds this package's values (TotalSpineSeg's are the same), `names` what each is called
    in this column: the last disc is L6-S1 in one and L4-S1 in another. `reliability` (27,) is the
    probability that each level is named rightly; `source` is what a report says of it.
    """

    labels: Volume
    names: Mapping[int, str]
    reliability: NDArray[np.float64]
    source: dict[str, Any]


def read_localizer(path: Path) -> NamedMap:
    """Read a localizer's labels, and what the report beside them says of their probability.

    Args:
        path: `<stem>_dseg` of this package, or a label map of TotalSpineSeg; in a `.seg.nrrd` the
            names of segments count more than values, as in `spinekit label`.

    Returns:
        The map. In a map of TotalSpineSeg's first step, where all bones bear the sacrum's value,
        only discs count. An empty one, or a result whose bones have no names, says nothing.

    Raises:
        InputError: It cannot be read, is no label map, or another program's without a vertebra
            and a disc.
    """
    found = read_labels(path)
    array = np.where((found.array >= 0) & (found.array < 256), found.array, 0).astype(np.uint8)
    meant, rows, told = _read_meanings(path, np.unique(array).tolist())
    table = np.zeros(256, dtype=np.uint8)
    for value, name in meant.items():
        table[value] = VALUES[name]
    labels = table[array]
    is_known = (labels > 0) | np.isin(array, _NAMELESS)
    is_scan = is_known.sum() < LEAST_KNOWN * (found.array != 0).sum()
    values = [int(value) for value in np.unique(labels) if value]
    names = {value: name_in_context(value, values) for value in values}
    names |= {VALUES[name]: name for name in (*(row["name"] for row in rows), *told)}
    present = {names[value] for value in values}
    shown = [level for level in LEVELS if level in present]
    if may_be_first_step(present):
        labels[labels == VALUES[SACRUM]] = 0
        shown = ["C2"] if "C2-C3" in present else [SACRUM] if "L5-S1" in present else []
    names_none = not present & _NAMING
    is_ours = bool(rows) or not found.array.any()
    if (names_none and not is_ours) or is_scan:
        what = (
            "names no vertebra and no disc" if names_none else "looks like a scan, not its labels"
        )
        raise InputError(
            "localizer-without-names",
            f"{path.name}: {what}",
            "give a _dseg file of this program or a step2_output file of TotalSpineSeg",
        )
    reliability = rely_on(names_in(rows), np.full(len(LEVELS), usual_reliability(shown)))
    source = {"source": "localizer", "file": path.name, "sha256": hash_files([path])}
    return NamedMap(Volume(labels, found.grid), names, reliability, source)


def _read_meanings(
    path: Path, present: Sequence[int]
) -> tuple[Mapping[int, str], list[dict[str, Any]], list[str]]:
    """What the values of a map are: by names in the file, else a report, else as they are.

    Returns:
        Value → our name; the rows of the report beside it, none where names in the file were
        given since; and those names that the file itself gives.
    """
    rows = rows_beside(path)
    usual = {value: name for value, name in NAMES.items() if value < VALUES["vertebra_1"]}
    known = {row["value"]: row["name"] for row in rows} or usual
    meanings = read_meanings(path, known, [value for value in present if value])
    told = [meanings.names[value] for value in sorted(meanings.told)]
    is_as_reported = all(known.get(value) == meanings.names[value] for value in meanings.told)
    return meanings.names, rows if is_as_reported else [], told


def ask(instances: Instances, grid: Grid, named: NamedMap) -> Outside:
    """What a named map says of a column, as evidence.

    Args:
        instances: the split column.
        grid: where it lies.
        named: the other map.

    Returns:
        Its likelihood and reading; only a notice where it shows none of the bones, or names none.
    """
    shares, told = look_up(instances, grid, named)
    likelihood = weigh(shares, instances.items, named.reliability)
    if not likelihood.any():
        shown = {named.names.get(value) for value in np.unique(named.labels.array).tolist()}
        what = "shows none of the vertebrae" if shown & _NAMING else "names no vertebra"
        text = f"localizer {named.source['file']} {what}; it was not used"
        return Outside(notices=(Notice("localizer-elsewhere", text),))
    return Outside(likelihood, ({**named.source, "names": list(told)},))


def look_up(
    instances: Instances, grid: Grid, named: NamedMap
) -> tuple[NDArray[np.float64], tuple[str | None, ...]]:
    """What a named map shows where the bones and discs of a column lie.

    Args:
        instances: the split column.
        grid: where it lies.
        named: the other map.

    Returns:
        (n, 27) share of each bone that lies in each level, what the discs beside it say included;
        and the map's name for each item. Zeros and None where too little of it is seen there.
    """
    items = instances.items
    shares = np.zeros((len(items), len(LEVELS)))
    told: list[str | None] = [None] * len(items)
    discs: list[tuple[int, str, float]] = []
    for n, points in enumerate(item_points(instances, grid)):
        if len(points) == 0:
            continue
        counts = np.bincount(values_at(named.labels, points), minlength=256) / len(points)
        share = {
            name: float(counts[value])
            for value, name in named.names.items()
            if counts[value] and (name in LEVELS) == (items[n].kind != "disc")
        }
        share = {name: size for name, size in share.items() if name in LEVELS or "-" in name}
        if sum(share.values()) < LEAST_SEEN:
            continue
        told[n] = max(share, key=lambda name: share[name])
        if items[n].kind == "disc":
            discs.append((n, str(told[n]), share[str(told[n])]))
        for name, size in share.items():
            if items[n].kind != "disc":
                shares[n, LEVELS.index(name)] += size
    for n, name, size in discs:
        for step, level in zip((-1, 1), ends_of(name), strict=True):
            beside = n + step
            if 0 <= beside < len(items) and items[beside].kind != "disc":
                shares[beside, LEVELS.index(level)] += DISC_SHARE * size
                told[beside] = told[beside] or level
    return shares, tuple(told)
