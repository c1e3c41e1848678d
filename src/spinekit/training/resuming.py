"""Whether a run that lies in a folder is the one that was asked for.

It knows recipes and what checkpoints say of themselves, nothing of weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spinekit.core.errors import RecipeError
from spinekit.training.recipe import Recipe
from spinekit.training.start import recipe_from_plain

LENGTH = ("steps", "minutes")
"""Keys that may change while a run goes on; the learning rate follows the new schedule."""
HARMLESS = ("validate_every", "workers")
"""Keys that decide nothing of what a run trains."""


def check_resume(
    last: Path,
    state: Mapping[str, Any],
    recipe: Recipe,
    facts: Mapping[str, Any],
    *,
    report: Callable[[str], None],
) -> None:
    """Refuse to go on with a run of another recipe, or from another start or teacher.

    Args:
        last: The checkpoint, for messages.
        state: What it holds.
        recipe: The run that was asked for.
        facts: What is known of that run's start and teacher.
        report: Told where the run's length changed.

    Raises:
        RecipeError: They differ.
    """
    before = dataclasses.asdict(recipe_from_plain(state["recipe"], source=last.name))
    now = dataclasses.asdict(recipe)
    differ = [key for key in now if before[key] != now[key] and key not in HARMLESS]
    for role in ("start", "teacher"):
        if differ or role not in facts:
            continue
        told = state["facts"].get(role, {}).get("weights_sha256")
        if told not in (None, facts[role].get("weights_sha256")):
            differ.append(f"the weights of its {role}")
    if set(differ) - set(LENGTH):
        raise RecipeError(
            "other-run",
            f"{last}: the run that lies there differs in {', '.join(differ)}",
            f"delete {last.parent}, or give the new run a name: --set name=...",
        )
    for key in differ:
        report(f"{key} was {before[key]} and is {now[key]}: the schedule is the new one from here")
