"""Two bones that may be one: pieces of a body, a dens on its disc, S1 split off the sacrum.

It compares each bone with the next and says what the two may be; it knows nothing of hypotheses.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.items import Instance
from spinekit.labelling.naming import Choice
from spinekit.labelling.terms import Floats, Observations

FRAGMENT = np.log(0.3)
"""Log probability that two bones without a disc between them, not taller than one, are one."""
TWO_WHOLE = -6.0
"""The same two being whole vertebrae one after the other: collapsed both, and fused."""
FRAGMENT_HEIGHT = 1.35
"""Most height of such two together, in neighbours."""
NEAR, WIDE = 2, 4
"""Neighbours on either side that tell how tall one is, and those that do where they are pieces."""
WHOLE = 0.6
"""Share of the taller neighbours below which one is a piece itself."""
AXIS_HEIGHT = 3.2
"""The same where the network calls both C2, which with its dens is 2.3 pitches tall."""
AXIS_PIECE = 0.3
"""Share of its neighbours' volume below which what lies under C2 is a piece of it, whatever the
network calls it."""
AXIS_SAID, AXIS_BODY = 0.3, 0.6
"""The same share where the network gives C2 as much as the first. In axial slices of 4 mm the body
of C2, parted from its dens, was read 0.53 C3 and 0.46 C2, and had 0.44 of the volume."""
DENS_ON_DISC, CUT_DENS = np.log(0.05), np.log(0.04)
"""Log probability that a small bone on top, called C2 like the taller one below it, is its dens
although a disc lies between: what is left of the growth plate under the dens looks like one. Where
the edge cuts it, the two together are not as tall as C2."""
PLATE = 0.45
"""A disc between C1 and C2 of less than this share of the next one's volume is what is left of that
growth plate: there is no disc. One on a phantom had 0.18; a larger one doubts the names."""
SACRAL_FRAGMENT = np.log(0.25)
"""Log probability that a bone on the sacrum, without a disc between them, is S1."""
RUDIMENT = 0.45
"""A disc above the sacrum of less than this share of the next one's volume may be S1-S2, unless the
scan's edge cuts it: in 44 hold-out scans two of S1-S2 had 0.21 and 0.35, a collapsed L5-S1 0.34,
all others 0.54 and more."""
SACRAL_ON_DISC = np.log(0.1)
"""Log probability that a bone on such a disc is S1."""
BESIDE = 0.92
"""A bone may be S1 if the sacrum, by its wings, covers this share of its height. It begins below
nearly every L5; it covered 0.74 and 0.89 of two L5 that it held in part or whose sacrum the edge
cuts, and 0.95 and 1.04 of two S1 called L5 by a hold-out."""
SACRAL_BESIDE = np.log(4.0)
"""Log odds that such a bone is S1: 0.1 as on a rudimentary disc, times 40, as none of the 79 other
lowest vertebrae was covered so far by the hold-outs."""
SACRAL_GAP = 0.15
"""Widest gap between a bone and the sacrum it touches, over the depth of the bone."""
MOSTLY = 0.5
"""Least probability that two bones are one, of which either may bear the name, to join them."""
NEVER = -30.0
"""Log probability that two bones are one where nothing speaks for it."""


class Kind(enum.Enum):
    """What two bones, one after the other, may be besides two vertebrae."""

    APART = enum.auto()
    PIECES = enum.auto()
    DENS = enum.auto()
    CUT_DENS = enum.auto()
    FIRST_SACRAL = enum.auto()


@dataclass(frozen=True, slots=True)
class Pair:
    """A bone and the next: what they may be, and its log probability."""

    kind: Kind = Kind.APART
    log: float = NEVER

    @property
    def is_one_bone(self) -> bool:
        """Whether the two together are as tall as one vertebra."""
        return self.kind in (Kind.PIECES, Kind.DENS)


def pair_bones(
    items: Sequence[Instance], where: Sequence[int], said: NDArray[np.float64]
) -> list[Pair]:
    """What each bone and the next may be.

    Args:
        items: bones and discs from the top.
        where: (n,) places of the bones among them.
        said: (n, 25) share that the network gives each level; of bones that it calls C2, parts may
            be taller together.

    Returns:
        One pair for each bone but the last.
    """
    bones = [items[n] for n in where]
    axis = LEVELS.index("C2")
    is_axis = said.argmax(axis=1) == axis
    pairs = []
    for n, (above, below) in enumerate(itertools.pairwise(bones)):
        between = items[where[n] + 1 : where[n + 1]]
        usual = _usual_height(bones, n)
        if usual is None:
            pair = Pair()
        elif below.kind == "sacrum":
            discs = [item for item in items[: where[n + 1]] if item.kind == "disc"]
            pair = _on_sacrum(above, below, between, discs)
        else:
            both_axis = bool(is_axis[n] and is_axis[n + 1])
            may_be_dens = n == 0 and both_axis
            may_be_axis = both_axis or (
                bool(is_axis[n]) and _is_small(bones, n + 1, said[n + 1, axis])
            )
            pair = _in_column(above, below, between, usual, may_be_axis, may_be_dens)
        pairs.append(pair)
    return pairs


def _usual_height(bones: Sequence[Instance], n: int) -> float | None:
    """Height of the vertebrae beside bone n and the next, pieces left out; None where none is."""
    near, wide = (
        np.array(
            [
                bone.height_mm
                for m, bone in enumerate(bones)
                if n - reach <= m <= n + 1 + reach
                and m not in (n, n + 1)
                and bone.kind == "vertebra"
            ]
        )
        for reach in (NEAR, WIDE)
    )
    if not len(wide):
        return None
    least = WHOLE * np.quantile(wide, 0.75)
    kept = near[near >= least]
    return float(np.median(kept if len(kept) else wide[wide >= least]))


def _is_small(bones: Sequence[Instance], n: int, said: float) -> bool:
    """Whether a bone is far smaller than the vertebrae below it, and the scan's edge is not why."""
    below = [bone.volume_mm3 for bone in bones[n + 1 : n + 1 + WIDE] if bone.kind == "vertebra"]
    if bones[n].touches_edge or not below:
        return False
    most = AXIS_BODY if said >= AXIS_SAID else AXIS_PIECE
    return bones[n].volume_mm3 < most * float(np.median(below))


def _in_column(
    above: Instance,
    below: Instance,
    between: Sequence[Instance],
    usual_mm: float,
    may_be_axis: bool,
    may_be_dens: bool,
) -> Pair:
    """Two bones above the sacrum: not taller together than one, and no disc between them."""
    is_dens = may_be_dens and above.height_mm < below.height_mm
    most = AXIS_HEIGHT if may_be_axis else FRAGMENT_HEIGHT
    is_short = below.bottom_mm - above.top_mm < most * usual_mm
    if not is_short or (between and not is_dens):
        return Pair()
    if not between:
        return Pair(Kind.PIECES, FRAGMENT)
    if above.touches_edge:
        return Pair(Kind.CUT_DENS, CUT_DENS)
    return Pair(Kind.DENS, DENS_ON_DISC)


def _on_sacrum(
    bone: Instance, sacrum: Instance, between: Sequence[Instance], discs: Sequence[Instance]
) -> Pair:
    """A bone that may be S1: within the sacrum's wings, right on it, or on a rudimentary disc."""
    if bone.bottom_mm - sacrum.top_mm > BESIDE * (bone.bottom_mm - bone.top_mm):
        return Pair(Kind.FIRST_SACRAL, SACRAL_BESIDE)
    if not between:
        touches = sacrum.top_mm - bone.bottom_mm < SACRAL_GAP * bone.depth_mm
        return Pair(Kind.FIRST_SACRAL, SACRAL_FRAGMENT) if touches else Pair()
    is_rudiment = (
        len(between) == 1 < len(discs)
        and not discs[-1].touches_edge
        and discs[-1].volume_mm3 < RUDIMENT * discs[-2].volume_mm3
    )
    return Pair(Kind.FIRST_SACRAL, SACRAL_ON_DISC) if is_rudiment else Pair()


def weigh_pieces(
    pairs: Sequence[Pair],
    likeness: NDArray[np.float64],
    missed: Mapping[tuple[int, int], NDArray[np.float64]],
    volume: NDArray[np.float64],
) -> None:
    """Change what is said of two bones that may be pieces of one, in place.

    Its level is told by the piece that bears the name, the larger one sooner; what the other says
    of levels would count for a network without drift.

    Args:
        pairs: of the bones.
        likeness: (n, 27) what the network says of each level.
        missed: for each pair (a, b) of bones (27,) log likelihood of levels between them.
        volume: (n,) of the bones.
    """
    for n, pair in enumerate(pairs):
        if pair.kind is not Kind.PIECES:
            continue
        missed[n, n + 1][0] += TWO_WHOLE
        # Of a vertebra of which only the arch is marked the body has no volume at all.
        both = np.maximum(volume[n : n + 2], 1.0)
        for piece, other in ((0, 1), (1, 0)):
            share = both[other] / both.sum()
            likeness[n + piece] = likeness[n + piece].max() + np.log(2.0 * share)


def admit_first_sacral(
    pairs: Sequence[Pair],
    likeness: NDArray[np.float64],
    missed: dict[tuple[int, int], NDArray[np.float64]],
) -> None:
    """Change what speaks against a bone on the sacrum that may be S1, in place.

    It was split off the sacrum by the network that calls it a lumbar level: that is no evidence
    against S1, and the sacrum begins with it. Arguments are those of `weigh_pieces`.
    """
    for n, pair in enumerate(pairs):
        if pair.kind is Kind.FIRST_SACRAL:
            likeness[n, -1] = likeness[n].max()
            if n > 0:
                missed[n - 1, n + 1] = missed[n - 1, n]


def find_owners(
    choices: Sequence[Choice], observations: Observations, nothing: Floats
) -> dict[int, int]:
    """Bones that are sooner a part of a named vertebra beside them than anything else.

    A sacrum is never a part of a vertebra, nor a bone a part of it.

    Args:
        choices: what each bone is.
        observations: of the bones.
        nothing: (n,) probability that a bone bears no name.

    Returns:
        Bone → the vertebra that it belongs to.
    """
    owners = {}
    for n, choice in enumerate(choices):
        if choice or observations.is_sacrum[n]:
            continue
        likeliest = float(observations.noise[n])
        for m in (n - 1, n + 1):
            if not 0 <= m < len(choices) or len(choices[m]) != 1 or observations.is_sacrum[m]:
                continue
            log = observations.likeness[n, choices[m][0]] + observations.fragment[min(n, m)]
            if log > likeliest and nothing[n] + nothing[m] >= MOSTLY:
                likeliest, owners[n] = float(log), m
    return owners


def span_pieces(where: Sequence[int], owners: Mapping[int, int]) -> tuple[tuple[int, int], ...]:
    """(item, item of the vertebra it belongs to), the discs between two pieces included.

    Args:
        where: (n,) places of the bones among the items.
        owners: bone → the vertebra that it belongs to.
    """
    return tuple(
        (item, where[owner])
        for bone, owner in owners.items()
        for item in range(min(where[bone], where[owner]), max(where[bone], where[owner]) + 1)
        if item != where[owner]
    )


def find_plates(
    items: Sequence[Instance], names: Sequence[str | None], probability: Sequence[float | None]
) -> tuple[tuple[int, int], ...]:
    """(item, item of C2) of what looks like a small disc between C1 and C2, where there is none.

    Args:
        items: bones and discs from the top.
        names: one per item.
        probability: one per item, that the name is right.

    Returns:
        Empty where the two are not in view or too unsure, or a bone lies between them.
    """
    if not {"C1", "C2"} <= set(names):
        return ()
    atlas, axis = names.index("C1"), names.index("C2")
    below = next((item for item in items[axis + 1 :] if item.kind == "disc"), None)
    if below is None or min(probability[n] or 0.0 for n in (atlas, axis)) < MOSTLY:
        return ()
    between, most = range(atlas + 1, axis), PLATE * below.volume_mm3
    if any(items[n].kind != "disc" for n in between):
        return ()
    return tuple((n, axis) for n in between if items[n].volume_mm3 < most)
