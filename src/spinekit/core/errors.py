"""Every exception and warning of the package, and the notice that goes into a sidecar.

Knows nothing about who raises them, how they are printed, or which language the user reads.

    SpineKitError
    ├── UsageError        the command was called wrongly (exit code 2)
    ├── InputError        a scan or label file cannot be used
    ├── GeometryError     a grid makes no sense in millimetres
    ├── OutputError       a result cannot be written
    ├── ModelError        a model file is missing or not what it promises
    ├── RecipeError       a recipe or configuration is wrong
    └── DependencyError   an optional package is not installed
"""

from __future__ import annotations

from dataclasses import dataclass


class SpineKitError(Exception):
    """Something the user can understand and act on: one line, no traceback needed.

    Attributes:
        code: Stable kebab-case word for machines, such as ``file-missing``.
        message: What is wrong, naming the file.
        remedy: What to do about it.
        exit_code: Exit status of the command line: 1, or 2 for wrong use.
    """

    exit_code: int = 1

    def __init__(self, code: str, message: str, remedy: str) -> None:
        self.code = code
        self.message = _one_line(message)
        self.remedy = _one_line(remedy)
        super().__init__(code, self.message, self.remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class UsageError(SpineKitError):
    """The command or function was called wrongly; nothing was started."""

    exit_code = 2


class InputError(SpineKitError):
    """A scan or label file is missing, damaged or of a kind that cannot be used."""


class GeometryError(SpineKitError):
    """A shape, affine or spacing makes no sense in millimetres."""


class OutputError(SpineKitError):
    """A result cannot be written."""


class ModelError(SpineKitError):
    """A model file is missing, damaged or does not keep its promises."""


class RecipeError(SpineKitError):
    """A recipe has an unknown key or a value out of range."""


class DependencyError(SpineKitError):
    """An optional package that was asked for is not installed."""


class PassedOver(UserWarning):
    """What lies in a folder and is none of the things looked for there, by the usual filters."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning that does not stop the run and is written into the sidecar."""

    code: str
    """Stable kebab-case word for machines."""
    text: str
    """One sentence for people."""


def describe(error: BaseException) -> tuple[str, str]:
    """Any exception as a stable code and one line.

    Args:
        error: What was raised.

    Returns:
        Code, and message with its remedy; of what the package does not foresee, code `unexpected`
        with type and message.
    """
    if isinstance(error, SpineKitError):
        return error.code, str(error)
    if isinstance(error, MemoryError):
        return "out-of-memory", "not enough memory; close programs or use fewer --jobs"
    return "unexpected", _one_line(f"{type(error).__name__}: {error}")


def _one_line(text: str) -> str:
    """Join all white space, so that an error stays one line whatever a library said."""
    return " ".join(text.split())
