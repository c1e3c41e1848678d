"""The bones that a mask marks, split or taken as they are told apart, and named.

It knows arrays on a grid and what each of them is; nothing of files and scans.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC, POSTERIOR, SACRUM
from spinekit.anatomy.scheme import ABSTAINED_VERTEBRA, LEVELS, PARTS, VALUES
from spinekit.consequences import apply_naming
from spinekit.core.errors import InputError
from spinekit.core.geometry import GeometryRecord, normalise_labels, restore_labels
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.instances import split_instances
from spinekit.instances.apart import number_bones
from spinekit.instances.arches import has_arches
from spinekit.instances.given import find_doubled, find_scattered, take_instances
from spinekit.instances.placing import place_instances
from spinekit.labelling.chain import name_column
from spinekit.labelling.earlier import temper
from spinekit.labelling.naming import Naming
from spinekit.labelling.numbers import Given, tell_arches, tell_scattered
from spinekit.labelling.omissions import tell_nameless, tell_too_small
from spinekit.labelling.outside import Outside, is_followed, weigh
from spinekit.report import describe_evidence
from spinekit.sight import Sight, normalise_like
from spinekit.structures import NamedInstance, compose_labels, give_names, grow_map

SURE = 0.95
"""Names without a landmark are ambiguous below this probability."""
REACH_VOXELS = 4
"""How far from the instances found a voxel of the mask may lie and still take their name."""
STATED = 5.0
"""Log likelihood that what a mask tells apart as a vertebra is one, whatever its level: against a
piece of noise of the same shape, 150 to 1."""
MOST_VERTEBRAE = len(LEVELS) + len(ABSTAINED_VERTEBRA)
"""A result has no names and numbers for more, and no spine has them."""
Box = tuple[slice, ...] | EllipsisType
"""What of a grid a mask covers; all of it where it was not widened."""


@dataclass(frozen=True)
class Adopted:
    """Parts that were split and named."""

    labels: NDArray[np.uint8]
    """(I, J, K) our values; voxels that belong to no structure are 0."""
    kept: NDArray[np.uint8]
    """(I, J, K) the parts of what has a value."""
    named: tuple[NamedInstance, ...]
    """From the top."""
    naming: Naming
    instances: Instances
    """On the working grid."""
    record: GeometryRecord
    """Between the grid of the parts and the working grid."""
    evidence: NDArray[np.float64]
    """(n, 27) distribution over LEVELS per item, an even one where nothing but sizes speaks."""


def name_parts(
    parts: NDArray[np.uint8],
    grid: Grid,
    *,
    names: Sequence[str] = (),
    sight: Sight | None = None,
    own: Box = ...,
) -> tuple[Adopted, Outside]:
    """Split parts into vertebrae and discs and name them.

    Bodies alone that do not touch are told apart already.

    Args:
        parts: (I, J, K) this package's parts, 0 to 6.
        grid: Where they lie.
        names: What the vertebrae are called from the top, the sacrum not counted; sizes and the
            sacrum decide where empty.
        sight: What a network sees in the scan, where there is one.
        own: Where they were drawn; the edges of this, and not of the grid, cut bones.

    Returns:
        The named structures, none for empty parts; and what the scan's own column says of them.

    Raises:
        InputError: Another number of vertebrae than of names was found.
    """
    working, record = normalise_like(Volume(parts.astype(np.float32), grid), sight)
    layers = _find_layers(own, record)
    drawn = normalise_labels(parts, record)[:, :, layers]
    split, stated = _split(drawn, working.grid.spacing_mm)
    instances = place_instances(split, layers, working.grid.shape[2])
    bones = [n for n, item in enumerate(instances.items) if item.kind == "vertebra"]
    if names and len(bones) != len(names):
        raise InputError(
            "bone-count",
            f"the bone splits into {len(bones)} vertebrae, but {len(names)} names were given",
            "correct the mask or the names",
        )
    if names:
        certain, evidence = dict(zip(bones, names, strict=True)), _nothing(instances)
        naming = name_column(_without_room(instances), evidence, certain=certain, outside=stated)
        told = Outside(stated)
    else:
        seen = _weigh_sight(instances, working.grid, stated, sight)
        naming, evidence = seen.reported(), seen.evidence
        told = seen.told.settle(seen.alone, naming, instances.items)
        said = seen.likelihood if seen.likelihood.any() else None
        told = dataclasses.replace(told, likelihood=said)
    found = instances
    instances, naming, left = apply_naming(found, naming)
    evidence, told = evidence[list(left)], told.keep(left)
    is_alone = bool(np.isin(drawn, (0, BODY)).all())
    is_whole = is_alone and has_arches(drawn == BODY, working.grid.spacing_mm)
    notices = (*tell_arches(seen=is_whole), *told.notices)
    named = give_names(instances.items, naming.names, naming.probability)
    restored = _restore(found, instances, left, parts, record)
    labels, kept = compose_labels(restored, named)
    adopted = Adopted(labels, kept, named, naming, instances, record, evidence)
    return adopted, dataclasses.replace(told, notices=notices)


def _restore(
    found: Instances,
    instances: Instances,
    left: Sequence[int],
    parts: NDArray[np.uint8],
    record: GeometryRecord,
) -> Instances:
    """The column on the mask's grid.

    Args:
        found: The column before pieces were joined.
        instances: The column after that.
        left: Places of its items in the one before.
        parts: What the mask marks; a disc between two pieces becomes body.
        record: The way back.
    """

    def lay_out(index_map: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return restore_labels(grow_map(index_map, voxels=REACH_VOXELS), record)

    gone = [item for n, item in enumerate(found.items) if n not in left and item.kind == "disc"]
    is_joined = np.isin(lay_out(found.disc_map), [disc.index for disc in gone]) & (parts == DISC)
    return dataclasses.replace(
        instances,
        parts=np.where(is_joined, np.uint8(BODY), parts),
        vertebra_map=lay_out(instances.vertebra_map),
        disc_map=lay_out(instances.disc_map),
    )


def _find_layers(own: Box, record: GeometryRecord) -> slice:
    """The layers k of the working grid that a mask covers."""
    covered = np.zeros(record.input_grid.shape, bool)
    covered[own] = True
    seen = np.flatnonzero(normalise_labels(covered, record).any(axis=(0, 1)))
    # Of a mask thinner than a layer nothing may be left.
    return slice(seen[0], seen[-1] + 1) if len(seen) else slice(0, record.working_grid.shape[2])


def _split(
    parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> tuple[Instances, NDArray[np.float64]]:
    """Instances of parts on the working grid, and what is said of their levels besides.

    Bones that do not touch, with nothing else marked, are taken as they are.
    """
    is_body = parts == BODY
    alone = not (parts[~is_body] > 0).any()
    numbers = number_bones(is_body, spacing_mm) if alone else None
    if numbers is not None:
        instances, _ = take_instances(numbers, parts, spacing_mm)
        return instances, _stated(instances)
    one_hot = (np.arange(len(PARTS))[:, None, None, None] == parts).astype(np.float16)
    instances = split_instances(one_hot, spacing_mm)
    return instances, np.zeros((len(instances.items), len(LEVELS)))


def _stated(instances: Instances) -> NDArray[np.float64]:
    """(n, 27) that items are vertebrae, of any level."""
    is_vertebra = [item.kind == "vertebra" for item in instances.items]
    return np.where(is_vertebra, STATED, 0.0)[:, None] * np.ones(len(LEVELS))


@dataclass(frozen=True)
class _Seen:
    """What is known of told-apart items before the names of a mask are heard."""

    evidence: NDArray[np.float64]
    """(n, 27) distribution over LEVELS per item."""
    told: Outside
    """What the scan's own column says of the items; not yet settled."""
    likelihood: NDArray[np.float64]
    """(n, 27) log likelihood of LEVELS by that and by what is stated of the items."""
    alone: Naming
    """The names without the scan's column."""
    naming: Naming
    """The names with it."""
    by_sizes: bool = False
    """Whether nothing but sizes and the sacrum speaks."""

    def reported(self) -> Naming:
        """The names with it, doubted where they rest on sizes alone."""
        return _doubted(self.naming) if self.by_sizes else self.naming


def _weigh_sight(
    instances: Instances, grid: Grid, stated: NDArray[np.float64], sight: Sight | None
) -> _Seen:
    """Name what is told apart by sizes, and by what a network sees in the scan.

    Args:
        instances: The items.
        grid: The working grid.
        stated: (n, 27) log likelihood of LEVELS that is known of each item.
        sight: What a network sees, where there is a scan.
    """
    column = _without_room(instances)
    evidence = _nothing(instances) if sight is None else sight.levels(instances)

    def name(said: NDArray[np.float64]) -> Naming:
        return name_column(column, evidence, outside=stated + said)

    alone = name(np.zeros_like(stated))
    if sight is None:
        return _Seen(evidence, Outside(), stated, alone, alone, by_sizes=True)
    told = sight.tell(instances, grid, name)
    if told.likelihood is None:
        return _Seen(evidence, told, stated, alone, alone)
    naming = name(told.likelihood)
    return _Seen(evidence, told, stated + told.likelihood, alone, naming)


def name_given(
    given: Given, grid: Grid, *, sight: Sight | None = None, own: Box = ...
) -> tuple[Adopted, Outside]:
    """Order and name vertebrae that are told apart already.

    Args:
        given: What the mask says.
        grid: Where it lies.
        sight: What a network sees in the scan, where there is one.
        own: Where it was drawn; the edges of this, and not of the grid, cut bones.

    Returns:
        The named structures, and what the mask's own names and the scan's column say of them.

    Raises:
        InputError: More vertebrae are told apart than any spine has.
    """
    working, record = normalise_like(Volume((given.tissue > 0).astype(np.float32), grid), sight)
    numbers, spacing_mm = normalise_labels(given.numbers, record), working.grid.spacing_mm
    tissue = normalise_labels(given.tissue, record)
    layers = _find_layers(own, record)
    taken, bore = take_instances(numbers[:, :, layers], tissue[:, :, layers], spacing_mm)
    instances = place_instances(taken, layers, working.grid.shape[2])
    bones = sum(item.kind == "vertebra" for item in instances.items)
    if bones > MOST_VERTEBRAE:
        raise InputError(
            "too-many-values",
            f"{given.file}: {bones} values are as large as vertebrae, more than a spine has",
            "give a map with one value per vertebra; a scan goes with --image",
        )
    names = [given.names.get(number) for number in bore]
    seen = _weigh_sight(instances, working.grid, _stated(instances), sight)
    told, naming = _weigh_names(given, names, instances, seen)
    notices = (
        *given.notices,
        *told.notices,
        *tell_nameless(names, naming.names),
        *tell_too_small(given, bore),
        *tell_scattered(given, find_doubled(taken, bore) | find_scattered(numbers, spacing_mm)),
    )
    named = give_names(instances.items, naming.names, naming.probability)
    values = {id(entry.item): entry.value for entry in named}
    shown = {n: values.get(id(item), 0) for n, item in zip(bore, instances.items, strict=True)}
    posterior = restore_labels(grow_map(instances.parts), record) == POSTERIOR
    labels, kept = _compose_given(given, shown, posterior)
    adopted = Adopted(labels, kept, named, naming, instances, record, seen.evidence)
    return adopted, dataclasses.replace(told, notices=notices)


def _weigh_names(
    given: Given, names: Sequence[str | None], instances: Instances, seen: _Seen
) -> tuple[Outside, Naming]:
    """Name what is told apart, the mask's own names being evidence; and what all sources say.

    Args:
        given: What the mask says.
        names: (n,) what it calls each item.
        instances: The items.
        seen: What is known of them besides.
    """
    items, column = instances.items, _without_room(instances)
    if not any(name and item.kind == "vertebra" for name, item in zip(names, items, strict=True)):
        told = dataclasses.replace(seen.told, likelihood=seen.likelihood)
        return told.settle(seen.alone, seen.naming, items), seen.reported()

    def name(said: NDArray[np.float64]) -> Naming:
        return name_column(column, seen.evidence, outside=seen.likelihood + said)

    shares = np.array([[name == level for level in LEVELS] for name in names], dtype=np.float64)
    likelihood = weigh(shares, items, given.reliability)
    likelihood = temper(likelihood, names, given.sure, name)
    naming = name(likelihood)
    told = seen.told.settle(seen.alone, naming, items)
    row = {"source": "mask", "file": given.file, "names": list(names)}
    said = Outside(readings=(row,)).settle(seen.naming, naming, items)
    rows, notices = (*told.readings, *said.readings), (*told.notices, *said.notices)
    if seen.by_sizes and not is_followed(names, naming, items):
        naming = _doubted(naming)
    return Outside(seen.likelihood + likelihood, rows, notices), naming


def _compose_given(
    given: Given, shown: Mapping[int, int], posterior: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels and parts on the mask's grid.

    Args:
        given: What the mask says.
        shown: Number → value in the result.
        posterior: (I, J, K) where arches are.
    """
    table = np.zeros(256, np.uint8)
    table[list(shown)] = list(shown.values())
    table[0] = 0
    labels = table[given.numbers]
    for part, value in ((SACRUM, "sacrum"), (CANAL, "spinal_canal"), (CORD, "spinal_cord")):
        labels[given.tissue == part] = VALUES[value]
    is_arch = (given.tissue == BODY) & posterior
    parts = np.where(is_arch, np.uint8(POSTERIOR), given.tissue)
    return labels, np.where(labels > 0, parts, 0).astype(np.uint8)


def _nothing(instances: Instances) -> NDArray[np.float64]:
    """(n, 27) evidence that says nothing."""
    return np.full((len(instances.items), len(LEVELS)), 1.0 / len(LEVELS))


def _doubted(naming: Naming) -> Naming:
    """Names that rest on sizes alone are ambiguous unless hardly another column fits."""
    sure = max((p or 0.0 for p in naming.probability), default=0.0)
    if naming.ambiguous or "sacrum" in naming.names or sure >= SURE:
        return naming
    reason = f"no sacrum in the mask, sizes alone decide: {sure:.0%}"
    return dataclasses.replace(naming, ambiguous=True, reason=reason)


def describe_bones(adopted: Adopted, likelihood: NDArray[np.float64] | None) -> dict[str, Any]:
    """What naming was decided from, with the column as naming saw it.

    Args:
        adopted: The named structures.
        likelihood: (n, 27) log likelihood of LEVELS from other sources, None without any.
    """
    described = describe_evidence(
        adopted.instances, adopted.evidence, adopted.named, adopted.record.working_grid, likelihood
    )
    column = _without_room(adopted.instances)
    rows = [
        {
            **row,
            "centroid_ijk": [float(at) for at in item.centroid_ijk],
            "touches_edge": item.touches_edge,
        }
        for row, item in zip(described["items"], column.items, strict=True)
    ]
    return {**described, "shape": list(column.parts.shape), "items": rows}


def _without_room(instances: Instances) -> Instances:
    """The column as if the scan ended with it: what is not marked may be there all the same.

    What a person marks as sacrum is one, wherever its edge lies.
    """
    heights = [item.centroid_ijk[2] for item in instances.items if item.kind != "disc"]
    low, high = min(heights, default=0.0), max(heights, default=0.0)
    items = tuple(
        dataclasses.replace(
            item,
            centroid_ijk=(*item.centroid_ijk[:2], item.centroid_ijk[2] - low),
            touches_edge=item.touches_edge and item.kind != "sacrum",
        )
        for item in instances.items
    )
    empty = np.broadcast_to(np.uint8(0), (1, 1, int(high - low) + 1))
    return dataclasses.replace(instances, parts=empty, items=items)
