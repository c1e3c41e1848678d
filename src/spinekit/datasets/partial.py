"""What a partial mask says and leaves unsaid: bytes of allowed parts per voxel.

It knows nothing of files or training. Bit c of `allowed` is set where part c (0 background, 1 body,
2 posterior, 3 disc, 4 canal, 5 cord, 6 sacrum) may be; 127 is "unknown". All arrays are (I, J, K)
in the frame i→R, j→A, k→S.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.column import LEVELS, Variant
from spinekit.anatomy.column import SACRUM as SACRUM_NAME
from spinekit.anatomy.scheme import (
    ABSTAINED_DISC,
    ABSTAINED_VERTEBRA,
    NAMES,
    VALUES,
    disc_value,
    part_of,
)

UNKNOWN = 127
BACKGROUND, BODY, POSTERIOR, DISC, CANAL, CORD, SACRUM = (1 << part for part in range(7))

ENDPLATE_MM = 1.7
"""Next to bone, a gap this wide may be endplate: so wide is what SPIDER's masks leave there."""
CANAL_WITH_CORD = 4
"""SPIDER's part that is canal and cord in one, in the masks of parts."""

ATLAS = VALUES["C1"]
"""All of it is posterior elements for a network, the anterior arch too, so that it is told from
the dens behind it; splitting gives the arch back as body."""

Bytes = NDArray[np.uint8]
LabelMap = NDArray[np.integer]


def allowed_from_bodies(
    bodies: LabelMap, spacing_mm: tuple[float, float, float], *, loose_sides_mm: float = 0.0
) -> Bytes:
    """Named bodies: body or not inside their stretch, between neighbours disc or its endplates.

    What lies above is unknown. Nothing below L5 (value 45) is a vertebral body; where another level
    ends the stretch, what lies below is unknown.

    Args:
        bodies: Label map.
        spacing_mm: Voxel size.
        loose_sides_mm: Where a mask is drawn past the bone at its right and left ends, the length
            there that says nothing.
    """
    allowed = np.full(bodies.shape, UNKNOWN, np.uint8)
    drawn = bodies > 0
    if not drawn.any():
        return allowed
    mask = _trim_sides(drawn, round(loose_sides_mm / spacing_mm[0]))
    bodies = np.where(mask, bodies, 0)
    k = np.flatnonzero(drawn.any(axis=(0, 1)))
    top = k[-1] - round(3.0 / spacing_mm[2])
    bottom = 0 if (bodies == 45).any() else k[0] + round(3.0 / spacing_mm[2])
    allowed[:, :, bottom:top] = UNKNOWN & ~BODY
    values = sorted(int(v) for v in np.unique(bodies[mask]))
    endplate = max(1, round(ENDPLATE_MM / spacing_mm[2]))
    near_bone = ndimage.binary_dilation(drawn, np.ones((1, 1, 3), bool), endplate)
    for upper, lower in pairwise(values):
        between = _between(bodies == upper, bodies == lower, spacing_mm)
        allowed[between] = DISC
        allowed[between & near_bone] = DISC | BACKGROUND
    allowed[drawn] = UNKNOWN
    allowed[mask] = BODY
    return allowed


def allowed_from_discs(discs: LabelMap, spacing_mm: tuple[float, float, float]) -> Bytes:
    """Named discs: disc or not from the topmost one down to the sacrum, unknown above."""
    allowed = np.full(discs.shape, UNKNOWN, np.uint8)
    mask = discs > 0
    if not mask.any():
        return allowed
    top = np.flatnonzero(mask.any(axis=(0, 1)))[-1] - round(2.0 / spacing_mm[2])
    bottom = 0 if (discs == 100).any() else int(np.flatnonzero(mask.any(axis=(0, 1)))[0])
    allowed[:, :, bottom:top] = UNKNOWN & ~DISC
    allowed[mask] = DISC
    return allowed


def allowed_from_cord(cord: LabelMap) -> Bytes:
    """Cord or not over the heights where it was drawn, unknown elsewhere."""
    allowed = np.full(cord.shape, UNKNOWN, np.uint8)
    mask = cord > 0
    if not mask.any():
        return allowed
    k = np.flatnonzero(mask.any(axis=(0, 1)))
    allowed[:, :, k[0] : k[-1] + 1] = UNKNOWN & ~CORD
    allowed[mask] = CORD
    return allowed


def allowed_from_labels(
    labels: LabelMap, spacing_mm: tuple[float, float, float], *, bodies_only: bool = False
) -> Bytes:
    """A map of named structures as what it may mean, knowing that it may lack some.

    Between the outermost structures a voxel without a label is background, or of a kind that the
    map holds none of, or of a vertebra or disc that it leaves out there (`_left_out`); beyond them
    it is unknown. A vertebra is body in front of the canal and posterior elements behind it,
    either where no canal is drawn; C1 is posterior elements all around. A canal without a cord in
    the map may hide one, and around a cord without a canal there may be canal.

    Args:
        labels: Label map in this package's values; vertebrae and discs without a name count too.
        spacing_mm: Voxel size.
        bodies_only: Whether what is labelled as vertebra is its body alone.
    """
    kinds = _part_table()[np.clip(labels, 0, 255)]
    vertebra, disc, canal, cord, sacrum = (
        kinds == kind for kind in ("vertebra", "disc", "spinal_canal", "spinal_cord", "sacrum")
    )
    told = vertebra | disc | canal | cord | sacrum
    allowed = np.full(labels.shape, UNKNOWN, np.uint8)
    if not told.any():
        return allowed
    k = np.flatnonzero((vertebra | disc | sacrum).any(axis=(0, 1)))
    if not len(k):
        k = np.flatnonzero(told.any(axis=(0, 1)))
    ground = np.full(labels.shape[2], BACKGROUND | (POSTERIOR if bodies_only else 0), np.uint8)
    for mask, codes in (
        (vertebra, BODY | POSTERIOR),
        (disc, DISC),
        (canal, CANAL),
        (canal | cord, CORD),
        (sacrum, SACRUM),
    ):
        ground |= 0 if mask.any() else codes
    for codes, heights in _left_out(labels):
        ground[heights] |= codes
    inside = slice(k[0], k[-1] + 1)
    allowed[:, :, inside] = ground[inside]
    bone = np.full(labels.shape, BODY, np.uint8)
    if not bodies_only:
        bone = _vertebra_codes(canal | cord, spacing_mm)
    bone[labels == ATLAS] = POSTERIOR
    allowed[vertebra] = bone[vertebra]
    allowed[disc] = DISC
    allowed[canal] = CANAL if cord.any() else CANAL | CORD
    allowed[cord] = CORD
    allowed[sacrum] = SACRUM
    return allowed


def _left_out(labels: LabelMap) -> Iterator[tuple[int, slice]]:
    """Parts and heights of vertebrae and discs that are there by their neighbours' names, unmarked.

    Such a vertebra lies below the middle of the next bone above, its body above that of the next
    one below, and its arch hangs down to the foot of that at most; a disc lies between the middles
    of whatever is marked next to it.
    """
    spans: dict[str, tuple[int, int]] = {}
    for value in np.unique(labels):
        name = NAMES.get(int(value), "")
        if name in LEVELS or "-" in name:
            k = np.flatnonzero((labels == value).any(axis=(0, 1)))
            spans[name] = (int(k[0]), int(k[-1]))
    column = _column(spans)
    for place, name in enumerate(column):
        is_disc = "-" in name
        if name in spans or name == SACRUM_NAME:
            continue
        marked = [n for n in column if n in spans and (is_disc or "-" not in n)]
        above = [spans[n] for n in marked if column.index(n) < place][-1:]
        below = [spans[n] for n in marked if column.index(n) > place][:1]
        foot = below[0][0] if below else 0
        low = sum(below[0]) // 2 if below else 0
        high = sum(above[0]) // 2 if above else labels.shape[2]
        yield DISC if is_disc else BODY, slice(low, max(low, high))
        if not is_disc:
            yield POSTERIOR, slice(foot, max(foot, high))


def _column(names: Collection[str]) -> list[str]:
    """Bones and discs, from the top, of the shortest ordinary column that has these in it.

    One bone more is at either end: its processes, or its arch, reach beside what is named. A disc
    has both its bones in it; T13 and L6 are there where they are named.
    """
    ends = {end for name in names for end in name.replace("S1", SACRUM_NAME).split("-")}
    levels = [level for level in LEVELS if level in Variant().levels or level in ends]
    places = [place for place, level in enumerate(levels) if level in ends]
    levels = levels[max(min(places) - 1, 0) : max(places) + 2] if places else []
    column = levels[:1]
    for upper, lower in pairwise(levels):
        column += [lower] if upper == "C1" else [NAMES[disc_value(upper, lower)], lower]
    return column


def _part_table() -> NDArray[np.str_]:
    """(256,) kind of structure of every value, "" for none."""
    table = np.full(256, "", dtype="<U12")
    for value in (*NAMES, *ABSTAINED_VERTEBRA, *ABSTAINED_DISC):
        table[value] = part_of(value)
    return table


def allowed_from_parts(
    parts: LabelMap,
    names: LabelMap,
    spacing_mm: tuple[float, float, float],
    *,
    cord: NDArray[np.bool_] | None = None,
) -> Bytes:
    """SPIDER's parts (7 vertebra, 3 disc, 4 canal with cord) as what they may mean.

    In slices that show the canal, vertebra in front of it is body and behind it posterior
    elements. The 1.4 mm gap its masks leave between disc and bone is the endplate's: neither.
    The sacrum, not annotated, may hide in background below the middle of the lowest vertebra.
    The canal may be cord or not; where cord was seen it is told from the fluid, but for the dark
    between the middles of the first and third lumbar vertebrae, which may be roots. Below, no cord.

    Args:
        parts: Label map of parts.
        names: Label map of names.
        spacing_mm: Voxel size.
        cord: Cord seen in the image, or None; roots may be in it.
    """
    vertebra, disc, canal = parts == 7, parts == 3, parts == CANAL_WITH_CORD
    allowed = np.full(parts.shape, BACKGROUND, np.uint8)
    if not vertebra.any():
        return np.full(parts.shape, UNKNOWN, np.uint8)
    lowest = _centre_k(names == 45)
    disc_k = np.flatnonzero(disc.any(axis=(0, 1)))
    if lowest is not None:
        allowed[:, :, :lowest][~(vertebra | disc | canal)[:, :, :lowest]] |= SACRUM
    if len(disc_k):
        allowed[:, :, : int(disc_k[0])] |= CANAL
    allowed[vertebra] = _vertebra_codes(canal, spacing_mm)[vertebra]
    allowed[disc] = DISC
    allowed[canal] = CANAL | CORD
    limit = _centre_k(names == 43)
    if cord is not None and cord.any():
        _tell_cord(allowed, canal, cord, certain_above=_centre_k(names == 41))
    if limit is not None:
        allowed[:, :, :limit][canal[:, :, :limit]] = CANAL
    return allowed


def _tell_cord(
    allowed: Bytes, canal: NDArray[np.bool_], cord: NDArray[np.bool_], *, certain_above: int | None
) -> None:
    """Tell cord from fluid at the heights where it was seen; their border is left open."""
    plane = ndimage.generate_binary_structure(2, 1)[None]
    seen = cord.any(axis=(0, 1)) & canal
    core = ndimage.binary_erosion(cord, plane)
    if certain_above is None:
        core[:] = False
    else:
        core[:, :, :certain_above] = False
    allowed[seen & ~ndimage.binary_dilation(cord, plane)] = CANAL
    allowed[seen & core] = CORD


def body_names(parts: LabelMap, names: LabelMap, allowed: Bytes) -> NDArray[np.uint8]:
    """Names where they are reliable: vertebra values on certain bodies, disc values on discs."""
    kept = np.where((allowed == BODY) & (names >= 11) & (names <= 46), names, 0)
    return np.where((parts == 3) & (names >= 63) & (names <= 100), names, kept).astype(np.uint8)


def _centre_k(mask: NDArray[np.bool_]) -> int | None:
    """Middle height of a mask, None when it is empty."""
    k = np.flatnonzero(mask.any(axis=(0, 1)))
    return int((k[0] + k[-1]) // 2) if len(k) else None


def _vertebra_codes(canal: NDArray[np.bool_], spacing_mm: tuple[float, float, float]) -> Bytes:
    """Body in front of the canal, posterior behind it, either in rows without a canal."""
    size_j = canal.shape[1]
    rows = canal.any(axis=1)
    first = np.argmax(canal, axis=1)
    last = size_j - 1 - np.argmax(canal[:, ::-1], axis=1)
    enough = rows & (canal.sum(axis=1) * spacing_mm[1] >= 7.0)
    j = np.arange(size_j)[None, :, None]
    codes = np.full(canal.shape, BODY | POSTERIOR, np.uint8)
    codes[enough[:, None, :] & (j > last[:, None, :])] = BODY
    codes[enough[:, None, :] & (j < first[:, None, :])] = POSTERIOR
    return codes


def _trim_sides(mask: NDArray[np.bool_], slices: int) -> NDArray[np.bool_]:
    """A mask without its outermost slices at either side, row by row; a cut by the edge is none."""
    line = np.ones((2 * slices + 1, 1, 1), bool)
    return np.asarray(ndimage.binary_erosion(mask, line, border_value=1))


def _between(
    upper: NDArray[np.bool_], lower: NDArray[np.bool_], spacing_mm: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Voxels that have the upper body above and the lower one below them.

    Above and below run along the line of centres, slice by slice. The sides are spared by 3 mm, and
    gaps over 18 mm are not a disc.
    """
    result = np.zeros(upper.shape, bool)
    spacing = np.asarray(spacing_mm[1:])
    for i in np.flatnonzero(upper.any(axis=(1, 2)) & lower.any(axis=(1, 2))):
        axis = _centroid(upper[i]) - _centroid(lower[i])
        axis = axis * spacing / np.linalg.norm(axis * spacing)
        side = np.array([axis[1], -axis[0]])
        gap = _ray(upper[i], axis / spacing) & _ray(lower[i], -axis / spacing)
        gap &= ~(upper[i] | lower[i])
        inner = gap.copy()
        for sign in (-1, 1):
            shift = sign * 3.0 * side / spacing
            inner &= ndimage.shift(gap.astype(np.uint8), -shift, order=0).astype(bool)
        result[i] = inner
    return result


def _centroid(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.argwhere(mask).mean(axis=0)


def _ray(mask: NDArray[np.bool_], step: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Voxels from which the mask is met within 18 steps of 1 mm."""
    hit = np.zeros(mask.shape, bool)
    for distance in range(1, 19):
        hit |= ndimage.shift(mask.astype(np.uint8), -step * distance, order=0).astype(bool)
    return hit
