"""Recipes as frozen dataclasses: filled from plain values or TOML, mistakes named.

It knows no recipe by name and none of their values' ranges.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from spinekit.core.errors import RecipeError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML recipe.

    Raises:
        RecipeError: The file cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError("recipe-unreadable", f"{path}: {error}", "give a TOML recipe") from error


def fill(kind: type[T], table: Mapping[str, Any], *, source: str = "recipe") -> T:
    """Make a dataclass of plain values; lists become tuples, whole numbers serve as floats.

    Args:
        kind: A dataclass every field of which has a default.
        table: Field → value.
        source: What the values are from, for messages.

    Returns:
        The object; the defaults where the table says nothing.

    Raises:
        RecipeError: A key is unknown (the nearest valid one is named), or a value is of the wrong
            type.
    """
    fields = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    defaults = kind()
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)[0]
            raise RecipeError(
                "recipe-key", f"{source}: unknown key '{key}'", f"did you mean '{near}'?"
            )
        values[key] = _checked(source, key, value, getattr(defaults, key))
    return kind(**values)


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` pairs, each a line of TOML; a bare word is taken as text.

    Returns:
        Key → value; empty for no pair.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, _, text = pair.partition("=")
        try:
            values.update(tomllib.loads(f"{key.strip()} = {text}"))
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


def _checked(source: str, key: str, value: Any, default: Any) -> Any:
    """The value in the default's type."""
    if isinstance(default, tuple) and isinstance(value, list | tuple):
        return tuple(value)
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        wanted = type(default).__name__
        raise RecipeError("recipe-type", f"{source}: '{key}' = {value!r}", f"give a {wanted}")
    return value
