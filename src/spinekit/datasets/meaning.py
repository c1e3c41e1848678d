"""What the values of a mask mean, from a scheme's name, a structure's name or a table.

It knows words and numbers, nothing of voxels: whether a file holds the values it should is for
others to check.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from spinekit.anatomy.parts import PARTS, VERTEBRA
from spinekit.anatomy.scheme import NAMES, VALUES, load_scheme, scheme_names
from spinekit.core.errors import RecipeError
from spinekit.datasets.case import MaskFile

PART_WORDS = ("vertebra", "body", "posterior", "disc", "canal", "cord", "sacrum")
"""Names of masks that tell tissue and no level; `vertebra` is body or posterior elements."""

PART_VALUES: dict[int, str] = {n: part for n, part in enumerate(PARTS) if n} | {
    VERTEBRA: "vertebra"
}
"""Values of a parts map (`<stem>_parts`), and 7 where body and posterior are not told apart."""

POINT_VALUES: dict[int, str] = dict(
    enumerate(
        (
            *(f"C{n}-C{n + 1}" for n in range(2, 7)),
            "C7-T1",
            *(f"T{n}-T{n + 1}" for n in range(1, 12)),
            "T12-L1",
            *(f"L{n}-L{n + 1}" for n in range(1, 5)),
            "L5-S1",
        ),
        start=3,
    )
)
"""Disc points as the Spinal Cord Toolbox counts them: 3 at the back of C2-C3, one more downward."""


_ALIASES = {
    "spinalcord": "spinal_cord",
    "cordspinal": "spinal_cord",
    "spinalcanal": "spinal_canal",
    "vertebralcanal": "spinal_canal",
    "s": "sacrum",
    "s1": "sacrum",
    "vertebraes1": "sacrum",
    "vertebrae": "vertebra",
    "vertebralbody": "body",
    "discs": "disc",
    "intervertebraldisc": "disc",
    "ivd": "disc",
}
_BONE = re.compile(r"(?:vertebrae?|vert|vb)?[ _-]*([CTL]\d{1,2})(?:[ _-]*vertebra)?", re.IGNORECASE)
_DISC = re.compile(
    r"(?:intervertebral[ _-]*)?(?:disc|disk|ivd)?[ _-]*([CTL]\d{1,2})[ _/-]*([CTLS]\d{0,2})"
    r"(?:[ _-]*(?:intervertebral[ _-]*)?(?:disc|disk))?",
    re.IGNORECASE,
)


def usual_name(text: str) -> str:
    """The name in `anatomy.scheme` for one written otherwise.

    Args:
        text: Such as `vertebrae_L1`, `disc_L5_S`, `T12/L1`, `spinal cord`.

    Returns:
        Such as `L1`, `L5-S1`, `T12-L1`, `spinal_cord`; the text itself where nothing fits.
    """
    for same in (text, text.strip().lower()):
        if is_known(same):
            return same
    bone = _BONE.fullmatch(text.strip())
    if bone and bone.group(1).upper() in VALUES:
        return bone.group(1).upper()
    disc = _DISC.fullmatch(text.strip())
    if disc:
        below = disc.group(2).upper()
        name = f"{disc.group(1).upper()}-{'S1' if below == 'S' else below}"
        if name in VALUES:
            return name
    return _ALIASES.get(re.sub(r"[^a-z0-9]", "", text.lower()), text)


def is_known(name: str) -> bool:
    """Whether a structure's name is one of `anatomy.scheme`'s, or a part."""
    return name in VALUES or name in PART_WORDS


def values_of(meaning: str | Mapping[Any, Any]) -> dict[int, str]:
    """Value to name for a meaning.

    Args:
        meaning: A label scheme's name, `parts`, `disc-points`, or a table of value to name or name
            to value.

    Returns:
        The values, ascending.

    Raises:
        RecipeError: Nothing bears the name, or the table is none.
    """
    if isinstance(meaning, Mapping):
        return _table(meaning)
    if meaning == "parts":
        return dict(PART_VALUES)
    if meaning == "disc-points":
        return dict(POINT_VALUES)
    if meaning in _schemes():
        return dict(_scheme_values(meaning))
    known = ", ".join((*scheme_names(), "parts", "disc-points"))
    raise RecipeError(
        "unknown-meaning",
        f"{meaning!r} is neither a label scheme nor a structure",
        f"schemes: {known}; structures: L4, L4-L5, spinal_canal, body, disc …",
    )


def values_in(mask: MaskFile, present: Collection[int]) -> dict[int, str]:
    """Value to name for a mask whose voxels are known.

    In a scheme some names share a value, such as the discs below L5 and L6; which of them is meant
    is told by the other values there.

    Args:
        mask: The mask.
        present: Its values.

    Returns:
        What the mask says of its values; the usual names (`anatomy.scheme.NAMES`) where they
        follow a scheme. Empty where nothing is known.
    """
    if mask.scheme is None:
        return dict(mask.values)
    found = load_scheme(mask.scheme).meanings(present=present)
    return {value: NAMES[VALUES[name]] for value, name in found.items()}


def mask_file(path: Path, meaning: str | Mapping[Any, Any] | None) -> MaskFile:
    """A mask whose values are known by a meaning.

    Args:
        path: The file.
        meaning: As for `values_of`; or one structure's name for a binary mask; None when nothing
            is known of its values.

    Returns:
        The mask.

    Raises:
        RecipeError: As for `values_of`.
    """
    if meaning is None:
        return MaskFile(path, {})
    if isinstance(meaning, str) and is_known(meaning):
        return MaskFile(path, {1: meaning}, binary=True)
    scheme = meaning if isinstance(meaning, str) and meaning in _schemes() else None
    return MaskFile(path, values_of(meaning), scheme=scheme, points=meaning == "disc-points")


def _table(table: Mapping[Any, Any]) -> dict[int, str]:
    values: dict[int, str] = {}
    for key, other in table.items():
        number, name = (key, other) if _is_number(key) else (other, key)
        if not _is_number(number) or not isinstance(name, str):
            raise RecipeError(
                "bad-values",
                f"{key!r} = {other!r} says of no value what it means",
                'write {1 = "L1", 2 = "L2"}',
            )
        if int(number) != 0:
            values[int(number)] = usual_name(name)
    return dict(sorted(values.items()))


def _is_number(word: Any) -> bool:
    return isinstance(word, int) or (isinstance(word, str) and word.strip().isdecimal())


@cache
def _schemes() -> tuple[str, ...]:
    """The schemes of the package, whose folder is looked into once."""
    return scheme_names()


@cache
def _scheme_values(name: str) -> Mapping[int, str]:
    """Values of a label scheme in an ordinary column; a scheme is read once."""
    return load_scheme(name).meanings()
