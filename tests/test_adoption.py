"""How a mask is to be read, said from Python."""

from pathlib import Path

import pytest

from spinekit.adoption import MaskOptions
from spinekit.core.errors import UsageError


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"meaning": "instance"}, "choose one of bone, parts, instances"),
        ({"meaning": "parts", "scheme": "spinekit"}, "say two things of one mask"),
    ],
)
def test_what_says_nothing_or_two_things_of_a_mask_is_wrong_use(
    options: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError, match=said) as error:
        MaskOptions(**options)

    assert error.value.code == "mask-meaning"


def test_one_thing_or_nothing_is_said_of_a_mask() -> None:
    for options in ({}, {"meaning": "bone"}, {"scheme": "spider"}):
        assert MaskOptions(**options).recorded(Path("a.nii.gz"))["meaning"] == options.get(
            "meaning"
        )
