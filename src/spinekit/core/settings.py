"""Recipes as frozen dataclasses: filled from plain values or TOML, mistakes named.

It knows no recipe by name and none of their values' ranges.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from spinekit.core.errors import RecipeError, UsageError

T = TypeVar("T")

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    tuple: "a list",
    dict: "a table",
}
"""What a value of a type is called."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML recipe.

    Raises:
        UsageError: There is no such file.
        RecipeError: The file cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise UsageError("file-missing", f"{path}: no such file", "check the path") from error
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
        RecipeError: A key is unknown (the nearest valid one is named), or a value, or one in a list
            or table, is of the wrong type.
    """
    fields = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)[0]
            raise RecipeError(
                "recipe-key", f"{source}: unknown key '{key}'", f"did you mean '{near}'?"
            )
        values[key] = _checked(source, key, value, hints[key])
    return kind(**values)


def parse_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read `key=value` pairs, each a line of TOML; a bare word is taken as text.

    `table.key=value` may be given for several keys of a table.

    Returns:
        Key → value; empty for no pair.

    Raises:
        RecipeError: A pair has no key or no `=`.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise RecipeError(
                "bad-setting", f"{pair!r} is not KEY=VALUE", "put `=` between a key and its value"
            )
        try:
            found = tomllib.loads(f"{key.strip()} = {text}")
            for name, value in found.items():
                before = values.get(name)
                more = isinstance(before, dict) and isinstance(value, dict)
                values[name] = before | value if more else value
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


def _checked(source: str, key: str, value: Any, hint: Any) -> Any:
    """The value in the type of a field; what lists and tables hold is checked, not converted."""
    kind = get_origin(hint) or hint
    if kind is Any:
        return value
    if kind is tuple and isinstance(value, list | tuple):
        _check_items(source, key, value, get_args(hint))
        return tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        remedy = f"give {WORDS[kind]}"
        if get_args(hint) == (str, ...) and isinstance(value, str):
            listed = json.dumps([value], ensure_ascii=False)
            remedy += f": {key} = {listed}, with --set '{key}={listed}'"
        raise RecipeError("recipe-type", f"{source}: '{key}' = {value!r}", remedy)
    if kind is dict:
        for name, item in value.items():
            _checked(source, f"{key}.{name}", item, get_args(hint)[1])
    return value


def _check_items(
    source: str, key: str, items: list[Any] | tuple[Any, ...], kinds: tuple[Any, ...]
) -> None:
    """Raise where a list is of another length or holds something of another type."""
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(items)
    if len(items) != len(kinds):
        text = f"{source}: '{key}' = {list(items)!r}"
        raise RecipeError("recipe-type", text, f"give {len(kinds)} values")
    for item, kind in zip(items, kinds, strict=True):
        _checked(source, key, item, kind)
