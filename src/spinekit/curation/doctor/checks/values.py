"""Values of masks: without a meaning, in between, or claimed twice.

Values that are no whole numbers are found on reading; what follows whom is for `order`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy import ndimage

from spinekit.anatomy.scheme import VALUES
from spinekit.curation.doctor.column import Column
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.specimen import Specimen
from spinekit.curation.layer import Layer

GREY_VALUES = 3
"""This many unexpected values that all lie at the borders of others come from interpolation."""
BORDER_SHARE = 0.8
OVERLAP_SHARE = 0.005
"""Of the smaller structure; fewer voxels at a common border are nobody's mistake."""
OVERLAP_VOXELS = 5


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report unexpected and in-between values, and voxels with two names."""
    specimen, column = evidence.specimen, evidence.column
    for layer in specimen.layers:
        if layer.mask.binary:
            yield from _grey_binary(specimen, layer)
        else:
            yield from _unexpected(specimen, layer)
    if column is not None:
        yield from _overlaps(evidence, column)


def _grey_binary(specimen: Specimen, layer: Layer) -> Iterator[Finding]:
    values, counts = np.unique(layer.volume.array, return_counts=True)
    if len(values) - 1 <= 1:
        return
    name = layer.file
    shown = ", ".join(str(int(v)) for v in values[:8])
    text = f"{name}: a mask of one structure holds {len(values)} values ({shown} …)"
    odd = (layer.volume.array != 0) & (layer.volume.array != values[1:][counts[1:].argmax()])
    yield Finding("mask-grey", specimen.case.name, text, name, spot_ijk=_first(odd))


def _unexpected(specimen: Specimen, layer: Layer) -> Iterator[Finding]:
    array = layer.volume.array
    odd = [int(v) for v in np.unique(array) if v != 0 and int(v) not in layer.names]
    if not odd:
        return
    case, name = specimen.case.name, layer.file
    strange = np.isin(array, odd)
    count = int(strange.sum())
    shown = ", ".join(map(str, odd[:8])) + (" …" if len(odd) > 8 else "")
    known = (array != 0) & ~strange
    border = ndimage.binary_dilation(known, np.ones((3, 3, 3), bool)) & strange
    if len(odd) >= GREY_VALUES and border.sum() >= BORDER_SHARE * count:
        text = (
            f"{name}: values without a meaning ({shown}) in {count} voxels, which all lie at the "
            "borders of others, as interpolation makes them"
        )
        yield Finding("mask-grey", case, text, name, spot_ijk=_first(strange))
        return
    text = f"{name}: {count} voxels have values without a meaning: {shown}"
    yield Finding(
        "value-unexpected", case, text, name, spot_ijk=_first(strange), facts={"values": odd}
    )


def _overlaps(evidence: Evidence, column: Column) -> Iterator[Finding]:
    """Voxels that two masks give different names of `anatomy.scheme`."""
    census = column.census
    named = [s for s in census.structures if s.name in VALUES]
    for one, two in combinations(named, 2):
        if one.layer == two.layer or one.name == two.name:
            continue
        starts = [max(a.start, b.start) for a, b in zip(one.box, two.box, strict=True)]
        stops = [min(a.stop, b.stop) for a, b in zip(one.box, two.box, strict=True)]
        if any(a >= b for a, b in zip(starts, stops, strict=True)):
            continue
        first, second = census.mask_of(one), census.mask_of(two)
        both = np.zeros([b - a for a, b in zip(starts, stops, strict=True)], bool)
        both[:] = first[_within(one.box, starts, stops)] & second[_within(two.box, starts, stops)]
        limit = max(OVERLAP_VOXELS, OVERLAP_SHARE * min(one.voxels, two.voxels))
        if both.sum() > limit:
            spot = np.argwhere(both)[both.sum() // 2] + starts
            text = f"{one.name} and {two.name} both claim {int(both.sum())} voxels"
            yield evidence.finding("masks-overlap", text, one, two, spot=spot)


def _within(
    box: tuple[slice, ...], starts: list[int], stops: list[int]
) -> tuple[slice, slice, slice]:
    i, j, k = (
        slice(a - side.start, b - side.start) for side, a, b in zip(box, starts, stops, strict=True)
    )
    return i, j, k


def _first(mask: np.ndarray) -> tuple[float, float, float]:
    """A voxel of a mask that is not empty, from its middle in file order."""
    found = np.argwhere(mask)
    i, j, k = (float(n) for n in found[len(found) // 2])
    return i, j, k
