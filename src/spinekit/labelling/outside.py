"""What is known of a column's names from elsewhere: a localizer, another series, given names.

It turns what such a source says into likelihoods and says where it contradicts the scan; where it
comes from, and how it was matched with the column, it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, SACRUM
from spinekit.anatomy.items import Instance
from spinekit.core.errors import Notice
from spinekit.labelling.naming import Naming

END_IN_VIEW = 0.97
"""Probability that a source is right whose map shows C2 or the sacrum: whole-spine MRI is named
right in 98.3 % of subjects (VERIDAH, arXiv 2601.14066)."""
NO_END_IN_VIEW = 0.85
"""The same for one that shows neither (85.5 % of crops with five vertebrae are named right by the
`spine-segmentation` package)."""
MOST_SURE = 0.99
"""No source is surer than this, whatever it says of itself: it may be of another position."""
ONE_OFF, TWO_OFF, FARTHER = 1.0, 0.2, 0.02
"""How a wrong source is wrong, in relation: mostly by one level."""
BY_ITSELF = {"image": "what the mask marks", "mask": "all else"}
"""What a kind of source is compared with, where that is not the scan alone."""
LEAST_SEEN = 0.05
"""Share of an item that must lie in named structures of the source, for a slice to suffice."""


@dataclass(frozen=True, slots=True)
class Outside:
    """What other sources say of one column.

    `likelihood` (n, 27) is the log likelihood of each level per item, 0 where nothing is known, or
    None without any source; `readings` are the sidecar's rows, one per source; `notices` are what
    there is to warn of.
    """

    likelihood: NDArray[np.float64] | None = None
    readings: tuple[dict[str, Any], ...] = ()
    notices: tuple[Notice, ...] = ()

    def keep(self, kept: Sequence[int]) -> Outside:
        """The same of a column whose pieces were joined; `kept` are places of what is left."""
        rows = [
            {
                key: [value[n] for n in kept] if key in ("names", "alone") else value
                for key, value in row.items()
            }
            for row in self.readings
        ]
        likelihood = None if self.likelihood is None else self.likelihood[list(kept)]
        return Outside(likelihood, tuple(rows), self.notices)

    def settle(self, own: Naming, final: Naming, items: Sequence[Instance]) -> Outside:
        """The same with each reading beside what the scan says by itself.

        Args:
            own: the names by the scan's own evidence.
            final: the names given.
            items: the column.
        """
        compared = [compare(reading, own, final, items) for reading in self.readings]
        rows = tuple(row for row, _ in compared)
        found = tuple(notice for _, notice in compared if notice is not None)
        return Outside(self.likelihood, rows, (*self.notices, *found))


def weigh(
    shares: NDArray[np.floating], items: Sequence[Instance], reliability: NDArray[np.floating]
) -> NDArray[np.float64]:
    """The log likelihood of each level, given what a source shows at the items.

    A source that counted wrongly is wrong for all bones at once. So all of them together are one
    witness: their log likelihoods are averaged, not added. The sacrum, which needs no counting,
    is left out. A source by which most bones follow the one below them says nothing: it numbers
    the column upside down, or by another scheme.

    Args:
        shares: (n, 27) share of each item that lies in each level of the source; rows of discs
            are passed over, those of unseen items are 0.
        items: the column, from the top.
        reliability: (27,) probability that a level the source names is right.

    Returns:
        (n, 27), 0 for items of which nothing is known, and for all where the order is wrong.
    """
    seen = np.array(
        [item.kind == "vertebra" and shares[n].sum() > 0 for n, item in enumerate(items)],
        dtype=bool,
    )
    result = np.zeros((len(items), len(LEVELS)))
    if not seen.any():
        return result
    told = shares[seen] / shares[seen].sum(axis=1, keepdims=True)
    steps = np.sign(np.diff(_places()[np.argmax(told, axis=1)]))
    if steps.sum() < 0:
        return result
    result[seen] = np.log(len(LEVELS) * (told @ _confusion(reliability))) / seen.sum()
    return result


def _confusion(reliability: NDArray[np.floating]) -> NDArray[np.float64]:
    """(27, 27) probability of each true level (column) where a source says a level (row)."""
    place = _places()
    off = np.abs(place[:, None] - place[None, :])
    wrong = np.where(off <= 1, ONE_OFF, np.where(off <= 2, TWO_OFF, FARTHER))
    np.fill_diagonal(wrong, 0.0)
    wrong /= wrong.sum(axis=1, keepdims=True)
    sure = np.clip(reliability, 1 / len(LEVELS), MOST_SURE)
    return np.asarray(wrong * (1 - sure)[:, None] + np.diag(sure))


def _places() -> NDArray[np.float64]:
    """(27,) place of each level in the usual column; T13 and L6 lie between two of it."""
    usual = [level for level in LEVELS if level not in ("T13", "L6")]
    between = {"T13": usual.index("L1") - 0.5, "L6": usual.index(SACRUM) - 0.5}
    return np.array([between[n] if n in between else float(usual.index(n)) for n in LEVELS])


def usual_reliability(shown: Sequence[str]) -> float:
    """Probability that names are right of which nothing is known but what they name.

    Args:
        shown: all levels the source shows.
    """
    return END_IN_VIEW if {"C2", SACRUM} & set(shown) else NO_END_IN_VIEW


def compare(
    reading: Mapping[str, Any], own: Naming, final: Naming, items: Sequence[Instance]
) -> tuple[dict[str, Any], Notice | None]:
    """Put what a source says beside what the scan says by itself.

    Args:
        reading: `source` (its kind), `file`, `names` (the source's name for each item, None where
            it says nothing) and whatever else the sidecar is to say of it.
        own: the names by the scan's own evidence.
        final: the names given.
        items: the column.

    Returns:
        The sidecar's row, and a notice where the two contradict each other. Where the scan alone
        decides nothing there is no contradiction, unless the names given are not the source's.
    """
    told = reading["names"]
    bones = [n for n, item in enumerate(items) if item.kind == "vertebra" and told[n]]
    # A bone that the scan alone leaves without a name contradicts nothing.
    agrees = all(told[n] == own.names[n] for n in bones if own.names[n])
    row = {
        **reading,
        "matched": len(bones),
        "alone": list(own.names),
        "agrees": agrees if bones else None,
    }
    if agrees or (own.ambiguous and is_followed(told, final, items)):
        return row, None
    shown = differing(told, own.names, bones)
    alone = read_out(own, shown)
    by_itself = BY_ITSELF.get(reading["source"], "the scan alone")
    text = (
        f"{reading['source']} {reading['file']} says {span(told, shown)} where {by_itself} says "
        f"{alone}; {tell_given(final.names, shown)}, look at the preview"
    )
    return row, Notice("sources-disagree", text)


def is_followed(told: Sequence[str | None], final: Naming, items: Sequence[Instance]) -> bool:
    """Whether the names given to bones are those of a source, where both give one."""
    bones = [n for n, item in enumerate(items) if item.kind == "vertebra" and told[n]]
    return all(told[n] == final.names[n] for n in bones if final.names[n])


def differing(
    told: Sequence[str | None], alone: Sequence[str | None], bones: Sequence[int]
) -> Sequence[int]:
    """Bones by whose ends two ways of calling them are told apart.

    Args:
        told: names by one source.
        alone: names by another.
        bones: places of the bones compared.

    Returns:
        Those that both name; where they call the first and the last alike, those between that they
        call differently. All, where they differ in no name that both give.
    """
    both = [n for n in bones if told[n] and alone[n]]
    different = [n for n in both if told[n] != alone[n]]
    if not different:
        return bones
    return both if {both[0], both[-1]} & set(different) else different


def read_out(naming: Naming, bones: Sequence[int]) -> str:
    """First and last name of some bones and how sure they are, `L1 to L5 (82%)`."""
    sure = [p for n in bones if (p := naming.probability[n]) is not None]
    told = f" ({float(np.median(sure)):.0%})" if sure else ""
    return span(naming.names, bones) + told


def tell_given(names: Sequence[str | None], bones: Sequence[int]) -> str:
    """What became of some bones, `named L1 to L5`, where names may be left out as unsure."""
    is_named = any(names[n] for n in bones)
    return f"named {span(names, bones)}" if is_named else "left without names"


def span(names: Sequence[str | None], bones: Sequence[int]) -> str:
    """First and last name of some bones, `L1 to L5`."""
    given = [names[n] for n in bones if names[n]]
    if not given:
        return "nothing"
    return f"{given[0]} to {given[-1]}" if len(given) > 1 else str(given[0])
