"""Which structures a set is to hold: words and ranges → names, from the top.

It knows the words people use, nothing of voxels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from spinekit.anatomy.column import LEVELS, SACRUM, VARIANTS, Variant
from spinekit.anatomy.scheme import NAMES, VALUES, disc_name
from spinekit.core.errors import RecipeError


def _discs_of(levels: Sequence[str]) -> list[str]:
    """The discs of a column under their usual names, from the top."""
    pairs = [pair for pair in pairwise(levels) if pair[0] != "C1"]
    return [NAMES[VALUES[disc_name(above, below)]] for above, below in pairs]


VERTEBRAE: tuple[str, ...] = tuple(name for name in LEVELS if name != SACRUM)
"""Every vertebra there may be, from the top."""
DISCS: tuple[str, ...] = tuple(
    sorted({disc for v in VARIANTS for disc in _discs_of(v.levels)}, key=lambda name: VALUES[name])
)
"""Every disc there may be under its usual name, by value."""
GROUPS: dict[str, tuple[str, ...]] = {
    "vertebrae": VERTEBRAE,
    "discs": DISCS,
    "canal": ("spinal_canal",),
    "cord": ("spinal_cord",),
    "all": (*VERTEBRAE, SACRUM, *DISCS, "spinal_canal", "spinal_cord"),
}
"""Words for several structures."""


def expand_labels(words: Iterable[str]) -> tuple[str, ...]:
    """Names of the structures that words stand for.

    Args:
        words: Names (`L4`, `L4-L5`, `sacrum`), groups, and ranges of the ordinary column:
            `L1-L5` and `L1..L5` are vertebrae, `L1-L2..L4-L5` discs. What is the name of a disc
            is the disc: `L4-L5`; the two vertebrae are `L4..L5`.

    Returns:
        Usual names in the order of the words, each once; all there are for no word.

    Raises:
        RecipeError: A word stands for nothing.
    """
    names: dict[str, None] = {}
    for word in words:
        names |= dict.fromkeys(_meaning(word.strip()))
    return tuple(names) or GROUPS["all"]


def _meaning(word: str) -> tuple[str, ...]:
    if word in GROUPS:
        return GROUPS[word]
    if word in VALUES:
        return (NAMES[VALUES[word]],)
    ends = word.split(".." if ".." in word else "-")
    for chain in _chains():
        if len(ends) == 2 and ends[0] in chain and ends[1] in chain:
            first, last = chain.index(ends[0]), chain.index(ends[1])
            if first <= last:
                return tuple(chain[first : last + 1])
    raise RecipeError(
        "unknown-structure",
        f"labels: {word!r} stands for no structure",
        f"such as L4, L1-L5, L4-L5, L1-L2..L4-L5, sacrum, {', '.join(GROUPS)}",
    )


def _chains() -> list[Sequence[str]]:
    """The columns a range may run along, the ordinary one first."""
    columns = sorted(VARIANTS, key=lambda v: v != Variant())
    return [chain for v in columns for chain in (v.levels, _discs_of(v.levels))]
