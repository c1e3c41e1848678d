"""Options given in Python: every field of a dataclass in its own type, mistakes named.

It knows no option by name and none of their values' ranges.
"""

from __future__ import annotations

import numbers
import os
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from spinekit.core.errors import UsageError

_WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
    NoneType: "None",
}


def settle_types(options: Any) -> None:
    """Bring the fields of a frozen dataclass to their types, in place.

    numpy's numbers serve as Python's, whole numbers as floats, paths as texts.

    Args:
        options: Its fields are `bool`, `int`, `float`, `str` or a tuple of `str`, or None where
            the type allows that.

    Raises:
        UsageError: A value is of another type.
    """
    for name, hint in get_type_hints(type(options)).items():
        value = _settled(name, getattr(options, name), hint)
        object.__setattr__(options, name, value)


def _settled(name: str, value: Any, hint: Any) -> Any:
    whole = get_origin(hint) or hint
    kinds = [tuple] if whole is tuple else list(get_args(hint)) or [hint]
    given = None if isinstance(value, bool | np.bool_) else value
    if value is None and NoneType in kinds:
        return None
    if bool in kinds and given is not value:
        return bool(value)
    if int in kinds and isinstance(given, numbers.Integral):
        return int(given)
    if float in kinds and isinstance(given, numbers.Real):
        return float(given)
    if str in kinds and isinstance(value, str | os.PathLike):
        return os.fspath(value)
    if tuple in kinds and isinstance(value, list | tuple):
        return tuple(_settled(name, item, str) for item in value)
    words = " or ".join(_WORDS[kind] for kind in kinds)
    raise UsageError("option-type", f"{name}={value!r} is of the wrong type", f"give {words}")
