"""Our values → those of a set: structures chosen, numbered anew or in another scheme's values.

It knows names and values, nothing of where voxels lie.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import SACRUM, ends_of
from spinekit.anatomy.scheme import (
    LAST_DISC,
    LEVELS,
    NAMES,
    VALUES,
    load_scheme,
    name_in_context,
)
from spinekit.core.errors import InputError
from spinekit.curation.recipe import PrepareRecipe
from spinekit.curation.tables import describe_table, find_varying, number_structures

INVERSE = "spinekit labels convert PREDICTION --inverse labels.json --out NAMED"
"""How a model's numbers become this package's values again."""


@dataclass(frozen=True)
class Encoder:
    """How a set writes structures."""

    kept: frozenset[int]
    """Our values that it holds."""
    numbers: dict[str, int] | None = None
    """Usual name → value, where structures are numbered anew."""
    scheme: str = "spinekit"

    @classmethod
    def of(cls, recipe: PrepareRecipe) -> Encoder:
        """The encoder of a recipe; without a choice of labels it keeps the unnamed too."""
        everything = frozenset(range(1, 256))
        kept = frozenset(VALUES[name] for name in recipe.kept) if recipe.labels else everything
        numbers = number_structures(recipe.kept) if recipe.renumber else None
        return cls(kept, numbers, recipe.scheme)

    def encode(
        self, labels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], list[dict[str, Any]], list[dict[str, Any]]]:
        """Write a label map in the set's values.

        Args:
            labels: (I, J, K) our values.

        Returns:
            (I, J, K) the set's values; a row per structure (`name`, `spinekit_value`, `value`,
            `voxels`); and a row per structure chosen that the set's values cannot say.
        """
        keep = np.zeros(256, np.uint8)
        keep[list(self.kept)] = list(self.kept)
        chosen = keep[labels]
        table = self._table(chosen)
        lookup = np.zeros(256, np.uint8)
        lookup[list(table)] = list(table.values())
        counts = np.bincount(chosen.ravel(), minlength=256)
        rows, losses = [], []
        for value in map(int, np.flatnonzero(counts)):
            name = NAMES.get(value, str(value))
            if value in table:
                rows.append(
                    {
                        "name": name,
                        "spinekit_value": value,
                        "value": table[value],
                        "voxels": int(counts[value]),
                    }
                )
            elif value:
                losses.append(
                    {"name": name, "voxels": int(counts[value]), "reason": "no-value", "file": ""}
                )
        return lookup[chosen], rows, losses

    def _table(self, labels: NDArray[np.uint8]) -> dict[int, int]:
        """Our value → the set's, of what is in a map."""
        if self.numbers is not None:
            return {VALUES[name]: number for name, number in self.numbers.items()}
        if self.scheme != "spinekit":
            table = load_scheme(self.scheme).table(labels)
            return {ours: theirs for ours, (_, theirs) in table.items()}
        return {value: value for value in NAMES if value in self.kept}

    def tell(self, stored: NDArray[np.integer], known: Mapping[int, int]) -> list[dict[str, Any]]:
        """A row per structure, as `encode` gives it, of a map that somebody painted in.

        Args:
            stored: (I, J, K) the set's values.
            known: Value → our value, of what was in the map before.

        Raises:
            InputError: A value has no meaning in the set.
        """
        meanings = {**self._meanings(known), **known}
        values, counts = np.unique(stored[stored > 0], return_counts=True)
        strange = [int(value) for value in values if int(value) not in meanings]
        if strange:
            raise InputError(
                "values-unknown",
                f"it holds {strange[0]}, which means nothing in the set",
                "correct it, or move it away",
            )
        rows = [
            {
                "name": NAMES.get(meanings[value], str(meanings[value])),
                "spinekit_value": meanings[value],
                "value": value,
                "voxels": count,
            }
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
        ]
        return sorted(rows, key=lambda row: int(row["spinekit_value"]))

    def _meanings(self, known: Mapping[int, int]) -> dict[int, int]:
        """The set's value → ours, of a map that held these.

        A scheme that counts from the lowest vertebra begins with that by which most of them mean
        what they meant, whether it is marked or not.
        """
        if self.numbers is not None:
            return {number: VALUES[name] for name, number in self.numbers.items()}
        if self.scheme != "spinekit":
            scheme = load_scheme(self.scheme)
            lowest = ("L5", *(name for name in LEVELS if name not in ("L5", SACRUM)))
            found = [
                {value: VALUES[name] for value, name in scheme.meanings(lowest=bone).items()}
                for bone in lowest
            ]
            return max(found, key=lambda table: len(table.items() & known.items()))
        return {value: value for value in NAMES if value in self.kept}

    def describe(self, name: str, maps: Sequence[Mapping[int, int]]) -> dict[str, Any]:
        """The set's label table: what is true of all its label maps.

        Args:
            name: Of the set.
            maps: For each label map, our value → value in it; what occurs is listed where nothing
                is numbered anew, but for values that do not mean the same in all maps.
        """
        if self.numbers is not None:
            return describe_table(self.numbers, name=name, inverse=INVERSE)
        varying = find_varying(maps)
        rows = {(ours, value) for table in maps for ours, value in table.items() if ours in NAMES}
        values = {NAMES[ours]: value for ours, value in sorted(rows) if value not in varying}
        inverse = INVERSE
        if self.scheme != "spinekit":
            inverse = f"spinekit labels convert PREDICTION --from {self.scheme} --out NAMED"
        names = {value: [NAMES[ours] for ours in some] for value, some in varying.items()}
        return describe_table(values, name=name, inverse=inverse, varying=names)


def missing_structures(recipe: PrepareRecipe, present: Collection[int]) -> list[str]:
    """Structures the recipe names that a case does not hold; none where it names none."""
    if not recipe.labels:
        return []
    return [name for name in recipe.kept if VALUES[name] not in present]


def anomaly_of(present: Collection[int]) -> str:
    """The unusual column that a map's structures show, `none` for an ordinary one.

    A bone that is not marked is there all the same where a disc beside it is. A bone too few is
    told only by the bones on both sides of the gap, since a mask may mark a part of the column.

    Args:
        present: Our values in the map.
    """
    values = list(present)
    last, first = (
        # What the disc above sacrum or L1 is called, or would be; None where the bone is not seen.
        name_in_context(disc, values) if VALUES[bone] in values else None
        for disc, bone in ((LAST_DISC, SACRUM), (VALUES["T12-L1"], "L1"))
    )
    ends = {end for value in values if value in NAMES for end in ends_of(NAMES[value])}
    if "L6" in ends:
        return "L6"
    if "T13" in ends:
        return "T13"
    if last == "L4-S1":
        return "four-lumbar"
    return "eleven-thoracic" if first == "T11-L1" else "none"
