"""Whether a run that lies in a folder is the one that was asked for.

It knows recipes and what checkpoints say of themselves, and not how they are trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from spinekit.core.errors import RecipeError
from spinekit.training.checkpoint import hash_weights, load_checkpoint
from spinekit.training.patients import Sides, check_patients, unite_patients
from spinekit.training.recipe import Recipe, read_recipe
from spinekit.training.start import is_model, recipe_from_plain

LENGTH = ("steps", "minutes")
"""Keys that may change while a run goes on; the learning rate follows the new schedule."""
HARMLESS = ("validate_every", "workers")
"""Keys that decide nothing of how weights are trained, though the first of which are kept."""


def check_resume(
    last: Path,
    state: Mapping[str, Any],
    recipe: Recipe,
    facts: Mapping[str, Any],
    sides: Sides,
    *,
    report: Callable[[str], None],
) -> None:
    """Refuse to go on with a run of another recipe or start, or one that saw who tests now.

    Args:
        last: The checkpoint, for messages.
        state: What it holds.
        recipe: The run that was asked for.
        facts: What is known of that run's start and teacher.
        sides: Who tests, or is held out, and who chooses the weights.
        report: Told where the run's length changed, or it trained on who chooses the weights.

    Raises:
        RecipeError: They differ, or it has seen who tests or is held out.
    """
    before = recipe_from_plain(state["recipe"], source=last.name)
    differ = _changed(before, recipe)
    for role in ("start", "teacher"):
        if differ or role not in facts:
            continue
        told = state["facts"].get(role, {}).get("weights_sha256")
        if told not in (None, facts[role].get("weights_sha256")):
            differ.append(f"the weights of its {role}")
    anew = f"delete {last.parent}, or give the new run a name: --set name=..."
    if set(differ) - set(LENGTH):
        raise RecipeError(
            "other-run", f"{last}: the run that lies there differs in {', '.join(differ)}", anew
        )
    check_patients(f"{last}: the run", state["facts"], sides, remedy=anew, report=report)
    for key in differ:
        was, now = getattr(before, key), getattr(recipe, key)
        report(f"{key} was {was} and is {now}: the schedule is the new one from here")


def check_recipes_needed(
    recipe: Recipe, recipes: Path, runs: Path, *, needed_by: tuple[str, ...] = ()
) -> None:
    """Refuse what would never be found or never end, before a recipe's ancestors are trained.

    Args:
        recipe: The run to come.
        recipes: Where `<name>.toml` of its start and teacher lie.
        runs: Where complete runs lie, which need nothing.
        needed_by: Names of the runs that need this one, the first first.

    Raises:
        RecipeError: A recipe's file names another run, cannot be read, or needs itself.
    """
    line = (*needed_by, recipe.name)
    for key, name in (("init", recipe.init), ("teacher", recipe.teacher)):
        if not name or is_model(name) or (runs / name / "model.onnx").is_file():
            continue
        if name in line:
            raise RecipeError(
                "recipe-circle",
                f"{' needs '.join((*line, name))}, which is yet to be trained",
                "give one of them another init or teacher",
            )
        path = recipes / f"{name}.toml"
        if not path.is_file():
            raise _missing(key, name, path, recipe, runs)
        before = read_recipe(path)
        if before.name != name:
            raise RecipeError(
                "recipe-name",
                f"{path}: its recipe is called {before.name}, so that no run {name} comes of it",
                f'write name = "{name}" into it',
            )
        check_recipes_needed(before, recipes, runs, needed_by=line)


def _missing(key: str, name: str, path: Path, recipe: Recipe, runs: Path) -> RecipeError:
    """What to say of a start or teacher that is neither a recipe nor a complete run."""
    return RecipeError(
        "recipe-missing",
        f'{recipe.name}: its {key} = "{name}" asks for {path}, which is not there, and no '
        f"complete run {name} is in {runs}",
        f'give {key} the name of a recipe beside this one, "embedded", or the path of a model file',
    )


def carry_facts(
    facts: Mapping[str, Any], before: Mapping[str, Any], *, same_data: bool
) -> dict[str, Any]:
    """What is known of a run that goes on, with what its checkpoint knows of its earlier steps.

    Its weights come of every set and patient that it was ever trained on. What its start scored
    holds as long as the data are the same.

    Args:
        facts: Of the data, start and tools at hand.
        before: Of the checkpoint.
        same_data: Whether it was trained, and scored, on the data at hand.
    """
    carried = dict(facts)
    now, then = facts.get("trained_on", {}), before.get("trained_on", {})
    if now or then:
        names = {**now, **then}
        carried["trained_on"] = {name: max(now.get(name, 0), then.get(name, 0)) for name in names}
    if same_data and "score" in before.get("start", {}):
        carried["start"] = {**facts.get("start", {}), "score": before["start"]["score"]}
    if "patients" in facts or "patients" in before:
        carried["patients"] = unite_patients(facts, before)
    return carried


def check_ancestor(folder: Path, recipes: Path, *, report: Callable[[str], None]) -> None:
    """Refuse a trained run as start or teacher when its recipe's file says something else by now.

    So are the runs that it began or learned from, where they are there.

    Args:
        folder: The run's.
        recipes: Where `<name>.toml` lies; a run without one is taken as it is.
        report: Told where the run is of another length, or began from weights that its start or
            teacher no longer has.

    Raises:
        RecipeError: They differ, or the file is wrong.
        ModelError: The run has no readable checkpoint.
    """
    state = load_checkpoint(folder / "best.pt", torch.device("cpu"))
    before = recipe_from_plain(state["recipe"], source=folder.name)
    path = recipes / f"{folder.name}.toml"
    differ = _changed(before, read_recipe(path)) if path.is_file() else []
    if set(differ) - set(LENGTH):
        raise RecipeError(
            "other-run",
            f"{folder}: the run that lies there differs in {', '.join(differ)} from {path}",
            f"delete {folder} to have it trained anew, or give one of the two another name",
        )
    if differ:
        report(f"{folder.name} was trained with another {' and '.join(differ)} than {path} says")
    for role, name in (("start", before.init), ("teacher", before.teacher)):
        beside = folder.with_name(name) if name and not is_model(name) else None
        if beside is None or not (beside / "best.pt").is_file():
            continue
        now = hash_weights(load_checkpoint(beside / "best.pt", torch.device("cpu"))["mean"])
        if state["facts"].get(role, {}).get("weights_sha256") not in (None, now):
            report(f"{name} was trained anew since {folder.name} took its weights")
        check_ancestor(beside, recipes, report=report)


def _changed(before: Recipe, now: Recipe) -> list[str]:
    """Keys that differ and decide something."""
    was, will = dataclasses.asdict(before), dataclasses.asdict(now)
    return [key for key in will if was[key] != will[key] and key not in HARMLESS]
