"""What the values of a mask mean, and which are refused with what remedy."""

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.core.errors import InputError
from spinekit.labelling.numbers import may_be_first_step, read_given, read_parts


def column(*names: str, called: str | None = None) -> np.ndarray:
    """Boxes from the top, the vertebrae called otherwise where `called` says how."""
    label_map = np.zeros((4, 6, 8 * len(names)), np.uint8)
    for n, name in enumerate(names[::-1]):
        bears = called if called and "-" not in name else name
        label_map[1:3, 1:5, 8 * n : 8 * n + 7] = VALUES[bears]
    return label_map


LOIN = ("L3", "L3-L4", "L4", "L4-L5", "L5", "L5-S1", "sacrum")


def test_the_first_step_of_totalspineseg_is_refused() -> None:
    with pytest.raises(InputError) as error:
        read_given("step1.nii.gz", column(*LOIN, called="sacrum"), "totalspineseg")

    assert error.value.code == "first-step"
    assert "step2_output" in error.value.remedy


def test_discs_above_a_sacrum_without_a_vertebra_are_none() -> None:
    given = read_given("mask.nii.gz", column("L3-L4", "L4-L5", "L5-S1", "sacrum"), "spinekit")

    assert set(given.names.values()) == {"L3-L4", "L4-L5", "L5-S1", "sacrum"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sacrum", "L5-S1"], True),
        (["C1", "sacrum"], True),
        (["C2", "sacrum"], False),
        (["C1"], False),
        ([], False),
    ],
)
def test_without_a_vertebra_but_c1_a_map_may_be_the_first_step(names, expected) -> None:
    assert may_be_first_step(names) is expected


@pytest.mark.parametrize(
    ("values", "remedy", "says"),
    [
        ((1, 2, 9), "--as bone", True),
        ((1, 3, 9), "--as bone", False),
        ((1, 2, 7), "--as instances", True),
        ((1, 4, 7), "--as bone", False),
    ],
)
def test_what_is_no_part_is_refused_with_a_remedy_that_fits(values, remedy, says) -> None:
    label_map = np.array([[[0, *values]]], np.uint8)

    with pytest.raises(InputError) as error:
        read_parts("mask.nii.gz", label_map, "parts")

    assert error.value.code == "not-parts"
    assert (remedy in error.value.remedy) is says
