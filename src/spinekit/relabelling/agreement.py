"""Whether the names that follow from a person's words agree with them, and with the sacrum.

It knows a column, words and names; how names are decided, and the files of a result, it does not.
"""

from collections.abc import Mapping, Sequence

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, ends_of
from spinekit.anatomy.items import gap_mm
from spinekit.core.errors import UsageError
from spinekit.relabelling.words import Column, bones_beside, is_near

PITCH = 1.25
"""Least height of a vertebra with a disc, over that of the vertebra above: what fits into a gap."""


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
    return between * PITCH * items[lowest].height_mm <= max(gap_mm(items[lowest], items[sacrum]), 0)


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
