"""Words about some bones and discs → the names of all.

It knows a column with its evidence and words; the files of a result, and how they are replaced, it
does not.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import UsageError
from spinekit.labelling.methods import name_with
from spinekit.labelling.naming import Naming, leave_out_unsure
from spinekit.labelling.stated import call_discs
from spinekit.relabelling.agreement import (
    find_crowd,
    find_misfit,
    fits_sacrum,
    refuse_disagreement,
)
from spinekit.relabelling.words import Column, Word, certain_levels, find_item

LABELLER = "chain"
"""What decides the names beside certain ones, whatever named the result before: it weighs whole
columns, and refuses words that no legal one has."""


def find_items(column: Column, words: Sequence[Word]) -> dict[int, str]:
    """Item → name of the words of one change.

    Args:
        column: What the words are about.
        words: In any order.

    Raises:
        UsageError: Two of them are about one structure or give one name, or one is about none.
    """
    given: dict[int, str] = {}
    for word in words:
        item = find_item(word, column)
        others = {name for other, name in given.items() if other != item}
        if any(name == word.name or _share_value(name, word.name) for name in others):
            raise UsageError(
                "contradicting-names",
                f"{column.file}: two structures cannot both be {word.name}",
                "give each name once, and one to the disc above the sacrum",
            )
        if given.setdefault(item, word.name) != word.name:
            raise UsageError(
                "contradicting-names",
                f"{column.file}: {column.names[item]} cannot be {given[item]} and {word.name}",
                "give one name for each structure",
            )
    return given


def _share_value(one: str, other: str) -> bool:
    """Whether two names, if they are any, cannot stand in one label map: `L5-S1` and `L6-S1`."""
    return one in VALUES and VALUES[one] == VALUES.get(other)


def decide_names(
    column: Column,
    evidence: NDArray[np.float64],
    words: Mapping[int, str],
    *,
    earlier: Mapping[int, str],
    outside: NDArray[np.float64] | None = None,
    min_probability: float = 0.0,
) -> Naming:
    """The names that follow when words are certain.

    Args:
        column: What the words are about.
        evidence: (n, 27) distribution over LEVELS per item.
        words: Item → name, all that are in force.
        earlier: Those of them that were given before, as they were then.
        outside: (n, 27) log likelihood of LEVELS per item from other sources than the scan.
        min_probability: Names less probable are left out, 0 to 1.

    Raises:
        UsageError: No legal column has the names, only one without the sacrum in view or with a
            vertebra in it, or with one where none fits between two bones, or with none for one of
            them; or a disc would not bear the name that the bones around it give it.
    """
    items = column.instances.items
    name = partial(name_with, LABELLER, column.instances, evidence, outside=outside)
    certain = certain_levels(column, words)
    try:
        naming = name(certain=certain)
    except UsageError as error:
        raise UsageError(error.code, f"{column.file}: {error.message}", error.remedy) from error
    certain_before = certain_levels(column, earlier)
    misfit = find_misfit(column, certain)
    if misfit and not find_misfit(column, certain_before):
        raise UsageError(
            "contradicting-names",
            f"{column.file}: no vertebra fits between {misfit[0]} and {misfit[1]} there",
            "check them against the preview; names given before count too, until --undo",
        )
    crowd = find_crowd(column, certain, naming.names)
    if crowd and not find_crowd(column, certain_before, column.names):
        raise UsageError(
            "contradicting-names",
            f"{column.file}: vertebrae between {crowd[0]} and {crowd[1]} there: {crowd[2]}, "
            f"more than the {crowd[3]} that a column can have",
            "check them against the preview; names given before count too, until --undo",
        )
    if not fits_sacrum(column, naming.names):
        before = name(certain=certain_before)
        if fits_sacrum(column, before.names):
            raise UsageError(
                "contradicting-names",
                f"{column.file}: no legal column has these names above the sacrum in view",
                "check them against the preview; the lowest vertebra above it is L4, L5 or L6",
            )
    of_discs = {n: word for n, word in words.items() if items[n].kind == "disc"}
    refuse_disagreement(column, naming.names, of_discs)
    return leave_out_unsure(items, call_discs(naming, of_discs), min_probability)
