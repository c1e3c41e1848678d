from collections.abc import Collection
from typing import get_args

import pytest

from contracts.parsers import parser_of
from spinekit.labelling.numbers import Meaning
from spinekit.layouts.registry import LAYOUTS
from spinekit.segmentation import FORMATS


def choices_of(command: str, option: str) -> set[str]:
    """What the command line takes; it lists it itself, so that its help imports nothing."""
    return set(parser_of(command)._option_string_actions[option].choices or ())


@pytest.mark.parametrize(
    ("command", "option", "known"),
    [
        ("segment", "--format", FORMATS),
        ("label", "--format", FORMATS),
        ("label", "--as", get_args(Meaning)),
        ("segment", "--layout", LAYOUTS),
    ],
)
def test_command_line_takes_what_there_is(
    command: str, option: str, known: Collection[str]
) -> None:
    assert choices_of(command, option) == set(known)
