"""`spinekit data …`: training sets listed, fetched, checked and prepared.

It knows the names of the steps; each is a module `data_<step>` beside it.
"""

import argparse
from importlib import import_module
from typing import Any

STEPS: dict[str, str] = {
    "list": "print the sets that can be asked for by name",
    "show": "say what a set is, or what of it lies in a folder",
    "get": "bring a set into a folder",
    "doctor": "find what is wrong with a set: table, JSON, and a page with pictures",
    "prepare": "make a training set of a recipe, or of a folder",
    "gradings": "write SPIDER's gradings as one table, by the names of discs",
}
"""Step → one line of help; each is a module `data_<step>` with `configure` and `run`."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the steps with their options."""
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name, text in STEPS.items():
        sub = steps.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--debug", action="store_true", help="show the traceback of an error")
        _module(name).configure(sub)


def run(args: argparse.Namespace) -> int:
    """Run the chosen step."""
    return int(_module(args.step).run(args))


def _module(step: str) -> Any:
    return import_module(f"spinekit.apps.data_{step}")
