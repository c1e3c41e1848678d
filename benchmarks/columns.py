"""Columns at instance level for the naming benchmark: sizes of drawn patients, measured errors.

Sizes, degeneration, fractures and fused discs are those of `spinekit.synth`, so neither the
labeller's tables nor its spreads made them. What the network says, and what splitting gets wrong,
is drawn with the rates measured on real scans by the hold-outs H1 to H3, which had not seen them:
`naming_rates.py` for the evidence (82 lumbar scans, 28 of them also cut off through L5, and two
necks, whole and cut off through C4), `benchmarks/results/h*.csv` for splitting (485 bodies, 236
discs); bodies and discs it misses somewhat more often than was measured. Real errors of evidence
are not independent: one scan's bones share them. Between T10 and T4 no bone is annotated; errors
there lie between those of the two. It knows no labeller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM, Variant
from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.scheme import disc_name
from spinekit.synth.spine import Spine, sample_spine

USUAL = (*Variant().levels,)
MIDDLE, COUNTED = 12, 6
"""Down to T6 names are true; the last six vertebrae are counted from the sacrum."""
COUNTS = ("L6", "four-lumbar", "T11", "T13")
"""Anomalies that change a count."""
Anchors = tuple[tuple[str, float], ...]
"""Values at levels, from the top: straight between them, and the same beyond the outermost."""

SPREAD = (0.13, 0.15, 0.16, 0.17, 0.18, 0.08, 0.36, 0.45)
"""Root mean square of the evidence's error in levels from the vertebra above the sacrum up to T10,
where the sacrum is in view; the last is of T11 and T10 together, for there are three of T10."""
NO_END: Anchors = (("C6", 0.73), ("T2", 0.44), ("T10", 0.63))
"""The same where neither it nor C2 is, and with it further up."""
BELOW_C2: Anchors = (("C6", 0.38), ("T2", 0.27), ("T10", 0.63))
"""The same with C2 in view."""
HOLD = 0.95
"""Correlation of the errors of two neighbours."""
SHARP = 0.29
"""Width of the evidence in levels up to T11 with the sacrum in view: gives the measured mean
largest probabilities, 0.97 at L5 and 0.87 at T11."""
NO_END_SHARP: Anchors = (("T3", 0.66), ("T10", 0.4))
"""The same further up and without it: 0.56 at T3 and above, 0.78 at T10 and below."""
BELOW_C2_SHARP: Anchors = (("T3", 0.55), ("T10", 0.4))
"""The same with C2 in view: 0.66 at T3 and above."""
TO_T11 = 6
"""Vertebrae from L5 to T11."""
TAIL = 0.01
"""Share of the evidence spread over all levels."""
WORTHLESS = 0.01
"""Share of bones with evidence about another place; at most 3 of 261 were seen."""
MISSED, MERGED, SPLIT = 2 / 485, 1 / 485, 1 / 485
"""Of bodies: not found (1 was), one with the next, in two pieces (none was; one is assumed)."""
MISSED_DISC = 3 / 236
"""Of discs: not found (2 of 236 were by the hold-outs, 3 by those before)."""
SIZE_ERROR = 0.035
"""Relative error of a measured size: with the scatter of the patients' own, 0.045."""
SMOOTH_ERROR = {"height": 0.05, "depth": 0.08}
"""Relative errors that neighbours share. With the patients' own trends, 0.06 and 0.09."""
SHARED_OVER = 7.0
"""Levels over which the correlation of those falls to 1/e."""
ROUNDED = (-0.09, 0.04)
"""Logarithm of the measured over the true depth, mean and spread between scans: a depth is that
of a strip as long as the rounded body is on average."""
CUT_LEAST = 0.2
"""Least share of a vertebra at the scan's edge for it to be found at all."""
DENS = (1.3, 2.0)
"""Least and greatest measured height of C2 with the dens over that of its body, in four necks."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """Instances, evidence, and the truth of one scan.

    `truth` has a name per item, None for what is no single vertebra and for discs of other sources;
    `scored` are the items whose names count: whole, single vertebrae. `levels` is the patient's
    whole column.
    """

    instances: Instances
    evidence: Floats
    truth: tuple[str | None, ...]
    scored: tuple[int, ...]
    levels: tuple[str, ...]
    anomalies: tuple[str, ...]

    @property
    def shows_both_ends(self) -> bool:
        """Whether C2 and the sacrum are among the bones."""
        return {"C2", SACRUM} <= set(self.truth)


@dataclass(frozen=True)
class Piece:
    """One bone or disc before it is an instance; lengths in mm from the top of the column."""

    kind: str
    top: float
    height: float
    depth: float
    truth: str | None
    evidence: Floats
    partial: bool = False


@dataclass(frozen=True)
class Ends:
    """Which ends of the column are in view, whole."""

    c2: bool
    sacrum: bool


@dataclass(frozen=True)
class Drawn:
    """What is in view of one patient, before splitting goes wrong."""

    pieces: list[Piece]
    edges: tuple[float, float]
    spine: Spine


def draw_pieces(
    rng: np.random.Generator, *, visible: int | None, anomalies: tuple[str, ...] | None = None
) -> Drawn:
    """Draw a patient and what one scan shows of the spine; arguments as for `draw_column`."""
    spine = sample_spine(rng, anomalies)
    first, last, sacrum = _window(rng, spine, visible)
    pieces, edges = _draw_pieces(rng, spine, first, last, sacrum)
    return Drawn(pieces, edges, spine)


def draw_column(
    rng: np.random.Generator,
    *,
    visible: int | None,
    anomalies: tuple[str, ...] | None = None,
    errors: bool = True,
) -> Column:
    """Draw what splitting and the network would give for one scan.

    Args:
        rng: source of all randomness.
        visible: whole vertebrae in view, at any height from C2 down; None for all.
        anomalies: as for `sample_spine`; None draws them as often as in people.
        errors: whether bones and discs are missed, merged and split.
    """
    drawn = draw_pieces(rng, visible=visible, anomalies=anomalies)
    return build_column(drawn, _spoil(rng, drawn.pieces) if errors else drawn.pieces)


def _window(rng: np.random.Generator, spine: Spine, visible: int | None) -> tuple[int, int, bool]:
    """First and last whole vertebra, and whether the sacrum is in view."""
    n = len(spine.levels)
    if visible is None:
        return int(rng.random() < 0.5), n - 1, True
    first = int(rng.integers(1, n - visible + 1))
    last = first + visible - 1
    return first, last, last == n - 1 and bool(rng.random() < 0.9)


def _draw_pieces(
    rng: np.random.Generator, spine: Spine, first: int, last: int, sacrum: bool
) -> tuple[list[Piece], tuple[float, float]]:
    """Bones and discs from the top, and the upper and lower edge of the scan."""
    n = len(spine.levels)
    height = np.array(spine.height_mm)
    height[1] *= rng.uniform(*DENS)
    top = np.concatenate([[0.0], np.cumsum(height + np.array(spine.disc_mm))])
    upper = top[first] - float(rng.uniform(0.05, 0.95)) * (height[first - 1] if first else 20.0)
    below = height[last + 1] if last + 1 < n else 60.0
    share = float(rng.uniform(0.4, 1.0) if sacrum else rng.uniform(0.05, 0.95))
    lower = top[last] + height[last] + spine.disc_mm[last] + share * below
    if last + 1 == n and not sacrum:
        lower = top[last] + height[last] + 0.5 * spine.disc_mm[last]
    ends = Ends(c2=first <= 1, sacrum=sacrum)
    error = _evidence_error(rng, n, ends)
    depths = np.array(spine.depth_mm) * np.exp(rng.normal(*ROUNDED))
    off = {kind: np.exp(_shared(rng, n, spread)) for kind, spread in SMOOTH_ERROR.items()}
    depths = depths * off["depth"]
    pieces: list[Piece] = []
    for k in range(max(0, first - 1), min(n, last + 2)):
        seen = _cut(top[k], height[k], upper, lower)
        if seen[1] >= CUT_LEAST * height[k]:
            said = _say(rng, spine, k, error[k], ends)
            depth = float(depths[k])
            part = seen[1] < 0.98 * height[k]
            bone = _piece(rng, "vertebra", *seen, depth, spine.levels[k], said, part)
            pieces.append(_stretched(bone, off["height"][k]))
        disc = _cut(top[k] + height[k], spine.disc_mm[k], upper, lower)
        if k and not spine.bony[k] and disc[1] >= 0.5 * spine.disc_mm[k]:
            said = _say(rng, spine, k + 0.5, 0.5 * (error[k] + error[min(k + 1, n)]), ends)
            name = disc_name(spine.levels[k], (*spine.levels, SACRUM)[k + 1])
            pieces.append(_piece(rng, "disc", *disc, float(depths[k]), name, said, False))
    if sacrum:
        seen = (top[n], max(lower - top[n], 20.0))
        said = _say(rng, spine, n, 0.0, ends)
        pieces.append(_piece(rng, "sacrum", *seen, 30.0, SACRUM, said, False))
    return pieces, (upper, lower)


def _cut(top: float, height: float, upper: float, lower: float) -> tuple[float, float]:
    """Top and height of what lies between the scan's edges."""
    start = max(top, upper)
    return start, max(min(top + height, lower) - start, 0.0)


def _evidence_error(rng: np.random.Generator, n: int, ends: Ends) -> Floats:
    """(n + 1,) by how many levels the evidence is off at each vertebra and the sacrum."""
    error = np.zeros(n + 1)
    spread = [_spread(k, n, ends) for k in range(n)]
    unit = rng.normal()
    for k in range(n - 1, -1, -1):
        error[k] = spread[k] * unit
        unit = HOLD * unit + np.sqrt(1 - HOLD**2) * rng.normal()
    return error


def _shared(rng: np.random.Generator, n: int, spread: float) -> Floats:
    """(n,) errors that neighbours share."""
    near = np.exp(-np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / SHARED_OVER)
    return np.asarray(spread * np.linalg.cholesky(near) @ rng.normal(size=n))


def _stretched(piece: Piece, factor: float) -> Piece:
    """A piece with another height about the same middle."""
    height = piece.height * factor
    return replace(piece, top=piece.top + 0.5 * (piece.height - height), height=height)


def _spread(k: int, n: int, ends: Ends) -> float:
    """Spread of the evidence's error at vertebra k of n."""
    above_last = n - 1 - k
    if ends.sacrum and above_last < len(SPREAD):
        return SPREAD[above_last]
    return _between(k, BELOW_C2 if ends.c2 else NO_END)


def _between(place: float, anchors: Anchors) -> float:
    """The value at a place in the column."""
    levels, values = zip(*anchors, strict=True)
    return float(np.interp(place, [USUAL.index(level) for level in levels], values))


def _say(rng: np.random.Generator, spine: Spine, place: float, error: float, ends: Ends) -> Floats:
    """(27,) what the network says of a place in the column (halves are discs)."""
    n = len(spine.levels)
    at = called_place(place, n) + error
    if rng.random() < WORTHLESS:
        at = rng.uniform(1, len(USUAL) - 1)
    near = ends.sacrum and place >= n - 1 - TO_T11
    width = SHARP if near else _between(place, BELOW_C2_SHARP if ends.c2 else NO_END_SHARP)
    usual = np.exp(-0.5 * ((np.arange(len(USUAL)) - at) / width) ** 2) + 1e-12
    said = np.zeros(len(LEVELS))
    said[[LEVELS.index(name) for name in USUAL]] = usual / usual.sum()
    said = said * np.exp(rng.normal(0.0, 0.3, len(said)))
    return (1 - TAIL) * said / said.sum() + TAIL / len(LEVELS)


def called_place(place: float, n: int) -> float:
    """Where a network puts a place of a column of n vertebrae on the usual line of 24.

    On phantoms with a deviating count it calls the last vertebra L5 whatever it is, counts up from
    there through the loin, and comes back to the true names by the middle of the thorax.
    """
    share = np.clip((place - MIDDLE) / (n - COUNTED - MIDDLE), 0.0, 1.0)
    return float(place + share * (len(USUAL) - 1 - n))


def _piece(
    rng: np.random.Generator,
    kind: str,
    top: float,
    height: float,
    depth: float,
    truth: str | None,
    evidence: Floats,
    partial: bool,
) -> Piece:
    off = np.exp(rng.normal(0.0, SIZE_ERROR, 2))
    middle = top + height / 2
    height = float(height * off[0])
    return Piece(kind, middle - height / 2, height, float(depth * off[1]), truth, evidence, partial)


def _spoil(rng: np.random.Generator, pieces: list[Piece]) -> list[Piece]:
    """Miss, merge and split with the measured rates."""
    bones = [piece for piece in pieces if piece.kind == "vertebra"]
    draws = {id(piece): rng.random() for piece in pieces}
    for bone in bones:
        draw = draws[id(bone)]
        if draw < MISSED:
            pieces = drop(pieces, bone)
        elif draw < MISSED + MERGED:
            pieces = merge(pieces, bone)
        elif draw < MISSED + MERGED + SPLIT:
            pieces = split(pieces, bone)
    return [p for p in pieces if p.kind != "disc" or draws.get(id(p), 1.0) >= MISSED_DISC]


def drop(pieces: list[Piece], piece: Piece) -> list[Piece]:
    """Without one piece."""
    return [other for other in pieces if other is not piece]


def merge(pieces: list[Piece], bone: Piece) -> list[Piece]:
    """With a bone, the disc below it and the next vertebra in one; unchanged for the last one."""
    at = next((n for n, other in enumerate(pieces) if other is bone), None)
    below = None if at is None else next_vertebra(pieces, at)
    if at is None or below is None:
        return pieces
    lower = pieces[below]
    mixed = 0.5 * (bone.evidence + lower.evidence)
    whole = replace(bone, height=lower.top + lower.height - bone.top, truth=None, evidence=mixed)
    return [*pieces[:at], whole, *pieces[below + 1 :]]


def next_vertebra(pieces: list[Piece], at: int) -> int | None:
    """Place of the vertebra directly below a bone; None above the sacrum and at the end."""
    rest = [n for n in range(at + 1, len(pieces)) if pieces[n].kind != "disc"]
    return rest[0] if rest and pieces[rest[0]].kind == "vertebra" else None


def split(pieces: list[Piece], bone: Piece) -> list[Piece]:
    """With a bone in an upper and a lower half."""
    at = next((n for n, other in enumerate(pieces) if other is bone), None)
    if at is None:
        return pieces
    half = replace(bone, height=0.48 * bone.height, truth=None)
    low = replace(half, top=bone.top + 0.52 * bone.height)
    return [*pieces[:at], half, low, *pieces[at + 1 :]]


def build_column(drawn: Drawn, pieces: list[Piece]) -> Column:
    """Instances, evidence and truth of pieces that lie in the scan of a drawn patient."""
    window, spine = drawn.edges, drawn.spine
    counts = {"vertebra": 0, "disc": 0, "sacrum": 0}
    depth = int(window[1] - window[0]) + 1
    items = []
    for piece in pieces:
        counts[piece.kind] += 1
        middle = piece.top + piece.height / 2
        items.append(
            Instance(
                kind=piece.kind,  # type: ignore[arg-type]
                index=counts[piece.kind],
                centroid_ijk=(8.0, 60.0, float(np.clip(window[1] - middle, 0, depth - 1))),
                volume_mm3=float(piece.height * piece.depth**2),
                touches_edge=piece.partial,
                partial=piece.partial,
                position_mm=middle,
                top_mm=piece.top,
                bottom_mm=piece.top + piece.height,
                height_mm=piece.height,
                depth_mm=piece.depth,
                width_mm=1.3 * piece.depth,
            )
        )
    empty = np.broadcast_to(np.uint8(0), (1, 1, depth))
    truth = tuple(piece.truth for piece in pieces)
    return Column(
        instances=Instances(empty, empty, empty, tuple(items), (4.0, 1.0, 1.0)),
        evidence=np.array([piece.evidence for piece in pieces]).reshape(-1, len(LEVELS)),
        truth=truth,
        scored=tuple(
            n for n, p in enumerate(pieces) if p.truth and p.kind == "vertebra" and not p.partial
        ),
        levels=spine.levels,
        anomalies=tuple(str(a["name"]) for a in spine.anomalies if a["name"] in COUNTS),
    )
