"""The column as an ordered chain of levels with its legal variants.

It knows which vertebra may follow which (11 to 13 thoracic, 4 to 6 lumbar vertebrae) and nothing
of images, label values or of how likely a variant is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

CERVICAL = tuple(f"C{n}" for n in range(1, 8))
"""The seven cervical vertebrae, top to bottom."""
THORACIC = tuple(f"T{n}" for n in range(1, 14))
"""Every thoracic vertebra there may be, top to bottom."""
LUMBAR = tuple(f"L{n}" for n in range(1, 7))
"""Every lumbar vertebra there may be, top to bottom."""
SACRUM = "sacrum"

LEVELS: tuple[str, ...] = (*CERVICAL, *THORACIC, *LUMBAR, SACRUM)
"""All levels from C1 to the sacrum; the position is the class index of the level head (0..26)."""

THORACIC_COUNTS = (11, 12, 13)
LUMBAR_COUNTS = (4, 5, 6)


@dataclass(frozen=True, slots=True)
class Variant:
    """One legal column: how many thoracic and lumbar vertebrae it has."""

    thoracic: int = 12
    lumbar: int = 5

    def __post_init__(self) -> None:
        """Refuse counts outside the legal variants.

        Raises:
            ValueError: thoracic is not 11, 12 or 13, or lumbar is not 4, 5 or 6.
        """
        if self.thoracic not in THORACIC_COUNTS or self.lumbar not in LUMBAR_COUNTS:
            raise ValueError(
                f"no legal column has {self.thoracic} thoracic and {self.lumbar} lumbar"
            )

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of this column from C1 to the sacrum."""
        return (*CERVICAL, *THORACIC[: self.thoracic], *LUMBAR[: self.lumbar], SACRUM)

    def below(self, level: str) -> str | None:
        """The name below a level in this column; None below the sacrum and for others' levels."""
        return dict(itertools.pairwise(self.levels)).get(level)

    def above(self, level: str) -> str | None:
        """The name above a level in this column; None above C1 and for others' levels."""
        return dict(itertools.pairwise(self.levels[::-1])).get(level)


VARIANTS: tuple[Variant, ...] = tuple(
    Variant(thoracic, lumbar) for thoracic in THORACIC_COUNTS for lumbar in LUMBAR_COUNTS
)
"""The nine legal columns."""


def successors(level: str) -> tuple[str, ...]:
    """Names that may stand directly below a level in some legal variant.

    Args:
        level: a name in LEVELS.

    Returns:
        One or two names in the order of LEVELS; empty for the sacrum.

    Raises:
        ValueError: the level is not one of LEVELS.
    """
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not a level")
    below: list[str] = []
    for variant in VARIANTS:
        chain = variant.levels
        if level in chain and level != SACRUM:
            following = chain[chain.index(level) + 1]
            if following not in below:
                below.append(following)
    return tuple(sorted(below, key=LEVELS.index))


def ends_of(name: str) -> tuple[str, ...]:
    """The levels a name speaks of.

    Args:
        name: A level, or a disc such as `L4-L5` or `L5-S1`.

    Returns:
        The two vertebrae beside the disc, the upper one first, `S1` being the sacrum; of any other
        name that name alone.
    """
    return tuple(SACRUM if end == "S1" else end for end in name.split("-"))


def is_nameless(name: str) -> bool:
    """Whether a name such as `vertebra_1` or `disc_3` stands for a structure without one."""
    return name.startswith(("vertebra_", "disc_"))
