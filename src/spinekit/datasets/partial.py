"""What a partial mask says and leaves unsaid: bytes of allowed parts per voxel.

It knows nothing of files or training. Bit c of `allowed` is set where part c (the values of
`anatomy.parts`) may be; 127 is "unknown". All arrays are (I, J, K) in the frame i→R, j→A, k→S.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.column import LEVELS, SACRUM, Variant, ends_of, is_nameless
from spinekit.anatomy.parts import CANAL, DISC, PARTS, VERTEBRA
from spinekit.anatomy.scheme import (
    ABSTAINED_DISC,
    LAST_DISC,
    NAMES,
    VALUES,
    disc_value,
    kind_of_value,
)

(
    ALLOW_BACKGROUND,
    ALLOW_BODY,
    ALLOW_POSTERIOR,
    ALLOW_DISC,
    ALLOW_CANAL,
    ALLOW_CORD,
    ALLOW_SACRUM,
) = (1 << part for part in range(len(PARTS)))
UNKNOWN = (1 << len(PARTS)) - 1
"""Any part may be there."""

ENDPLATE_MM = 1.7
"""Next to bone, a gap this wide may be endplate: so wide is what SPIDER's masks leave there."""
NARROWEST_MM = 15.0
"""From right to left every vertebra and disc is wider: where the widest that is drawn is narrower,
it was drawn on some of its slices."""
CANAL_WITH_CORD = CANAL
"""SPIDER's part that is canal and cord in one, in the masks of parts."""

ATLAS = VALUES["C1"]
"""All of it is posterior elements for a network, the anterior arch too, so that it is told from
the dens behind it; splitting gives the arch back as body."""

Bytes = NDArray[np.uint8]
LabelMap = NDArray[np.integer]

_BONES = [VALUES[level] for level in LEVELS if level != SACRUM]
_DISCS = [v for v in NAMES if kind_of_value(v) == "disc" and v not in ABSTAINED_DISC]


def allowed_from_bodies(
    bodies: LabelMap, spacing_mm: tuple[float, float, float], *, loose_sides_mm: float = 0.0
) -> Bytes:
    """Named bodies: body or not inside their stretch, between neighbours disc or its endplates.

    What lies above is unknown. Nothing below L5 is a vertebral body; where another level
    ends the stretch, what lies below is unknown, and so are slices that nobody drew on.

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
    labels, bodies = bodies, np.where(mask, bodies, 0)
    k = np.flatnonzero(drawn.any(axis=(0, 1)))
    top = k[-1] - round(3.0 / spacing_mm[2])
    bottom = 0 if (bodies == VALUES["L5"]).any() else k[0] + round(3.0 / spacing_mm[2])
    allowed[:, :, bottom:top] = UNKNOWN & ~ALLOW_BODY
    values = sorted(int(v) for v in np.unique(bodies[mask]))
    endplate = max(1, round(ENDPLATE_MM / spacing_mm[2]))
    near_bone = ndimage.binary_dilation(drawn, np.ones((1, 1, 3), bool), endplate)
    for upper, lower in pairwise(values):
        between = _between(bodies == upper, bodies == lower, spacing_mm)
        allowed[between] = ALLOW_DISC
        allowed[between & near_bone] = ALLOW_DISC | ALLOW_BACKGROUND
    allowed[drawn] = UNKNOWN
    allowed[mask] = ALLOW_BODY
    allowed[_not_drawn_on(labels, spacing_mm)] = UNKNOWN
    return allowed


def allowed_from_discs(discs: LabelMap, spacing_mm: tuple[float, float, float]) -> Bytes:
    """Named discs: disc or not from the topmost one down to the sacrum, unknown above.

    Slices that nobody drew on are unknown too.
    """
    allowed = np.full(discs.shape, UNKNOWN, np.uint8)
    mask = discs > 0
    if not mask.any():
        return allowed
    top = np.flatnonzero(mask.any(axis=(0, 1)))[-1] - round(2.0 / spacing_mm[2])
    bottom = 0 if (discs == LAST_DISC).any() else int(np.flatnonzero(mask.any(axis=(0, 1)))[0])
    allowed[:, :, bottom:top] = UNKNOWN & ~ALLOW_DISC
    allowed[mask] = ALLOW_DISC
    allowed[_not_drawn_on(discs, spacing_mm)] = UNKNOWN
    return allowed


def allowed_from_cord(cord: LabelMap) -> Bytes:
    """Cord or not over the heights where it was drawn, unknown elsewhere."""
    allowed = np.full(cord.shape, UNKNOWN, np.uint8)
    mask = cord > 0
    if not mask.any():
        return allowed
    k = np.flatnonzero(mask.any(axis=(0, 1)))
    allowed[:, :, k[0] : k[-1] + 1] = UNKNOWN & ~ALLOW_CORD
    allowed[mask] = ALLOW_CORD
    return allowed


def allowed_from_labels(
    labels: LabelMap,
    spacing_mm: tuple[float, float, float],
    *,
    bodies_only: bool = False,
    known: Collection[str] = (),
) -> Bytes:
    """A map of named structures as what it may mean, knowing that it may lack some.

    Between the outermost structures a voxel without a label is background, or of a kind that the
    map holds none of, or of a vertebra or disc that it leaves out there (`_left_out`); beyond them
    it is unknown, and so are slices that nobody drew on (`_not_drawn_on`). A vertebra is body in
    front of the canal and posterior elements behind it, either where no canal is drawn; C1 is
    posterior elements all around. A canal without a cord in the map may hide one, and around a cord
    without a canal there may be canal.

    Args:
        labels: Label map in this package's values; vertebrae and discs without a name count too.
        spacing_mm: Voxel size.
        bodies_only: Whether what is labelled as vertebra is its body alone.
        known: Names that are known to be there besides those that the map holds, such as those
            that were taken out of it.
    """
    kinds = _kind_table()[np.clip(labels, 0, 255)]
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
    ground = np.full(
        labels.shape[2], ALLOW_BACKGROUND | (ALLOW_POSTERIOR if bodies_only else 0), np.uint8
    )
    for mask, codes in (
        (vertebra, ALLOW_BODY | ALLOW_POSTERIOR),
        (disc, ALLOW_DISC),
        (canal, ALLOW_CANAL),
        (canal | cord, ALLOW_CORD),
        (sacrum, ALLOW_SACRUM),
    ):
        ground |= 0 if mask.any() else codes
    for codes, heights in _left_out(labels, known):
        ground[heights] |= codes
    inside = slice(k[0], k[-1] + 1)
    allowed[:, :, inside] = ground[inside]
    bone = np.full(labels.shape, ALLOW_BODY, np.uint8)
    if not bodies_only:
        bone = _vertebra_codes(canal | cord, spacing_mm)
    bone[labels == ATLAS] = ALLOW_POSTERIOR
    allowed[vertebra] = bone[vertebra]
    allowed[disc] = ALLOW_DISC
    allowed[canal] = ALLOW_CANAL if cord.any() else ALLOW_CANAL | ALLOW_CORD
    allowed[cord] = ALLOW_CORD
    allowed[sacrum] = ALLOW_SACRUM
    allowed[_not_drawn_on(labels, spacing_mm)] = UNKNOWN
    return allowed


def _not_drawn_on(labels: LabelMap, spacing_mm: tuple[float, float, float]) -> NDArray[np.intp]:
    """(n,) slices along R without any label, where vertebrae are drawn on some of theirs alone.

    So it is where the widest vertebra is narrower than `NARROWEST_MM`, or without any vertebra the
    widest disc. None in a map of neither.
    """
    boxes = enumerate(ndimage.find_objects(np.clip(labels, 0, 255)), start=1)
    slices: dict[str, int] = {}
    for value, box in boxes:
        if box is not None and value in NAMES:
            kind, count = kind_of_value(value), box[0].stop - box[0].start
            slices[kind] = max(slices.get(kind, 0), count)
    widest = slices.get("vertebra") or slices.get("disc")
    if widest is None or widest * spacing_mm[0] >= NARROWEST_MM:
        return np.empty(0, np.intp)
    return np.flatnonzero(~(labels > 0).any(axis=(1, 2)))


def _left_out(labels: LabelMap, known: Collection[str]) -> Iterator[tuple[int, slice]]:
    """Parts and heights of vertebrae and discs that are there by others' names, and unmarked.

    One without a name may be at any height. One that its neighbours' names tell of, or that is
    known of, is where these leave it room: a vertebra below the middle of the next bone above, its
    body above that of the next one below, and its arch hangs down to the foot of that at most; a
    disc between the middles of whatever is marked next to it.
    """
    spans: dict[str, tuple[int, int]] = {}
    for value in np.unique(labels):
        name = NAMES.get(int(value), "")
        if name in LEVELS or "-" in name:
            k = np.flatnonzero((labels == value).any(axis=(0, 1)))
            spans[name] = (int(k[0]), int(k[-1]))
    for name in filter(is_nameless, known):
        if not (labels == VALUES[name]).any():
            codes = ALLOW_DISC if VALUES[name] in ABSTAINED_DISC else ALLOW_BODY | ALLOW_POSTERIOR
            yield codes, slice(None)
    column = _column(spans, known)
    for place, name in enumerate(column):
        is_disc = "-" in name
        if name in spans or name == SACRUM:
            continue
        marked = [n for n in column if n in spans and (is_disc or "-" not in n)]
        above = [spans[n] for n in marked if column.index(n) < place][-1:]
        below = [spans[n] for n in marked if column.index(n) > place][:1]
        foot = below[0][0] if below else 0
        low = sum(below[0]) // 2 if below else 0
        high = sum(above[0]) // 2 if above else labels.shape[2]
        yield ALLOW_DISC if is_disc else ALLOW_BODY, slice(low, max(low, high))
        if not is_disc:
            yield ALLOW_POSTERIOR, slice(foot, max(foot, high))


def _column(names: Collection[str], known: Collection[str]) -> list[str]:
    """Bones and discs, from the top, of the shortest ordinary column that has these names in it.

    One bone more is at either end: its processes, or its arch, reach beside what is named. A disc
    has both its bones in it; T13 and L6 are there where they are named, or known of.
    """
    ends = {end for name in names for end in ends_of(name)}
    there = {*Variant().levels, *ends, *(end for name in known for end in ends_of(name))}
    levels = [level for level in LEVELS if level in there]
    places = [place for place, level in enumerate(levels) if level in ends]
    levels = levels[max(min(places) - 1, 0) : max(places) + 2] if places else []
    column = levels[:1]
    for upper, lower in pairwise(levels):
        column += [lower] if upper == "C1" else [NAMES[disc_value(upper, lower)], lower]
    return column


def _kind_table() -> NDArray[np.str_]:
    """(256,) kind of structure of every value, "" for none."""
    table = np.full(256, "", dtype="<U12")
    for value in NAMES:
        table[value] = kind_of_value(value)
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
    vertebra, disc, canal = parts == VERTEBRA, parts == DISC, parts == CANAL_WITH_CORD
    allowed = np.full(parts.shape, ALLOW_BACKGROUND, np.uint8)
    if not vertebra.any():
        return np.full(parts.shape, UNKNOWN, np.uint8)
    lowest = _centre_k(names == VALUES["L5"])
    disc_k = np.flatnonzero(disc.any(axis=(0, 1)))
    if lowest is not None:
        allowed[:, :, :lowest][~(vertebra | disc | canal)[:, :, :lowest]] |= ALLOW_SACRUM
    if len(disc_k):
        allowed[:, :, : int(disc_k[0])] |= ALLOW_CANAL
    allowed[vertebra] = _vertebra_codes(canal, spacing_mm)[vertebra]
    allowed[disc] = ALLOW_DISC
    allowed[canal] = ALLOW_CANAL | ALLOW_CORD
    limit = _centre_k(names == VALUES["L3"])
    if cord is not None and cord.any():
        _tell_cord(allowed, canal, cord, certain_above=_centre_k(names == VALUES["L1"]))
    if limit is not None:
        allowed[:, :, :limit][canal[:, :, :limit]] = ALLOW_CANAL
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
    allowed[seen & ~ndimage.binary_dilation(cord, plane)] = ALLOW_CANAL
    allowed[seen & core] = ALLOW_CORD


def body_names(parts: LabelMap, names: LabelMap, allowed: Bytes) -> NDArray[np.uint8]:
    """Names where they are reliable: vertebra values on certain bodies, disc values on discs."""
    kept = np.where((allowed == ALLOW_BODY) & np.isin(names, _BONES), names, 0)
    return np.where((parts == DISC) & np.isin(names, _DISCS), names, kept).astype(np.uint8)


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
    codes = np.full(canal.shape, ALLOW_BODY | ALLOW_POSTERIOR, np.uint8)
    codes[enough[:, None, :] & (j > last[:, None, :])] = ALLOW_BODY
    codes[enough[:, None, :] & (j < first[:, None, :])] = ALLOW_POSTERIOR
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
