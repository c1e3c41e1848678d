"""What a person says of a column: of which bone or disc, and what that makes certain.

It knows names, values and places; the files of a result, and how names are decided, it does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS, LUMBAR, SACRUM, THORACIC, ends_of
from spinekit.anatomy.items import Instance, Instances, gap_mm
from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import UsageError
from spinekit.core.grid import Grid

NEAR_MM = 10.0
"""A place that lies in no bone or disc means the nearest one up to this far away, mm."""
FAR_SHARE = 0.5
"""A bone farther from a disc than this share of its own height is not the disc's neighbour."""
REGIONS = (THORACIC, LUMBAR, (SACRUM,))
"""Parts of the column: a disc between two of them states how many vertebrae the upper one has."""


@dataclass(frozen=True)
class Word:
    """What a person says of one structure."""

    where: str | int | tuple[float, float, float]
    """Its value or name in the result, or a place in it in RAS+ mm."""
    name: str
    """What it is: a level such as `L5`, or a disc such as `L4-L5`."""


def split_word(text: str) -> tuple[str, str]:
    """Both sides of a word as it is typed, `L2=L1`; the name as this program writes it.

    Raises:
        UsageError: It has no two sides.
    """
    where, _, name = (part.strip() for part in text.partition("="))
    if not where or not name:
        raise UsageError("not-a-word", f"{text!r} is no VALUE=NAME", "write it like L2=L1")
    return where, SACRUM if name.lower() == SACRUM else name.upper()


@dataclass(frozen=True)
class Column:
    """What words can be about: a column with the names it bears."""

    file: str
    """The label map's name, for messages."""
    instances: Instances
    names: Sequence[str | None]
    """Name of each item."""
    rows: Sequence[Mapping[str, Any]]
    """The report's table, for the values as written."""
    labels: NDArray[np.uint8]
    """(I, J, K) this package's values on `grid`."""
    grid: Grid


def words_in_force(changes: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """Item → name, for all words of a report's `provenance`; a later one replaces an earlier."""
    words: dict[int, str] = {}
    for change in changes:
        if change["action"] == "relabel":
            given = {int(word["item"]): str(word["to"]) for word in change["words"]}
            words = add_words(words, given)
    return words


def add_words(earlier: Mapping[int, str], given: Mapping[int, str]) -> dict[int, str]:
    """Item → name, when words are added to earlier ones.

    Args:
        earlier: The words before; of two discs that would bear one value (`L5-S1` and `L6-S1`
            do) the later word counts.
        given: The new ones.
    """
    discs = {VALUES.get(name) for name in given.values() if "-" in name}
    return {
        **{item: name for item, name in earlier.items() if VALUES.get(name, 0) not in discs},
        **given,
    }


def find_item(word: Word, column: Column) -> int:
    """The item that a word is about.

    Raises:
        UsageError: There is none of this value or name, or none at this place; or it bears the
            one name that it can have.
    """
    if isinstance(word.where, str | int):
        wanted = str(word.where).casefold()
        name = next(
            (
                row["name"]
                for row in column.rows
                if wanted in (row["name"].casefold(), str(row["value"]))
            ),
            str(word.where),
        )
    else:
        name = _name_at(word.where, column)
    if name not in column.names and any(row["name"] == name for row in column.rows):
        raise UsageError(
            "wrong-kind",
            f"{column.file}: {name} cannot be renamed",
            "name a vertebra, a disc or the sacrum",
        )
    if name not in column.names:
        shown = ", ".join(known for known in column.names if known)
        raise UsageError(
            "unknown-structure",
            f"{column.file}: nothing in it {'has the value' if name.isdigit() else 'is'} {name}",
            f"it has {shown}" if shown else "segment the scan again",
        )
    return column.names.index(name)


def certain_levels(column: Column, words: Mapping[int, str]) -> dict[int, str]:
    """Item → level; what is said of a disc holds for the bones beside it.

    A disc between two parts of the column, such as `L6-S1`, states a count as well. Where the bone
    beside it was not found, the next one moves with the disc by as many levels.

    Args:
        column: What the words are about.
        words: Item → name.

    Raises:
        UsageError: A name is none, is of another kind than its item, or two words contradict each
            other.
    """
    certain: dict[int, str] = {}
    items = column.instances.items
    for item, word in words.items():
        is_disc = items[item].kind == "disc"
        ends = _levels_of(word)
        if not _may_be(items[item], ends):
            _refuse_kind(column, item, word)
        beside = [(item, ends[0])]
        if is_disc:
            beside = _bones_at(items, item, ends)
        if not beside:
            raise UsageError(
                "nothing-beside",
                f"{column.file}: no vertebra was found at {column.names[item]}",
                "name the nearest vertebra instead",
            )
        if is_disc:
            beside += _bones_beyond(column, item, ends)
        for bone, level in beside:
            if certain.setdefault(bone, level) != level:
                raise UsageError(
                    "contradicting-names",
                    f"{column.file}: one bone cannot be {certain[bone]} and {level}",
                    "check them against the preview; names given before count too, until --undo",
                )
    return certain


def _may_be(item: Instance, ends: Sequence[str]) -> bool:
    """Whether an item is of the kind of a name, given as its one level or the two of a disc.

    What was found as a sacrum at the edge may be a vertebra that the edge cuts.
    """
    if len(ends) == 2 or item.kind == "disc":
        return len(ends) == 2 and item.kind == "disc"
    if item.kind == "sacrum" and item.touches_edge:
        return True
    return (tuple(ends) == (SACRUM,)) == (item.kind == "sacrum")


def _refuse_kind(column: Column, item: int, word: str) -> None:
    called, kind = column.names[item] or "what is meant", column.instances.items[item].kind
    text = f"{called} is a {kind}, {word} is not"
    if kind == "sacrum":
        # It may be called a vertebra, or by the name of the sacrum itself.
        text = f"{called} is no {'disc' if '-' in word else 'vertebra'}, {word} is one"
    raise UsageError("wrong-kind", f"{column.file}: {text}", "name a vertebra T12, a disc L4-L5")


def bones_beside(items: Sequence[Instance], disc: int) -> tuple[int | None, int | None]:
    """The bone above a disc and the one below, found at it or not; None beyond the last."""
    bones = [n for n, other in enumerate(items) if other.kind != "disc"]
    above, below = [n for n in bones if n < disc], [n for n in bones if n > disc]
    return (above[-1] if above else None, below[0] if below else None)


def is_near(items: Sequence[Instance], disc: int, bone: int) -> bool:
    """Whether a bone is a disc's neighbour: no vertebra was missed between them."""
    upper, lower = sorted((disc, bone))
    return gap_mm(items[upper], items[lower]) < FAR_SHARE * items[bone].height_mm


def _bones_at(items: Sequence[Instance], disc: int, ends: Sequence[str]) -> list[tuple[int, str]]:
    """The bones that lie at a disc and what it makes them; one beyond a missed one does not."""
    return [
        (bone, level)
        for bone, level in zip(bones_beside(items, disc), ends, strict=True)
        if bone is not None and is_near(items, disc, bone)
    ]


def _bones_beyond(column: Column, disc: int, ends: Sequence[str]) -> list[tuple[int, str]]:
    """The bones beyond a missed one, as many levels from the disc as they are called now.

    Of a disc that states a count alone: what is beyond others follows by itself.
    """
    before = ends_of(column.names[disc] or "")
    upper, lower = map(_region_of, ends)
    if upper == lower or not (upper and lower) or len(before) < 2:
        return []
    found = []
    for bone, was, now in zip(
        bones_beside(column.instances.items, disc), before, ends, strict=True
    ):
        if bone is None or is_near(column.instances.items, disc, bone):
            continue
        called, region = str(column.names[bone]), _region_of(now)
        if now != SACRUM and was in region and called in region:
            moved = region.index(called) + region.index(now) - region.index(was)
            if 0 <= moved < len(region):
                found.append((bone, region[moved]))
    return found


def _region_of(level: str) -> tuple[str, ...]:
    """The part of the column a level belongs to, if it is one of REGIONS; else empty."""
    return next((region for region in REGIONS if level in region), ())


def _name_at(place: tuple[float, float, float], column: Column) -> str:
    """Name of the vertebra, disc or sacrum at a place in RAS+ mm, or of the nearest."""
    values = {VALUES[name]: name for name in column.names if name}
    voxels = np.argwhere(np.isin(column.labels, list(values)))
    shown = ", ".join(f"{mm:g}" for mm in place)
    if len(voxels):
        far = np.linalg.norm(column.grid.ijk_to_ras(voxels) - np.array(place), axis=1)
        nearest = int(far.argmin())
        if far[nearest] <= NEAR_MM:
            return values[int(column.labels[tuple(voxels[nearest])])]
    raise UsageError(
        "nothing-there",
        f"{column.file}: no vertebra or disc within {NEAR_MM:g} mm of {shown}",
        "give R, A, S in mm, A growing to the front; the report has every centre (centroid_ras_mm)",
    )


def _levels_of(word: str) -> tuple[str, ...]:
    """The level, or the two beside a disc.

    Raises:
        UsageError: It is no name of a level or disc.
    """
    if word not in LEVELS and (word not in VALUES or "-" not in word):
        raise UsageError(
            "unknown-name", f"{word!r} is no vertebra or disc", "names are like C3, T12, L4-L5"
        )
    return ends_of(word)
