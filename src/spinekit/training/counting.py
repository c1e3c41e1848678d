"""Names beyond the masks' own: bones above and below the named ones, counted from them.

A mask that names L1 to L5 tells what the bone above L1 is, too, if it is found. Only the mask's
names and the bones' sizes and places decide: what a network believes of levels says nothing here,
so that it cannot teach itself its own errors. It knows nothing of losses or checkpoints.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.scheme import LEVELS, PARTS
from spinekit.core.errors import UsageError
from spinekit.instances import split_instances
from spinekit.labelling.chain import name_column
from spinekit.structures import compose_labels, give_names
from spinekit.training.targets import DISC_PAIRS, level_codes

SURE = 0.9
"""Least probability of a name that is taken."""
LEAST_SHARE = 0.5
"""Share of a code's voxels that one bone or disc must hold to be what the mask means by it."""
POINT_REACH_MM = 40.0
"""How far a bone may lie from what marks its level beside it, such as a point in the canal."""
TOLD_KINDS = tuple(1 << PARTS.index(name) for name in ("body", "disc", "sacrum"))
"""Allowed bytes of voxels whose level is taken."""


def fill_levels(
    level: NDArray[np.uint8],
    allowed: NDArray[np.uint8],
    probs: NDArray[np.floating],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.uint8]:
    """Give level codes to bones and discs that follow from those which have one.

    Args:
        level: (I, J, K) level codes (`targets.level_codes`), 0 where nothing is told.
        allowed: (I, J, K), bit c set where part c may be; only voxels of a single body, disc or
            sacrum get a code.
        probs: (7, I, J, K) probabilities of the parts, by which the column is split.
        spacing_mm: Voxel size along R, A, S.

    Returns:
        As `level`, with codes where there were none; unchanged where no code lies on a bone, or
        codes contradict each other.
    """
    shares = probs * ((allowed >> np.arange(len(PARTS))[:, None, None, None]) & 1)
    total = shares.sum(axis=0)
    shares[0] += total <= 0
    found = split_instances(shares / np.where(total > 0, total, 1.0), spacing_mm)
    certain = find_certain(level, found)
    if not certain:
        return level
    nothing = np.full((len(found.items), len(LEVELS)), 1.0 / len(LEVELS))
    try:
        naming = name_column(found, nothing, certain=certain)
    except UsageError:
        return level
    sure = [p is not None and p >= SURE for p in naming.probability]
    names = [name if good else None for name, good in zip(naming.names, sure, strict=True)]
    labels, _ = compose_labels(found, give_names(found.items, names, naming.probability))
    present = {name for name in naming.names if name}
    codes = level_codes(labels, present=present)
    return np.where((level == 0) & np.isin(allowed, TOLD_KINDS), codes, level).astype(np.uint8)


def find_certain(level: NDArray[np.uint8], found: Instances) -> dict[int, str]:
    """Which bones of a split column bear the names that level codes give.

    A code on a bone names it; one on a disc names the bones beside it; one that lies on neither,
    as a point in the canal does, names the nearest body.

    Args:
        level: (I, J, K) level codes.
        found: The column, split on the same grid.

    Returns:
        Place in `found.items` → name. A bone that two codes claim is left out.
    """
    claims: dict[int, set[str]] = {}
    places = {(item.kind, item.index): n for n, item in enumerate(found.items)}
    for code in np.unique(level[level > 0]):
        where = np.nonzero(level == code)
        if code <= len(LEVELS):
            bone = _main(found.vertebra_map[where]) or _nearest(where, found)
            if ("vertebra", bone) in places:
                claims.setdefault(places["vertebra", bone], set()).add(LEVELS[code - 1])
            continue
        disc = places.get(("disc", _main(found.disc_map[where])))
        for step, name in zip((-1, 1), DISC_PAIRS[code - len(LEVELS) - 1], strict=True):
            beside = -1 if disc is None else disc + step
            if 0 <= beside < len(found.items) and found.items[beside].kind != "disc":
                claims.setdefault(beside, set()).add(name)
    return {n: names.pop() for n, names in claims.items() if len(names) == 1}


def _main(values: NDArray[np.uint8]) -> int:
    """The instance that holds enough of some voxels, 0 for none."""
    counts = np.bincount(values, minlength=1)
    counts[0] = 0
    best = int(counts.argmax())
    return best if counts[best] >= max(LEAST_SHARE * len(values), 1) else 0


def _nearest(where: tuple[NDArray[np.intp], ...], found: Instances) -> int:
    """The vertebra whose body is nearest to the middle of some voxels, 0 when none is near.

    Codes that lie partly on bones, without one that holds enough of them, mean none.
    """
    if found.vertebra_map[where].any():
        return 0
    bodies = np.where(found.parts == PARTS.index("body"), found.vertebra_map, 0)
    voxels = np.argwhere(bodies)
    if len(voxels) == 0:
        return 0
    middle = np.mean(where, axis=1)
    distance_mm = np.linalg.norm((voxels - middle) * np.asarray(found.spacing_mm), axis=1)
    nearest = int(distance_mm.argmin())
    return int(bodies[tuple(voxels[nearest])]) if distance_mm[nearest] <= POINT_REACH_MM else 0
