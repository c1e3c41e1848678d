"""The recipe of a prepared set: which scans, what is done to them, how they are shared out.

It is plain values with a default each, read from TOML; it knows no file's content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spinekit.anatomy.scheme import load_scheme
from spinekit.core.errors import RecipeError
from spinekit.core.settings import fill, read_toml
from spinekit.curation.axes import check_letters, check_word
from spinekit.curation.selection import VERTEBRAE, expand_labels

EXPORTS = ("nnunet-101", "nnunet-102", "nnunet-103", "decathlon", "monai-label", "bids")
"""Layouts a set can be written in besides its own."""
CONFLICTS = ("smaller", "first", "last", "error")
STRATA = ("dataset", "contrast", "anomaly")


@dataclass(frozen=True)
class Source:
    """One set to take cases from."""

    root: str = ""
    """Its folder; `~` and `$NAME` are filled in."""
    dataset: str = "folder"
    """A word of `spinekit data list`."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the word's settings allow, see `spinekit data show`."""
    name: str = ""
    """Name of the set in the result; the cases' own where empty."""
    contrasts: tuple[str, ...] = ()
    """Only these contrasts, all where empty."""
    fix_axes: str = ""
    """`labels` where the masks show that the header is wrong, `doctor` to ask the image too where
    they are silent, a `doctor.json` for what it found, or three letters: where i, j and k truly
    point."""
    masks_on_image: bool = False
    """Masks of the image's shape lie on its grid, whatever their own header says."""
    bone_names: tuple[str, ...] = ()
    """Names from the top of the vertebrae that its masks do not tell apart; the set's own list of
    levels where empty, else sizes and the sacrum decide."""
    bodies_only: tuple[str, ...] = ()
    """Names of masks that mark of a vertebra its body alone, such as `*_bodies`, `*` for all, so
    that posterior elements may be anywhere around. Training asks it."""

    def case_options(self) -> dict[str, Any]:
        """What of it decides a case's own files, as plain values."""
        rest = dataclasses.asdict(self)
        for key in ("root", "name", "contrasts", "bodies_only"):
            del rest[key]
        return dict(json.loads(json.dumps(rest)))

    @property
    def folder(self) -> Path:
        """The root as a path.

        Raises:
            RecipeError: It names a variable that is not set.
        """
        path = Path(os.path.expandvars(self.root)).expanduser()
        unset = re.search(r"\$(\w+|\{\w+\})", str(path))
        if unset and not path.exists():
            raise RecipeError(
                "recipe-value",
                f"root = {self.root!r}: the variable {unset[1].strip('{}')} is not set",
                "set it, or give the folder in `root`",
            )
        return path


@dataclass(frozen=True)
class PrepareRecipe:
    """Everything that decides what a prepared set holds."""

    name: str = "prepared"
    """Of the set."""
    sources: tuple[Source, ...] = ()
    """The sets that are merged, in this order."""
    contrasts: tuple[str, ...] = ()
    """Only these contrasts, all where empty."""
    volume: int = -1
    """Volume of a 4-D scan, from 0; −1 takes their mean."""
    force: bool = False
    """Read scans over 2 GiB, interpolate uneven DICOM slices."""
    conflicts: str = "smaller"
    """Who gets a voxel that two masks claim: `smaller` (structure), `first`, `last` (mask), or
    `error`."""
    split_bone: bool = True
    """Split bone without names into vertebrae and name them, as `spinekit label` does."""
    unnamed: str = "drop"
    """Bone or disc without a name beside such with one: `drop`, or `nearest` within 6 mm."""
    labels: tuple[str, ...] = ()
    """Structures to keep, such as `L1-L5` and `discs`; all where empty."""
    renumber: bool = False
    """Values 1, 2, … in the order of `labels`; the way back is in `labels.json`."""
    scheme: str = "spinekit"
    """Values to write; of any label scheme."""
    orientation: str = "RAS"
    """Where i, j and k point, to the nearest turn; the scan's own where empty."""
    spacing_mm: tuple[float, ...] = ()
    """Along i, j and k after turning, 0 for the scan's own; all its own where empty."""
    size: tuple[int, ...] = ()
    """Voxels along i, j and k. Without `spacing_mm` the whole scan is stretched over them, with it
    the scan is cut and padded around its labels. 0 keeps an axis as it is."""
    image_order: int = 1
    """Interpolation of images: 0 nearest, 1 linear, 2 … 5 splines."""
    label_method: str = "linear"
    """Of labels: `linear` votes among the neighbours, `nearest`; neither loses a structure."""
    image_type: str = "auto"
    """`float32`, `int16`, or `auto`: 16-bit where the values are whole and fit."""
    crops: int = 0
    """Small fields of view cut from every scan, names kept."""
    crop_vertebrae: tuple[int, ...] = (3, 8)
    """Fewest and most whole vertebrae in a crop."""
    augment: int = 0
    """Changed copies of every case; TotalSpineSeg makes 7."""
    label_to_image: float = 0.15
    """Share of the copies whose image is drawn anew from the labels, 0 … 1."""
    validation: float = 0.2
    """Share of the patients, 0 … 1."""
    test: float = 0.0
    """Share of the patients, 0 … 1."""
    folds: int = 0
    """Folds of the patients that are not for the test, 0 for none."""
    stratify: tuple[str, ...] = STRATA
    """What the parts of a split share out evenly."""
    seed: int = 0
    """Of splits, crops and copies."""
    exports: tuple[str, ...] = ()
    """Layouts to write besides; see `EXPORTS`."""
    noaug: bool = False
    """Leave changed copies out of the exports."""

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the structures to keep."""
        return expand_labels(self.labels)

    def case_options(self) -> dict[str, Any]:
        """What decides a case's own files, as plain values."""
        return {k: v for k, v in self.to_dict().items() if k not in _OF_THE_SET}

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain values, for JSON."""
        return dict(json.loads(json.dumps(dataclasses.asdict(self))))


_OF_THE_SET = frozenset(
    ("name", "sources", "contrasts", "validation", "test", "folds", "stratify", "exports", "noaug")
)
"""What changes no case's own files."""


def digest(content: Any) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_prepare_recipe(path: Path, overrides: dict[str, Any] | None = None) -> PrepareRecipe:
    """Read a TOML recipe.

    Args:
        path: The file.
        overrides: Values that win over the file's.

    Raises:
        RecipeError: As `prepare_recipe`, or the file cannot be read.
    """
    return prepare_recipe({**read_toml(path), **(overrides or {})}, source=path.name)


def prepare_recipe(table: dict[str, Any], *, source: str = "recipe") -> PrepareRecipe:
    """Build a recipe from plain values.

    Args:
        table: Key → value; `sources` is a list of tables.
        source: What they are from, for messages.

    Raises:
        RecipeError: A key is unknown, or a value of the wrong type or without a meaning.
        UsageError: No label scheme bears the name.
    """
    table = dict(table)
    sources = table.pop("sources", ())
    if not isinstance(sources, list | tuple) or not all(isinstance(row, dict) for row in sources):
        raise RecipeError("recipe-type", f"{source}: 'sources' is no list", "write [[sources]]")
    found = tuple(fill(Source, row, source=f"{source}, sources") for row in sources)
    recipe = dataclasses.replace(fill(PrepareRecipe, table, source=source), sources=found)
    _check(source, recipe)
    return recipe


def _check(source: str, recipe: PrepareRecipe) -> None:
    """Raise where a value cannot work."""
    load_scheme(recipe.scheme)
    expand_labels(recipe.labels)
    if recipe.orientation:
        check_letters(recipe.orientation)
    for item in recipe.sources:
        check_word(item.fix_axes)
    rules = {
        f"conflicts must be one of {', '.join(CONFLICTS)}": recipe.conflicts in CONFLICTS,
        "unnamed must be 'drop' or 'nearest'": recipe.unnamed in ("drop", "nearest"),
        "label_method must be 'linear' or 'nearest'": recipe.label_method in ("linear", "nearest"),
        "image_type must be 'auto', 'float32' or 'int16'": recipe.image_type
        in ("auto", "float32", "int16"),
        "image_order must be 0 … 5": 0 <= recipe.image_order <= 5,
        "spacing_mm must be three numbers of 0 or more": _three(recipe.spacing_mm),
        "size must be three whole numbers of 0 or more": _three(recipe.size),
        "crop_vertebrae must be two numbers, fewest and most": len(recipe.crop_vertebrae) == 2
        and 1 <= recipe.crop_vertebrae[0] <= recipe.crop_vertebrae[1],
        "crops, augment and seed must be 0 or more": min(recipe.crops, recipe.augment, recipe.seed)
        >= 0,
        "folds must be 0, or 2 or more": recipe.folds == 0 or recipe.folds >= 2,
        "validation and test must leave something to train on": min(recipe.validation, recipe.test)
        >= 0
        and recipe.validation + recipe.test < 1,
        "label_to_image must be 0 … 1": 0 <= recipe.label_to_image <= 1,
        f"stratify must be of {', '.join(STRATA)}": set(recipe.stratify) <= set(STRATA),
        f"exports must be of {', '.join(EXPORTS)}": set(recipe.exports) <= set(EXPORTS),
        "renumber and scheme exclude each other": not recipe.renumber
        or recipe.scheme == "spinekit",
        "nnunet exports need the scheme spinekit": recipe.scheme == "spinekit"
        or not any(name.startswith("nnunet") for name in recipe.exports),
        "bone_names must be vertebrae": all(
            name in VERTEBRAE for item in recipe.sources for name in item.bone_names
        ),
    }
    for text, holds in rules.items():
        if not holds:
            raise RecipeError("recipe-value", f"{source}: {text}", "correct the recipe")


def _three(numbers: tuple[float, ...]) -> bool:
    return len(numbers) in (0, 3) and all(
        isinstance(n, int | float) and not isinstance(n, bool) and n >= 0 for n in numbers
    )
