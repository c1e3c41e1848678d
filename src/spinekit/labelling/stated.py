"""Discs called as somebody knows them, and the counts of vertebrae that such a name states.

It knows names and values; who says so, and how the other names came about, it does not know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from spinekit.anatomy.column import ends_of
from spinekit.anatomy.scheme import VALUES
from spinekit.labelling.naming import COUNTS, Anomaly, Naming, tell_apart

SETTLES = {
    **{f"L{n}-S1": ("four-lumbar", "L6") for n in (4, 5, 6)},
    **{f"T{n}-L1": ("T11", "T13") for n in (11, 12, 13)},
}
"""Discs whose name states a count of vertebrae: the deviations that it confirms or rules out."""
_DEVIATING = {"L4-S1": "four-lumbar", "L6-S1": "L6", "T11-L1": "T11", "T13-L1": "T13"}
"""Those of them that state a count that deviates."""


def call_discs(naming: Naming, words: Mapping[int, str]) -> Naming:
    """The naming with some discs called as somebody knows them; no other bears the same value.

    Alternatives that call one of these discs otherwise are none any more, nor are those that
    differ in them alone; a count that a word states is certain.

    Args:
        naming: of the items.
        words: disc → its name; empty changes nothing.
    """
    taken = {VALUES[word] for word in words.values()}

    def called(names: Sequence[str | None]) -> tuple[str | None, ...]:
        free = [None if name and VALUES[name] in taken else name for name in names]
        return tuple(words.get(n, name) for n, name in enumerate(free))

    names = called(naming.names)
    freed = {n for n, name in enumerate(names) if name is None and naming.names[n] is not None}
    others = [
        (called(other), sure)
        for other, sure in naming.alternatives
        if all(other[n] in (None, word) for n, word in words.items())
    ]
    return dataclasses.replace(
        naming,
        names=names,
        probability=tuple(
            1.0 if n in words else 0.0 if n in freed else sure
            for n, sure in enumerate(naming.probability)
        ),
        alternatives=tell_apart(names, others),
        anomalies=_settled(naming.anomalies, names, words),
    )


def _settled(
    anomalies: Sequence[Anomaly], names: Sequence[str | None], words: Mapping[int, str]
) -> tuple[Anomaly, ...]:
    """The anomalies with the counts that words state; none was missed at the disc between two."""
    settled = {name for word in words.values() for name in SETTLES.get(word, ())}
    stated = dict.fromkeys(_DEVIATING[word] for word in words.values() if word in _DEVIATING)
    neighbours = [ends_of(word) for word in words.values()]
    left = [
        anomaly
        for anomaly in anomalies
        if anomaly.name not in settled
        and not (anomaly.name == "missed" and tuple(names[n] for n in anomaly.items) in neighbours)
    ]
    return (*(Anomaly(name, 1.0, f"{COUNTS[name]}: 100%") for name in stated), *left)
