"""Named instances → one label map, and the table of what is in it.

It is told the names; why an instance bears its name, or what it looks like, it does not know.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC, POSTERIOR, SACRUM
from spinekit.anatomy.scheme import (
    COLOURS,
    LEVELS,
    NAMES,
    VALUES,
    Lost,
    Scheme,
    kind_of_value,
    load_scheme,
)
from spinekit.core.errors import Notice
from spinekit.core.grid import Grid, closest_axes

Segment = tuple[int, str, tuple[int, int, int]]
"""Value, name and RGB colour of a structure, as a segmentation file stores them."""
_MOST_NAMELESS = {"vertebra": 30, "disc": 25}
"""Number of values that stand for structures without a name."""


@dataclass(frozen=True, slots=True)
class Structure:
    """One named structure of the scan; a row of the table."""

    name: str
    """`L4`, `L4-L5`, `sacrum`, `spinal_canal`; `vertebra_1` where no name was given."""
    value: int | None
    """Its value in the label map as written; None when the chosen scheme has none."""
    part: str
    """`vertebra`, `disc`, `sacrum`, `spinal_canal` or `spinal_cord`."""
    probability: float | None
    """That the name is right, 0 to 1; None for canal and cord and where no name was given."""
    volume_mm3: float
    """Volume on the output grid, mm³."""
    centroid_ras_mm: tuple[float, float, float]
    """Centre of mass in the scanner's RAS+ frame, mm."""
    touches_edge: bool
    """The upper or lower edge of the scan cuts it."""
    partial: bool
    """Too little of it is in view to be measured."""


@dataclass(frozen=True, slots=True)
class NamedInstance:
    """An instance with the name it bears in the results."""

    item: Instance
    name: str
    """From the anatomy, or `vertebra_1`, `disc_1` … from the top where none was given."""
    probability: float | None
    """That the name is right, 0 to 1; None where none was given."""

    @property
    def value(self) -> int:
        """Value of the name in a label map."""
        return VALUES[self.name]


def give_names(
    items: Sequence[Instance], names: Sequence[str | None], probability: Sequence[float | None]
) -> tuple[NamedInstance, ...]:
    """Pair instances with their names; those without one are numbered from the top.

    Args:
        items: Instances in order from the top.
        names: One each; None where no name was given.
        probability: One each, that the name is right; None where that is unknown.

    Returns:
        One per instance, but for nameless ones beyond the values there are (30 vertebrae, 25
        discs), which no spine has. Empty for no instance.
    """
    nameless = {"vertebra": 0, "disc": 0}
    named = []
    for item, name, sure in zip(items, names, probability, strict=True):
        if name is not None or item.kind == "sacrum":
            rounded = None if sure is None else round(float(sure), 4)
            named.append(NamedInstance(item, name or "sacrum", rounded))
        elif nameless[item.kind] < _MOST_NAMELESS[item.kind]:
            nameless[item.kind] += 1
            named.append(NamedInstance(item, f"{item.kind}_{nameless[item.kind]}", None))
    return tuple(named)


def grow_map(index_map: NDArray[np.uint8], *, voxels: int = 2) -> NDArray[np.uint8]:
    """Let every instance grow into the background around it.

    Args:
        index_map: (I, J, K) uint8, 0 where no instance is.
        voxels: How far; where two meet, the higher index wins.

    Returns:
        (I, J, K) uint8; all zeros stay all zeros.
    """
    grown = index_map.copy()
    window = _bounding_box(index_map, margin=voxels)
    if window is None:
        return grown
    view = grown[window]
    for _ in range(voxels):
        spread = ndimage.maximum_filter(view, size=3, mode="nearest")
        np.copyto(view, spread, where=view == 0)
    return grown


def compose_labels(
    instances: Instances, named: Sequence[NamedInstance]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Give every voxel of a part the value of its instance.

    Args:
        instances: Parts (I, J, K) and instance maps, which may reach beyond the parts.
        named: The instances that are to appear. Without a sacrum among them none is painted:
            resampling can bring back a voxel of one that was cleaned away.

    Returns:
        (I, J, K) uint8 labels, and the parts without the voxels that belong to no instance.
    """
    parts = instances.parts
    labels = np.zeros_like(parts)
    of_vertebra = _lookup(named, "vertebra")[instances.vertebra_map]
    np.copyto(labels, of_vertebra, where=(parts == BODY) | (parts == POSTERIOR))
    np.copyto(labels, _lookup(named, "disc")[instances.disc_map], where=parts == DISC)
    labels[parts == CANAL] = VALUES["spinal_canal"]
    labels[parts == CORD] = VALUES["spinal_cord"]
    if any(entry.item.kind == "sacrum" for entry in named):
        labels[parts == SACRUM] = VALUES["sacrum"]
    return labels, np.where(labels > 0, parts, 0).astype(np.uint8)


def find_cut(labels: NDArray[np.uint8], grid: Grid, seen: slice = slice(None)) -> frozenset[int]:
    """Values that the upper or lower edge of the scan cuts.

    Args:
        labels: (I, J, K) uint8 on `grid`.
        grid: Of the scan, in any orientation; its sides do not count.
        seen: Layers along the axis closest to S that hold image.

    Returns:
        What lies in the first or last of them along the axis closest to S; empty for no labels.
    """
    up = [axis for axis, _ in closest_axes(grid.affine)].index(2)
    ends = labels.take(np.arange(labels.shape[up])[seen][[0, -1]], axis=up)
    return frozenset(np.unique(ends[ends > 0]).tolist())


def tabulate(
    labels: NDArray[np.uint8],
    grid: Grid,
    named: Sequence[NamedInstance],
    *,
    seen: slice = slice(None),
) -> tuple[Structure, ...]:
    """List what is in a label map, from the head down, canal and cord at the end.

    Args:
        labels: (I, J, K) uint8 on `grid`, this package's values.
        grid: Where they lie: the scan's own, or one with the same ends.
        named: The instances with their names, from the top; they tell whether they are cut.
        seen: Layers along the axis closest to S that hold image.

    Returns:
        One row per value that occurs; empty for an empty map.
    """
    sizes = _measure(labels, grid)
    cut = find_cut(labels, grid, seen)
    rows = []
    for entry in named:
        if entry.value in sizes:
            # On the grid that a sheared scan was worked on its ends are none.
            is_cut = entry.item.touches_edge or entry.value in cut
            rows.append(
                Structure(
                    entry.name,
                    entry.value,
                    kind_of_value(entry.value),
                    entry.probability,
                    *sizes.pop(entry.value),
                    is_cut,
                    entry.item.partial or is_cut,
                )
            )
    for value, size in sorted(sizes.items(), reverse=True):
        # A tube is measured as far as it is in view, and so is never partial.
        rows.append(
            Structure(NAMES[value], value, kind_of_value(value), None, *size, value in cut, False)
        )
    return tuple(rows)


def name_segments(named: Iterable[tuple[int, str]]) -> list[Segment]:
    """What values stand for; all names of one that several structures share.

    Args:
        named: value and name in this package's scheme of each structure.

    Returns:
        A row per value, in the order in which they come first.
    """
    names: dict[int, list[str]] = {}
    for value, name in named:
        names.setdefault(value, []).append(name)
    return [(value, " + ".join(some), COLOURS[VALUES[some[0]]]) for value, some in names.items()]


def convert_labels(
    labels: NDArray[np.uint8], structures: tuple[Structure, ...], scheme: str
) -> tuple[NDArray[np.uint8], tuple[Structure, ...], list[Notice]]:
    """Labels and table in another scheme's values, and what it could not hold or would misread.

    Args:
        labels: (I, J, K) uint8, this package's values.
        structures: What is in them.
        scheme: Name of the scheme; `spinekit` changes nothing.

    Returns:
        (I, J, K) uint8, the rows with their values as converted, and at most one notice.

    Raises:
        UsageError: No scheme bears the name.
    """
    if scheme == "spinekit":
        return labels, structures, []
    loaded = load_scheme(scheme)
    table = loaded.table(labels)
    converted, lost = loaded.convert(labels)
    rows = tuple(
        dataclasses.replace(row, value=table.get(VALUES[row.name], (row.name, None))[1])
        for row in structures
    )
    merged = {entry.value for entry in lost}
    misread = _find_misread(loaded, {v: row for v, row in table.items() if v not in merged})
    if not lost and not misread:
        return converted, rows, []
    return converted, rows, [Notice("lost-in-scheme", _describe_lost(scheme, lost, misread))]


def _find_misread(scheme: Scheme, table: Mapping[int, tuple[str, int]]) -> list[str]:
    """What is read back under another name although the lowest vertebra is told, `T11 as T12`.

    Discs are named where all bones come back as they were; else they move with them.
    """
    bones = [name for name in LEVELS if name != "sacrum" and VALUES[name] in table]
    theirs = np.array([value for _, value in table.values()], np.int64)
    back, _ = scheme.read(theirs, lowest=bones[-1] if bones else "L5")
    misread = {
        name: f"{name} as {NAMES.get(value, 'nothing')}"
        for (own, (name, _)), value in zip(table.items(), back.tolist(), strict=True)
        if own != value
    }
    of_bones = [text for name, text in misread.items() if "-" not in name]
    return of_bones or list(misread.values())


def _describe_lost(scheme: str, lost: Sequence[Lost], misread: Sequence[str]) -> str:
    """What became background, shares its value with another, or is read back as another."""
    gone = [entry.name for entry in lost if entry.merged_into is None]
    texts = [f"no value for {', '.join(gone)}"] if gone else []
    for value in sorted({entry.merged_into for entry in lost if entry.merged_into is not None}):
        sharing = [entry.name for entry in lost if entry.merged_into == value]
        texts.append(f"one value, {value}, for {' and '.join(sharing)}")
    texts += [f"values that read back {', '.join(misread)}"] if misread else []
    return f"scheme {scheme!r} has {'; '.join(texts)}"


def _measure(
    labels: NDArray[np.uint8], grid: Grid
) -> dict[int, tuple[float, tuple[float, float, float]]]:
    """Value → volume in mm³ and centre of mass in RAS+ mm."""
    where = np.flatnonzero(labels)
    values = labels.ravel()[where]
    counts = np.bincount(values, minlength=256)
    index = np.unravel_index(where, labels.shape)
    sums = np.stack([np.bincount(values, weights=axis, minlength=256) for axis in index], axis=1)
    present = np.flatnonzero(counts)
    centres = np.round(grid.ijk_to_ras(sums[present] / counts[present, None]), 2).tolist()
    return {
        int(value): (round(float(counts[value] * grid.voxel_mm3), 1), (r, a, s))
        for value, (r, a, s) in zip(present, centres, strict=True)
    }


def _lookup(named: Sequence[NamedInstance], kind: str) -> NDArray[np.uint8]:
    """Index of an instance → its value; 0 for those that are not to appear."""
    table = np.zeros(256, np.uint8)
    for entry in named:
        if entry.item.kind == kind:
            table[entry.item.index] = entry.value
    return table


def _bounding_box(array: NDArray[np.uint8], *, margin: int) -> tuple[slice, ...] | None:
    """The smallest box around what is not zero, `margin` wider; None when nothing is there."""
    box = []
    for axis in range(array.ndim):
        others = tuple(other for other in range(array.ndim) if other != axis)
        hits = np.flatnonzero(array.any(axis=others))
        if hits.size == 0:
            return None
        box.append(slice(max(0, int(hits[0]) - margin), int(hits[-1]) + 1 + margin))
    return tuple(box)
