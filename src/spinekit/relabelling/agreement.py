"""Whether the names that follow from a person's words agree with them, and with the sacrum.

It knows a column, words and names; how names are decided, and the files of a result, it does not.
"""

import itertools
from collections.abc import Mapping, Sequence
from statistics import median

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, ends_of
from spinekit.anatomy.items import gap_mm
from spinekit.core.errors import UsageError
from spinekit.relabelling.words import Column, bones_beside, is_near

PITCH = 1.25
"""Least height of a vertebra with a disc, over that of the vertebrae beside it: what fits into a
gap."""
BLOCK = 1.6
"""Height of a bone, over those beside it, above which it is more than one vertebra."""
DENS = 2.3
"""Height of C2 with its dens, over those of the vertebrae below."""
PIECE = 0.7
"""Height of a bone, over those beside it, below which it may be a piece of one of them."""
BESIDE = 2
"""How many vertebrae on either side tell what height is usual."""


def fits_sacrum(column: Column, names: Sequence[str | None]) -> bool:
    """Whether names can stand above the sacrum in view.

    Args:
        column: The items.
        names: One per item.

    Returns:
        False where they leave the sacrum without a name, or where fewer vertebrae fit between it
        and the lowest one than every legal column has there, as none does below an L3: the sacrum
        would have to hold one. True without a sacrum, and where they make it a cut vertebra.
    """
    items = column.instances.items
    sacrum = next((n for n, item in enumerate(items) if item.kind == "sacrum"), None)
    if sacrum is None:
        return True
    if names[sacrum] != SACRUM:
        return names[sacrum] is not None
    lowest = next((n for n in reversed(range(sacrum)) if names[n] in LEVELS), None)
    if lowest is None:
        return True
    chains = [variant.levels for variant in VARIANTS if names[lowest] in variant.levels]
    between = min(len(chain) - 2 - chain.index(str(names[lowest])) for chain in chains)
    return _has_room(column, names, (lowest, sacrum), between)


def find_misfit(column: Column, certain: Mapping[int, str]) -> tuple[str, str] | None:
    """Certain names of two bones that leave out more vertebrae than fit between them.

    Names that both bear already are never a misfit: a person confirms them.

    Args:
        column: The items.
        certain: Bone → its level.

    Returns:
        Both levels, the upper one first, of the first two bones side by side between which every
        legal column has more vertebrae than fit there; None without such.
    """
    bones = [n for n, item in enumerate(column.instances.items) if item.kind != "disc"]
    names = [certain.get(n, name) for n, name in enumerate(column.names)]
    for upper, lower in itertools.pairwise(bones):
        ends = certain.get(upper, ""), certain.get(lower, "")
        chains = [variant.levels for variant in VARIANTS if set(ends) <= set(variant.levels)]
        if not chains or ends == (column.names[upper], column.names[lower]):
            continue
        between = min(chain.index(ends[1]) - chain.index(ends[0]) - 1 for chain in chains)
        if not _has_room(column, names, (upper, lower), between):
            return ends
    return None


def find_crowd(
    column: Column, certain: Mapping[int, str], names: Sequence[str | None]
) -> tuple[str, str, int, int] | None:
    """Certain names of two bones, or of one and the sacrum, with more vertebrae between than names.

    Counted are whole vertebrae that bear a name: what had none may be no vertebra, and what is
    short may be a piece of one.

    Args:
        column: The items, with the names they bear.
        certain: Bone → its level.
        names: One per item, as they follow.

    Returns:
        Both levels, the upper one first, the number of vertebrae between them, and the most that
        a legal column has there; None without such.
    """
    items = column.instances.items
    sacrum = {n: SACRUM for n, name in enumerate(names) if name == SACRUM}
    ends = sorted((sacrum | dict(certain)).items())
    for (upper, above), (lower, below) in itertools.pairwise(ends):
        between = [
            n
            for n in range(upper + 1, lower)
            if items[n].kind == "vertebra"
            and not items[n].partial
            and column.names[n] in LEVELS
            and items[n].height_mm >= PIECE * _usual_mm(column, names, n)
        ]
        chains = [variant.levels for variant in VARIANTS if {above, below} <= set(variant.levels)]
        most = max((chain.index(below) - chain.index(above) - 1 for chain in chains), default=0)
        if chains and len(between) > most:
            return above, below, len(between), most
    return None


def _has_room(
    column: Column, names: Sequence[str | None], ends: tuple[int, int], count: int
) -> bool:
    """Whether so many vertebrae fit between two bones, or into one of them that is a block.

    Args:
        column: The items.
        names: One per item.
        ends: The bones, the upper one first; side by side.
        count: Of vertebrae.
    """
    items = column.instances.items
    room_mm, heights_mm = max(gap_mm(items[ends[0]], items[ends[1]]), 0.0), []
    for n in ends:
        if items[n].kind == "vertebra":
            height_mm, usual_mm = items[n].height_mm, _usual_mm(column, names, n)
            dens_mm = (DENS - 1.0) * usual_mm if names[n] == "C2" else 0.0
            is_block = height_mm - dens_mm > BLOCK * usual_mm
            room_mm += height_mm - dens_mm - usual_mm if is_block else 0.0
            is_usual = is_block or items[n].partial or names[n] == "C2"
            heights_mm.append(usual_mm if is_usual else height_mm)
    return count * PITCH * min(heights_mm, default=0.0) <= room_mm


def _usual_mm(column: Column, names: Sequence[str | None], bone: int) -> float:
    """The median height of the whole vertebrae beside a bone but C2; its own without such, mm."""
    items = column.instances.items
    bones = [n for n, item in enumerate(items) if item.kind == "vertebra"]
    at = bones.index(bone)
    near = [*bones[max(0, at - BESIDE) : at], *bones[at + 1 : at + 1 + BESIDE]]
    whole = [items[n].height_mm for n in near if not items[n].partial and names[n] != "C2"]
    return median(whole or [items[bone].height_mm])


def refuse_disagreement(
    column: Column, names: Sequence[str | None], words: Mapping[int, str]
) -> None:
    """Refuse words about discs that contradict the names which follow for all others.

    A word states the vertebra above its disc and the one below. Where both are there, or the
    column ends, nothing else counts; else the names around it must make the disc the same.

    Args:
        column: The items.
        names: As they follow from the bones, one per item.
        words: Disc → its name.

    Raises:
        UsageError: A word and the names around it cannot both be right.
    """
    called = [words.get(n, name) for n, name in enumerate(names)]
    for disc, word in words.items():
        if names[disc] not in (None, word) and not _is_at_ends(column, disc, called):
            _refuse(column, disc, word, f"the bones around it make it {names[disc]}")
        # Another disc that bears the name gives it up.
        above = next((name for name in reversed(called[:disc]) if name not in (None, word)), None)
        below = next((name for name in called[disc + 1 :] if name not in (None, word)), None)
        if above is not None and not _may_follow(above, word):
            _refuse(column, disc, word, f"{above} lies above it")
        if below is not None and not _may_follow(word, below):
            _refuse(column, disc, word, f"{below} lies below it")


def _may_follow(upper: str, lower: str) -> bool:
    """Whether the name of a bone or disc may stand somewhere below another one."""
    apart = LEVELS.index(ends_of(lower)[0]) - LEVELS.index(ends_of(upper)[-1])
    return apart > 0 or (apart == 0 and "-" in upper + lower)


def _is_at_ends(column: Column, disc: int, names: Sequence[str | None]) -> bool:
    """Whether the bones beside a disc are those of its name, or none is there."""
    items = column.instances.items
    return all(
        bone is None or (names[bone] == end and is_near(items, disc, bone))
        for bone, end in zip(bones_beside(items, disc), ends_of(str(names[disc])), strict=True)
    )


def _refuse(column: Column, disc: int, word: str, reason: str) -> None:
    raise UsageError(
        "contradicting-names",
        f"{column.file}: {column.names[disc]} cannot be {word}: {reason}",
        "name the nearest vertebra instead; names given before count too, until --undo",
    )
