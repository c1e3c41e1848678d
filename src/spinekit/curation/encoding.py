"""Our values → those of a set: structures chosen, numbered anew or in another scheme's values.

It knows names and values, nothing of where voxels lie.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import NAMES, VALUES, load_scheme
from spinekit.curation.recipe import PrepareRecipe
from spinekit.curation.tables import describe_table, number_structures

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

    def describe(self, name: str, present: Collection[int]) -> dict[str, Any]:
        """The set's label table.

        Args:
            name: Of the set.
            present: Our values that occur in it, which are listed where nothing is numbered anew.
        """
        if self.numbers is not None:
            return describe_table(self.numbers, name=name, inverse=INVERSE)
        ours = np.array(sorted(present), np.uint8)
        table = self._table(ours)
        values = {NAMES[ours]: theirs for ours, theirs in sorted(table.items()) if ours in present}
        inverse = INVERSE
        if self.scheme != "spinekit":
            inverse = f"spinekit labels convert PREDICTION --from {self.scheme} --out NAMED"
        return describe_table(values, name=name, inverse=inverse)


def missing_structures(recipe: PrepareRecipe, present: Collection[int]) -> list[str]:
    """Structures the recipe names that a case does not hold; none where it names none."""
    if not recipe.labels:
        return []
    return [name for name in recipe.kept if VALUES[name] not in present]


def anomaly_of(present: Collection[int]) -> str:
    """The unusual column that a map's structures show, `none` for an ordinary one.

    Args:
        present: Our values in the map.
    """
    there = {NAMES[value] for value in present if value in NAMES}
    if "L6" in there:
        return "L6"
    if "T13" in there:
        return "T13"
    if {"L4", "sacrum"} <= there and "L5" not in there:
        return "four-lumbar"
    if {"T11", "L1"} <= there and "T12" not in there:
        return "eleven-thoracic"
    return "none"
