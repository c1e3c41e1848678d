"""Where trained weights come from: another run, a model file, or the embedded model.

It knows recipes, checkpoints and model files, nothing of batches or losses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spinekit.core.errors import ModelError, RecipeError
from spinekit.core.modelspec import METADATA_KEY, ModelSpec, ancestors, spec_from_json
from spinekit.datasets.real import HOLD_OUTS
from spinekit.training.checkpoint import hash_weights, load_checkpoint
from spinekit.training.patients import Sides, check_patients
from spinekit.training.recipe import Recipe, recipe_from_dict

EMBEDDED = "embedded"
"""As `init`, the model in the package."""
TOLD = ("weights_sha256", "data_sha256", "trained_on")
"""Facts of a start that are kept."""


@dataclass(frozen=True)
class Start:
    """Trained weights that a run begins with or learns from, and what is known of them."""

    name: str
    recipe: Recipe
    """What they were trained by; its widths, level_widths and context are the network's."""
    weights: Mapping[str, Tensor]
    facts: dict[str, Any]
    """What the model file made of the run will say of them."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """All that they say of themselves."""

    @property
    def shape(self) -> str:
        """The network's shape, as keys and values of a recipe."""
        recipe = self.recipe
        widths, level_widths = list(recipe.widths), list(recipe.level_widths)
        return f"widths = {widths}, level_widths = {level_widths}, context = {recipe.context}"


def is_model(init: str) -> bool:
    """Whether `init` names a model file and not a run."""
    return init == EMBEDDED or init.endswith(".onnx")


def start_from_run(recipe: Recipe, folder: Path, *, role: str = "start") -> Start:
    """The best weights of a run, for a run of `recipe`, whose start or teacher they are.

    Raises:
        RecipeError: It has seen what the recipe holds out.
        ModelError: There is no readable checkpoint.
    """
    state = load_checkpoint(folder / "best.pt", torch.device("cpu"))
    before = recipe_from_plain(state["recipe"], source=folder.name)
    told = {"weights_sha256": hash_weights(state["mean"]), **state["facts"]}
    check_leak(recipe, folder.name, before, told, role=role)
    return Start(folder.name, before, state["mean"], _kept(folder.name, before, told), told)


def start_from_model(recipe: Recipe, init: str, folder: Path, *, role: str = "start") -> Start:
    """The weights of a model file: `init` is its path from `folder`, or "embedded".

    Raises:
        RecipeError: Its training has seen what the recipe holds out.
        ModelError: The file is missing or no SpineKit model.
    """
    if init == EMBEDDED:
        path = Path(str(resources.files("spinekit.models") / "default.onnx"))
    else:
        path = folder / init
    weights, spec = read_model(path)
    before = recipe_from_plain(spec.recipe, source=path.name)
    check_leak(recipe, spec.name, before, spec.facts, role=role)
    return Start(spec.name, before, weights, _kept(spec.name, before, spec.facts), spec.facts)


def recipe_from_plain(values: Mapping[str, Any], *, source: str) -> Recipe:
    """The recipe that a checkpoint or a model file carries.

    Raises:
        ModelError: It has a key or value that this version does not know.
    """
    table = {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}
    try:
        return recipe_from_dict(table, source=source)
    except RecipeError as error:
        raise ModelError(
            "model-spec",
            f"{error.message}: its recipe was made by another version",
            "use the version of spinekit that made it, or train it again with this one",
        ) from error


def check_leak(
    recipe: Recipe,
    name: str,
    before: Recipe,
    facts: Mapping[str, Any],
    *,
    role: str = "start",
    held_out: Collection[str] = (),
) -> None:
    """Refuse a start or teacher that has seen what is held out, itself or in what it began from.

    Args:
        recipe: The run to come.
        name: The start's, or teacher's.
        before: What it was trained by.
        facts: What is known of its training; empty before it is trained.
        role: "start" or "teacher".
        held_out: Sets of which "within" holds scans out; empty before they are known.

    Raises:
        RecipeError: It has.
    """
    if not recipe.hold_out:
        return
    seen = name if _saw_itself(recipe, before, facts, held_out) else ""
    for told in ancestors(facts):
        if _has_seen(told, recipe.hold_out, held_out):
            seen = seen or f"{name}, which goes back to {told['name']},"
    if seen:
        raise RecipeError(
            "recipe-leak",
            f"{recipe.name} holds out {recipe.hold_out}, but its {role} {seen} has seen it",
            f"give it a {role} with the same hold_out, or one of phantoms alone",
        )


def check_origins(
    recipe: Recipe,
    origins: Mapping[str, Start],
    sides: Sides,
    held_out: Collection[str],
    *,
    report: Callable[[str], None],
) -> None:
    """Refuse a start or teacher that has seen who tests or is held out.

    Args:
        recipe: The run to come.
        origins: Its start and teacher, by role.
        sides: Who is on which side of the split.
        held_out: Sets of which scans are held out.
        report: Told where they were trained on patients who choose the weights.

    Raises:
        RecipeError: They have.
    """
    for role, of in origins.items():
        check_leak(recipe, of.name, of.recipe, of.told, role=role, held_out=held_out)
        check_patients(
            f"{recipe.name}: its {role} {of.name}",
            of.told,
            sides,
            remedy=f"give it a {role} that was trained without them, or one of phantoms alone",
            report=report,
        )


def _saw_itself(
    recipe: Recipe, before: Recipe, facts: Mapping[str, Any], held_out: Collection[str]
) -> bool:
    """Whether a training by `before` had, or will have, scans that the recipe holds out."""
    if before.hold_out == recipe.hold_out or not (before.real or before.sets):
        return False
    if recipe.hold_out in HOLD_OUTS:
        return True
    if "trained_on" not in facts:
        return (before.real and recipe.real) or bool(set(before.sets) & set(recipe.sets))
    return _has_seen({**facts, "hold_out": before.hold_out}, recipe.hold_out, held_out)


def _has_seen(told: Mapping[str, Any], hold_out: str, held_out: Collection[str]) -> bool:
    """Whether a model's training had scans of sets that a split holds out, or holds some out of."""
    shared = set(told.get("trained_on", ())) & set(HOLD_OUTS.get(hold_out, held_out))
    return bool(shared) and (hold_out in HOLD_OUTS or told.get("hold_out") != hold_out)


def read_model(path: Path) -> tuple[dict[str, Tensor], ModelSpec]:
    """Weights by the network's own names, widened to float32, and the file's promise.

    Raises:
        ModelError: The file is missing or no SpineKit model.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except (OSError, DecodeError) as error:
        raise ModelError(
            "model-unreadable",
            f"{path}: cannot be read as a model file ({error})",
            "name an ONNX file that `spinekit train` wrote",
        ) from error
    text = {item.key: item.value for item in model.metadata_props}.get(METADATA_KEY, "")
    spec = spec_from_json(text, source=path.name)
    weights = {}
    for item in model.graph.initializer:
        name = re.sub(r"^network\.|_half$", "", item.name)
        # A copy: the file's own memory cannot be written to.
        array = onnx.numpy_helper.to_array(item).astype("float32", copy=True)
        weights[name] = torch.from_numpy(array)
    return weights, spec


def _kept(name: str, recipe: Recipe, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a model says of its start: what it is, and in `lineage`, flat, what it goes back to."""
    kept = {"name": name, "hold_out": recipe.hold_out}
    kept |= {key: facts[key] for key in TOLD if key in facts}
    lineage: list[dict[str, Any]] = []
    for told in ancestors(facts):
        plain = {key: told[key] for key in ("name", "hold_out", *TOLD) if key in told}
        if plain not in lineage:
            lineage.append(plain)
    return {**kept, "lineage": lineage} if lineage else kept
