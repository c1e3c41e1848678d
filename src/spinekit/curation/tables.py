"""Label tables: which value means what in a prepared set, written beside it and read back.

A table is a label scheme of its own, so that everything that converts schemes can undo it. It
knows no voxels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinekit import __version__
from spinekit.anatomy.scheme import COLOURS, NAMES, VALUES, Scheme, load_scheme
from spinekit.core.errors import InputError

SCHEMA_VERSION = 1


def describe_table(
    values: Mapping[str, int],
    *,
    name: str,
    inverse: str,
    varying: Mapping[int, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """A table as plain values, for `labels.json`.

    Args:
        values: Our name → value in the set, in the order to list them.
        name: What the set is called.
        inverse: How to get this package's values back, for people.
        varying: Values without a row, for they do not mean the same everywhere → names they have.

    Returns:
        The content of the file; no rows for no values.
    """
    rows = [
        {
            "value": value,
            "name": structure,
            "spinekit_value": VALUES[structure],
            "colour": list(COLOURS[VALUES[structure]]),
        }
        for structure, value in values.items()
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "spinekit_version": __version__,
        "name": name,
        "inverse": inverse,
        "labels": rows,
        "varying": [
            {"value": value, "names": list(some)} for value, some in (varying or {}).items()
        ],
    }


def find_varying(maps: Iterable[Mapping[int, int]]) -> dict[int, list[int]]:
    """Values that do not mean the same in all label maps of a set.

    Structures that a map joins under a value, as SPIDER's canal and cord, are one meaning, in maps
    too that hold but one of them. A value whose structure has another one elsewhere is among them:
    no table says both.

    Args:
        maps: For each label map, our value → value in it.

    Returns:
        Value in the maps → our values, ascending; empty where every value has one meaning.
    """
    meanings: dict[int, set[frozenset[int]]] = {}
    values_of: dict[int, set[int]] = {}
    for table in maps:
        for ours, value in table.items():
            values_of.setdefault(ours, set()).add(value)
        for value in set(table.values()):
            joined = frozenset(ours for ours, theirs in table.items() if theirs == value)
            meanings.setdefault(value, set()).add(joined)
    return {
        value: sorted(frozenset().union(*some))
        for value, some in sorted(meanings.items())
        if len(_join(some)) > 1 or any(len(values_of[ours]) > 1 for one in some for ours in one)
    }


def _join(some: Iterable[frozenset[int]]) -> list[frozenset[int]]:
    """Sets without a common member, each of sets that a chain of common members ties."""
    groups: list[frozenset[int]] = []
    for one in some:
        tied = [group for group in groups if group & one]
        groups = [group for group in groups if not group & one]
        groups.append(one.union(*tied))
    return groups


def read_table(path: Path) -> Scheme:
    """A written table as a scheme.

    Discs that share their value with the usual one (`L6-S1` with `L5-S1`) are meant too.

    Raises:
        InputError: The file cannot be read, or is no label table.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = {int(row["value"]): VALUES[row["name"]] for row in content["labels"]}
        name, inverse = str(content["name"]), str(content["inverse"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "not-a-table",
            f"{path.name}: no label table ({type(error).__name__}: {error})",
            "give the labels.json that `spinekit data prepare` wrote",
        ) from error
    values = {n: value for value, ours in rows.items() for n, v in VALUES.items() if v == ours}
    return Scheme(name=name, description=inverse, source=path.name, values=values)


def find_scheme(text: str) -> Scheme:
    """A scheme by its name, or by the path of a label table.

    Raises:
        UsageError: No scheme bears the name.
        InputError: The table cannot be read.
    """
    return read_table(Path(text)) if text.endswith(".json") else load_scheme(text)


def number_structures(structures: Sequence[str]) -> dict[str, int]:
    """Values 1, 2, … for structures in their order, without gaps.

    Args:
        structures: Our names; those that share a value (`L5-S1`, `L6-S1`) share the new one too.

    Returns:
        Usual name → new value; empty for none.
    """
    usual = dict.fromkeys(NAMES[VALUES[name]] for name in structures)
    return {name: number for number, name in enumerate(usual, start=1)}
