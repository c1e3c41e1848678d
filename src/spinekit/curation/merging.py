"""Masks of one case → one label map in our values; who claimed a voxel twice is written down.

It knows values and their meanings, nothing of files. Structures told apart by name come first;
what is only called bone, disc or canal is left for splitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.parts import BODY, BONE, DISC, POSTERIOR, VERTEBRA
from spinekit.anatomy.scheme import NAMES, VALUES, kind_of_value
from spinekit.core.errors import InputError
from spinekit.curation.layer import Layer

GENERIC: dict[str, int] = {
    "body": BODY,
    "posterior": POSTERIOR,
    "disc": DISC,
    "vertebra": VERTEBRA,
}
"""Tissues without a level → their value in a map of parts."""
_SYNONYMS = {"canal": "spinal_canal", "cord": "spinal_cord"}
REACH_MM = 6.0
"""How far a nameless voxel may lie from the structure whose name it takes."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Conflict:
    """Voxels that two masks gave to different structures."""

    first: str
    second: str
    voxels: int
    winner: str


@dataclass
class Merged:
    """One label map, and how it came about."""

    labels: Bytes
    """(I, J, K) our values."""
    parts: Bytes
    """(I, J, K) tissue without a level: values of `GENERIC`."""
    conflicts: list[Conflict] = field(default_factory=list)
    losses: list[dict[str, object]] = field(default_factory=list)
    """Values without a meaning here: `name`, `voxels`, `reason`, `file`."""


def merge_layers(layers: Sequence[Layer], shape: tuple[int, ...], *, rule: str) -> Merged:
    """Put masks into one map.

    The cord lies in the canal, and a tissue in the structure of its kind: these are no conflicts.

    Args:
        layers: Masks on the grid of the case, in the order they were given.
        shape: (I, J, K).
        rule: `smaller` gives a contested voxel to the structure with fewer voxels, `first` and
            `last` to the mask that came so, `error` refuses.

    Returns:
        The map; zeros for no mask.

    Raises:
        InputError: Two structures claim a voxel and the rule is `error`.
    """
    merged = Merged(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    claims: list[tuple[str, NDArray[np.bool_]]] = []
    for layer in layers:
        claims += _claims(layer, merged)
    sizes: dict[str, int] = {}
    for name, mask in claims:
        sizes[name] = sizes.get(name, 0) + int(np.count_nonzero(mask))
    if rule == "first":
        claims.reverse()
    elif rule == "smaller":
        claims.sort(key=lambda claim: (-sizes[claim[0]], claim[0]))
    for name, mask in claims:
        if name in VALUES:
            _paint(merged, name, mask, refuse=rule == "error")
    for name, mask in claims:
        if name in GENERIC:
            _paint_tissue(merged, name, mask, refuse=rule == "error")
    merged.parts[merged.labels > 0] = 0
    return merged


def name_nearest(merged: Merged, spacing_mm: tuple[float, float, float]) -> int:
    """Give nameless bone and disc the nearest name of their kind, in place.

    Args:
        merged: The map and its nameless tissue.
        spacing_mm: Voxel size; beyond `REACH_MM` nothing is given.

    Returns:
        How many voxels got a name.
    """
    given = 0
    for kind, parts in (("disc", (DISC,)), ("vertebra", BONE)):
        nameless = np.isin(merged.parts, parts)
        values = [v for v in map(int, np.unique(merged.labels)) if v and kind_of_value(v) == kind]
        if not values or not nameless.any():
            continue
        named = np.isin(merged.labels, values)
        far, nearest = ndimage.distance_transform_edt(
            ~named, sampling=spacing_mm, return_indices=True
        )
        take = nameless & (far <= REACH_MM)
        merged.labels[take] = merged.labels[tuple(nearest[:, take])]
        merged.parts[take] = 0
        given += int(np.count_nonzero(take))
    return given


def _claims(layer: Layer, merged: Merged) -> list[tuple[str, NDArray[np.bool_]]]:
    """Structure and voxels of every value of a mask; values without a meaning are losses."""
    array = layer.volume.array
    if layer.mask.binary:
        found = {next(iter(layer.names.values())): array != 0}
    else:
        found = {}
        for value in map(int, np.unique(array)):
            if value:
                name = layer.names.get(value, str(value))
                mask = array == value
                found[name] = found[name] | mask if name in found else mask
    claims = []
    for given, mask in found.items():
        name = _SYNONYMS.get(given, given)
        if name in VALUES:
            claims.append((NAMES[VALUES[name]], mask))
        elif name in GENERIC:
            claims.append((name, mask))
        else:
            reason = "no-meaning" if name.lstrip("-").isdecimal() else "unknown-name"
            merged.losses.append(
                {
                    "name": name,
                    "voxels": int(np.count_nonzero(mask)),
                    "reason": reason,
                    "file": layer.file,
                }
            )
    return claims


def _paint(merged: Merged, name: str, mask: NDArray[np.bool_], *, refuse: bool) -> None:
    """Give voxels to a structure, over whoever had them."""
    value = VALUES[name]
    if name == "spinal_canal":
        mask = mask & (merged.labels != VALUES["spinal_cord"])
    before = np.bincount(merged.labels[mask], minlength=256)
    for other in map(int, np.flatnonzero(before)):
        if other in (0, value) or (name == "spinal_cord" and NAMES[other] == "spinal_canal"):
            continue
        _note(merged, NAMES[other], name, int(before[other]), name, refuse=refuse)
    merged.labels[mask] = value


def _paint_tissue(merged: Merged, name: str, mask: NDArray[np.bool_], *, refuse: bool) -> None:
    """Give voxels to a tissue where no structure has them."""
    kind = "disc" if name == "disc" else "vertebra"
    inside = np.bincount(merged.labels[mask], minlength=256)
    for other in map(int, np.flatnonzero(inside)):
        if other and kind_of_value(other) != kind:
            _note(merged, NAMES[other], name, int(inside[other]), NAMES[other], refuse=refuse)
    merged.parts[mask & (merged.labels == 0)] = GENERIC[name]


def _note(
    merged: Merged, first: str, second: str, voxels: int, winner: str, *, refuse: bool
) -> None:
    if refuse:
        raise InputError(
            "masks-conflict",
            f"{first} and {second} claim the same {voxels} voxels",
            "correct a mask, or choose another rule for conflicts",
        )
    merged.conflicts.append(Conflict(first, second, voxels, winner))
