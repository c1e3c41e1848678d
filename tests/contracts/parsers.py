"""The command line as it is, for tests that compare it with something else."""

import argparse

from spinekit.apps.cli import build_parser


def parser_of(command: str, step: str | None = None) -> argparse.ArgumentParser:
    """The parser of a command, or of one of its steps."""
    parser: argparse.ArgumentParser = build_parser(command)
    for word in filter(None, (command, step)):
        group = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        parser = group.choices[word]
    return parser


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Its long options."""
    names = (name for action in parser._actions for name in action.option_strings)
    return {name for name in names if name.startswith("--")}
