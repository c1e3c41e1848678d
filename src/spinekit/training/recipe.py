"""The training recipe: one frozen dataclass, overridden by a TOML file in `recipes/`.

It knows nothing of torch, so that a recipe can be read, checked and hashed anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import RecipeError
from spinekit.core.settings import fill, read_toml

FIELDS_OF_VIEW = (
    "lumbar",
    "lumbar",
    "lumbar",
    "thoracolumbar",
    "whole",
    "cervical",
    "random",
    "random",
)
"""Of phantoms, in turn: lumbar most of all."""
NAME_BYTES = 200
"""Of a name: file systems take 255, some of which a lock's name adds."""
SPLITS = ("", "H1", "H2", "H3", "within")
RANGES = (
    ("seed", (0, 10**9)),
    ("phantom_share", (0.0, 1.0)),
    ("appearance", (0.0, 1.0)),
    ("level_pull", (0.0, 1.0)),
    ("in_plane_mm", (0.5, 2.0)),
    ("working_mm", (0.5, 2.0)),
    ("neighbour_mm", (1.0, 6.0)),
    ("min_slice_mm", (0.5, 5.0)),
)
"""Keys with a least and a largest value."""
LEAST = (
    ("phantoms", 0),
    ("workers", 0),
    ("minutes", 0),
    ("weight_decay", 0),
    ("ema", 0),
    ("level_weight", 0),
    ("dice_weight", 0),
    ("context", 1),
    ("steps", 1),
    ("batch", 1),
    ("validate_every", 1),
)
"""Keys with a least value alone."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run produces."""

    name: str = "default"
    """Names the run's folder and the model."""
    seed: int = 0
    """Of weights, phantoms, sampling and augmentation, 0 … 10⁹."""
    hold_out: str = ""
    """"H1", "H2", "H3" leave whole sets out, "within" a fifth of the subjects of every set, ""
    nothing."""
    init: str = ""
    """Run whose best weights are the start, "embedded" for the package's model, a path from the
    recipe's folder to a model file (.onnx), or "" for random weights."""
    teacher: str = ""
    """Run, model file or "embedded", as for `init`: what it is sure of and anatomy allows fills
    what the masks of real scans leave open. "" leaves it open."""
    phantoms: int = 480
    """Phantom scans drawn, 0 for none."""
    phantom_views: tuple[str, ...] = FIELDS_OF_VIEW
    """Their fields of view, in turn: lumbar, thoracolumbar, cervical, whole or random."""
    phantom_share: float = 0.45
    """Share of drawn slices that are phantoms when real scans are there, 0 … 1."""
    real: bool = True
    """Use real scans when they are found."""
    sets: tuple[str, ...] = ()
    """Folders made by `spinekit data prepare`, from the working folder: trained on too."""
    bodies_only: bool = False
    """Whether what all those sets call a vertebra is its body alone; a set made with a recipe that
    says it of some masks (`bodies_only` there) needs no such word."""
    set_weights: dict[str, float] = field(default_factory=dict)
    """Relative frequency of each real or prepared set, 0 or more; 1 where not given."""
    appearance: float = 1.0
    """Share of the usual chances that a view's greys, noise or sharpness are changed, 0 … 1."""
    widths: tuple[int, ...] = (24, 48, 96, 160, 224)
    """Channels at strides 2 … 32, five multiples of 8."""
    level_widths: tuple[int, ...] = ()
    """Channels at strides 8, 16 and 32 of what reads levels off the other features, multiples of
    8; none: levels and parts share all features."""
    level_pull: float = 0.0
    """Share of the level loss's gradient that those pass on to the other features, 0 … 1."""
    context: int = 3
    """Slices the network reads, odd."""
    in_plane_mm: float = 1.0
    """Pixel of a training view before it is scaled at random, 0.5 … 2 mm."""
    working_mm: float = 0.87
    """Pixel of the grid that scans are predicted on, 0.5 … 2 mm: finer than a training view, within
    its random scales, finds thin structures better and takes longer."""
    neighbour_mm: float = 4.0
    """Distance of the neighbouring slices, 1 … 6 mm."""
    min_slice_mm: float = 2.0
    """Thinner sagittal slices are averaged to this at prediction, 0.5 … 5 mm."""
    canvas: tuple[int, int] = (192, 320)
    """Pixels of a training view along A and S, multiples of 32."""
    steps: int = 2000
    """Optimiser steps."""
    minutes: float = 0.0
    """Wall-clock budget that ends the schedule earlier, 0 for none."""
    batch: int = 16
    """Views a step."""
    learning_rate: float = 0.0015
    """Peak of the one-cycle schedule."""
    weight_decay: float = 0.01
    """Decoupled, of all weights (Loshchilov and Hutter 2019, eq. 9)."""
    ema: float = 0.998
    """Decay of the weights' running mean, which is what is kept; from 0 to below 1."""
    level_weight: float = 0.3
    """Weight of the level loss."""
    dice_weight: float = 0.5
    """Weight of the Dice loss."""
    class_weights: tuple[float, ...] = (1.0, 1.0, 1.5, 1.5, 1.5, 2.0, 1.5)
    """Cross-entropy weight of each part: background, body, posterior elements, disc, canal, cord,
    sacrum."""
    validate_every: int = 200
    """Steps between validations and checkpoints."""
    workers: int = 0
    """Loader processes; 0 loads in the training process."""


def read_recipe(path: Path) -> Recipe:
    """Read a TOML recipe.

    Raises:
        RecipeError: The file cannot be read, a key is unknown (the nearest valid one is named) or
            a value is of the wrong type.
    """
    return recipe_from_dict(read_toml(path), source=str(path))


def recipe_from_dict(table: dict[str, Any], *, source: str = "recipe") -> Recipe:
    """Build a recipe from plain values; lists become tuples.

    Raises:
        RecipeError: As `read_recipe`.
    """
    recipe = fill(Recipe, table, source=source)
    _check_ranges(source, recipe)
    return recipe


def change_recipe(recipe: Recipe, values: Mapping[str, Any], *, source: str = "recipe") -> Recipe:
    """A recipe with other values, checked together.

    Raises:
        RecipeError: As `read_recipe`, or they do not work together.
    """
    return recipe_from_dict({**asdict(recipe), **values}, source=source)


def _check_ranges(source: str, recipe: Recipe) -> None:
    """Raise where a value cannot work."""
    r = recipe
    views = tuple(dict.fromkeys(FIELDS_OF_VIEW))
    rules = {f"{key} must be {a:g} to {b:g}": a <= getattr(r, key) <= b for key, (a, b) in RANGES}
    rules |= {f"{key} must be at least {least}": getattr(r, key) >= least for key, least in LEAST}
    weights = r.class_weights
    rules |= {
        "name must be a folder's": r.name not in ("", ".", "..")
        and not set(r.name) & set("/\\")
        and r.name.isprintable()
        and r.name == r.name.strip(),
        f"name must be at most {NAME_BYTES} bytes": len(os.fsencode(r.name)) <= NAME_BYTES,
        f"hold_out must be one of {', '.join(map(repr, SPLITS))}": r.hold_out in SPLITS,
        f"phantom_views must be some of {', '.join(views)}": bool(r.phantom_views)
        and set(r.phantom_views) <= set(views),
        "set_weights must be at least 0": all(weight >= 0 for weight in r.set_weights.values()),
        "canvas sides must be multiples of 32": all(n >= 32 and n % 32 == 0 for n in r.canvas),
        "canvas must be larger than 32 × 32": max(r.canvas) > 32,
        "widths must be five multiples of 8": len(r.widths) == 5
        and all(n >= 8 and n % 8 == 0 for n in r.widths),
        "level_widths must be none or three multiples of 8": len(r.level_widths) in (0, 3)
        and all(n >= 8 and n % 8 == 0 for n in r.level_widths),
        "context must be odd": r.context % 2 == 1,
        "learning_rate must be above 0": r.learning_rate > 0,
        "ema must be below 1": r.ema < 1,
        f"class_weights must be {len(PARTS)} numbers of 0 or more, not all 0": len(weights)
        == len(PARTS)
        and min(weights) >= 0 < max(weights),
        "phantoms = 0, real = false and no sets leave nothing to train on": bool(
            r.phantoms or r.real or r.sets
        ),
        "phantoms = 0 and phantom_share = 1 leave nothing to train on": bool(r.phantoms)
        or r.phantom_share < 1,
    }
    for text, holds in rules.items():
        if not holds:
            raise RecipeError("recipe-value", f"{source}: {text}", "correct the recipe")
