"""What the values of a map mean: by a label scheme, and by the names that its file gives them.

It knows values and names, of files their headers, and no voxel.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from spinekit.anatomy.scheme import ABSTAINED_DISC, ABSTAINED_VERTEBRA, NAMES, VALUES, kind_of_value
from spinekit.io.discovery import ending_of
from spinekit.io.nrrd import read_segments

_OURS = {name.casefold(): name for name in VALUES}
_LEVEL = re.compile(r"(?<![A-Za-z0-9])[CTLctl][0-9]{1,2}(?![A-Za-z0-9])")
"""A vertebra in a name that is none of ours, such as `vertebrae_L4` or `L4 new`."""
_SINGLE = ("vertebra", "disc")
"""Kinds of which a name is borne by one structure alone."""


@dataclass(frozen=True, slots=True)
class Meanings:
    """What the values of a map mean.

    `names` is value → our name, `told` those values that the file itself names; `overruled` are
    those of them that are another structure by the scheme, and which; `unused` are the values whose
    names in the file say something else, and what they say.
    """

    names: Mapping[int, str]
    told: frozenset[int]
    overruled: Mapping[int, str]
    unused: Mapping[int, str]


def read_meanings(path: Path, known: Mapping[int, str], present: Collection[int]) -> Meanings:
    """`settle_meanings` with the names that a segmentation of 3D Slicer gives its values.

    Args:
        path: a label file; one of another format gives no names.
        known: as there.
        present: as there.

    Raises:
        HeaderError: it ends in `.nrrd` and is no such file.
        OSError: it cannot be opened.
    """
    segments = read_segments(path) if ending_of(path) == ".nrrd" else {}
    return settle_meanings(known, segments, present)


def settle_meanings(
    known: Mapping[int, str], segments: Mapping[int, str], present: Collection[int]
) -> Meanings:
    """Put what a file calls its values above what a scheme says of them.

    A name counts where it is one of ours, in capitals or not, and no other vertebra or disc bears
    it. What a scheme calls so too is then without a name, for it is another bone.

    Args:
        known: value → name by the scheme, ours or that of a part; empty without one.
        segments: value → name in the file; empty where it gives none.
        present: the values of the map.
    """
    said = {value: segments[value] for value in present if value in segments}
    ours = {v: _OURS[text.casefold()] for v, text in said.items() if text.casefold() in _OURS}
    bearers = Counter(VALUES[name] for name in ours.values())
    told = {
        value: name
        for value, name in ours.items()
        if bearers[VALUES[name]] == 1 or kind_of_value(VALUES[name]) not in _SINGLE
    }
    names = {value: name for value, name in known.items() if value in present} | told
    taken = {VALUES[name] for name in told.values()}
    for value in names.keys() - told.keys():
        ours_value = VALUES.get(names[value])
        if ours_value in taken and kind_of_value(ours_value) in _SINGLE:
            names[value] = _nameless(names, kind_of_value(ours_value))
    overruled = {
        value: known[value]
        for value, name in told.items()
        if VALUES.get(known.get(value, name), VALUES[name]) != VALUES[name]
    }
    unused = {
        value: text
        for value, text in said.items()
        if value not in told and _says_other(text, names.get(value))
    }
    return Meanings(names, frozenset(told), overruled, unused)


def _nameless(names: Mapping[int, str], kind: str) -> str:
    """The first name that says none and that no value bears."""
    values = ABSTAINED_VERTEBRA if kind == "vertebra" else ABSTAINED_DISC
    free = [NAMES[value] for value in values if NAMES[value] not in names.values()]
    return free[0]


def _says_other(text: str, name: str | None) -> bool:
    """Whether a segment's name speaks of other vertebrae than ours."""
    spoken = [level.upper() for level in _LEVEL.findall(text)]
    return bool(spoken) and (name is None or spoken != _LEVEL.findall(name))
