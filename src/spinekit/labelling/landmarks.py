"""Names by counting discs from landmark discs, as TotalSpineSeg does.

After TotalSpineSeg's iterative labelling (Warszawer et al., as of 2026), from its description:
discs in order from the top; four discs can be recognised (C2-C3, C7-T1, T12-L1, L5-S); both C2-C3
and L5-S are anchors where they are seen, else C7-T1, else T12-L1; above the first anchor discs are
counted with the usual numbers, below each one with up to six lumbar vertebrae, and a later anchor
overwrites all below it; a vertebra is what lies below the disc above it. There, landmarks are
classes of a network; here a disc votes with its evidence and that of the bones beside it, and the
disc on the sacrum is L5-S.

Defects of the method that are kept, because they are the method: a disc that is missed, merged
with another, or false moves every name down to the next anchor, and nothing says so; without an
anchor there are no names; T11 and T13 cannot occur, and L6 or four lumbar vertebrae only between
two anchors; it gives no probability. Defects of the program that are not inherited: the order of
discs came from a lookup of True and False instead of labels, so that only one was ever refined;
label values were fixed in the code and the caller's list of landmarks was changed; the levels'
numbers counted what was found instead of following the names; two structures could bear one name
(here the second bears none); the lack of an anchor ended the run (here the column is ambiguous).
It knows instances and evidence, no voxel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import CERVICAL, LEVELS, LUMBAR, SACRUM, THORACIC, Variant
from spinekit.anatomy.items import Instance, Instances
from spinekit.labelling.naming import Choice, Naming, counted_naming, join_evidence

USUAL = Variant().levels
"""Counted upwards; the disc numbered n lies below level n."""
LONGEST = (*CERVICAL, *THORACIC[:12], *LUMBAR, SACRUM)
"""Counted downwards: five cervical discs, twelve, six, one."""
ENDS = ("C2", "L5")
"""Levels above the discs C2-C3 and L5-S: anchors whenever seen."""
MIDDLES = ("C7", "T12")
"""Levels above C7-T1 and T12-L1: the first one seen is the anchor where no end is."""
MAJORITY = 0.5
"""Share of the votes above which a disc is a landmark."""

Floats = NDArray[np.float64]


def name_by_landmarks(
    instances: Instances,
    evidence: NDArray[np.floating],
    *,
    outside: NDArray[np.floating] | None = None,
) -> Naming:
    """Name every vertebra, disc and the sacrum by counting from landmarks.

    Args:
        instances: the split column.
        evidence: (n, 27) distribution over LEVELS per item.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan; it
            joins the evidence.

    Returns:
        Names in the order of instances.items, all with probability None; the sacrum is certain.
        Without an anchor all others are without names and the column is ambiguous.
    """
    items = instances.items
    bones = [n for n, item in enumerate(items) if item.kind != "disc"]
    discs = [n for n, item in enumerate(items) if item.kind == "disc"]
    anchors = _find_anchors(items, discs, join_evidence(evidence, outside))
    above = _count(len(discs), {discs.index(disc): level for disc, level in anchors.items()})
    levels = _name_bones(items, bones, dict(zip(discs, above, strict=True)))
    choices = _without_doubles([levels.get(bone) for bone in bones], items, bones)
    of_bones = [1.0 if item.kind == "sacrum" else None for item in items]
    reason = None if anchors else "no landmark in view: no disc to count from"
    return counted_naming(items, bones, choices, of_bones, reason)


def _find_anchors(items: Sequence[Instance], discs: list[int], evidence: Floats) -> dict[int, str]:
    """Disc → level above it, for the discs that are counted from; in order of the levels."""
    seen = _find_landmarks(items, discs, evidence)
    chosen = {level: disc for level, disc in seen.items() if level in ENDS}
    if not chosen:
        chosen = dict([(level, seen[level]) for level in MIDDLES if level in seen][:1])
    return {disc: level for level, disc in chosen.items()}


def _find_landmarks(
    items: Sequence[Instance], discs: list[int], evidence: Floats
) -> dict[str, int]:
    """Level above it → disc, for the landmark discs in view."""
    found: dict[str, int] = {}
    best: dict[str, float] = {}
    for disc in discs:
        below = items[disc + 1] if disc + 1 < len(items) else None
        if below is not None and below.kind == "sacrum":
            found["L5"] = disc
            continue
        votes = _votes(items, disc, evidence)
        level = USUAL[int(votes.argmax())]
        share = float(votes.max())
        known = level in (*ENDS[:1], *MIDDLES) and share > best.get(level, MAJORITY)
        if known and (level != "C2" or disc == discs[0]):
            found[level], best[level] = disc, share
    return found


def _votes(items: Sequence[Instance], disc: int, evidence: Floats) -> Floats:
    """(24,) share of the evidence, of disc and both bones, for each usual place of a disc."""
    order = [LEVELS.index(level) for level in USUAL]
    upper, lower = np.array(order[:-1]), np.array(order[1:])
    votes = [evidence[disc][upper] + evidence[disc][lower]]
    if disc > 0 and items[disc - 1].kind == "vertebra":
        votes.append(evidence[disc - 1][upper])
    if disc + 1 < len(items) and items[disc + 1].kind == "vertebra":
        votes.append(evidence[disc + 1][lower])
    return np.asarray(np.mean(votes, axis=0))


def _count(count: int, anchors: Mapping[int, str]) -> list[str | None]:
    """Level above each of so many discs, counted from the anchors (place → level above)."""
    levels: list[str | None] = [None] * count
    if not anchors:
        return levels
    first = min(anchors)
    for place in range(first):
        at = LONGEST.index(anchors[first]) - (first - place)
        levels[place] = LONGEST[at] if at > 0 else None
    for anchor in sorted(anchors):
        at = LONGEST.index(anchors[anchor])
        for place in range(anchor, count):
            level = LONGEST[at + place - anchor] if at + place - anchor < len(LONGEST) else None
            levels[place] = None if level == SACRUM else level
    return levels


def _name_bones(
    items: Sequence[Instance], bones: list[int], above: Mapping[int, str | None]
) -> dict[int, str]:
    """Bone → level: what lies below the disc above it; beyond the outer discs counted on."""
    levels: dict[int, str] = {bone: SACRUM for bone in bones if items[bone].kind == "sacrum"}
    vertebrae = [bone for bone in bones if items[bone].kind == "vertebra"]
    for bone in vertebrae:
        level = above.get(bone - 1)
        if level is not None and level != "L6":
            levels[bone] = LONGEST[LONGEST.index(level) + 1]
    first = next((n for n in above if above[n] is not None), None)
    if first is not None:
        at = LONGEST.index(str(above[first]))
        for bone in reversed([bone for bone in vertebrae if bone < first]):
            if at >= 0:
                levels[bone] = LONGEST[at]
            at -= 1
    if vertebrae and vertebrae[-1] not in levels and len(vertebrae) > 1:
        level = levels.get(vertebrae[-2])
        if level is not None and level not in ("L6", SACRUM):
            levels[vertebrae[-1]] = LONGEST[LONGEST.index(level) + 1]
    return levels


def _without_doubles(
    levels: Sequence[str | None], items: Sequence[Instance], bones: list[int]
) -> list[Choice]:
    """Choices in which a name occurs once and only the sacrum is called so."""
    seen: set[str] = set()
    choices: list[Choice] = []
    for bone, level in zip(bones, levels, strict=True):
        fits = level is not None and (level == SACRUM) == (items[bone].kind == "sacrum")
        if level is None or not fits or level in seen:
            choices.append(())
            continue
        seen.add(level)
        choices.append((LEVELS.index(level),))
    return choices
