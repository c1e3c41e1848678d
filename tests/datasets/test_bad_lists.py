"""Lists and settings of nnU-Net's and Decathlon's layouts that are of the wrong type."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataset_trees import touch
from spinekit.core.errors import InputError, RecipeError
from spinekit.datasets.registry import find_cases


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A raw dataset of nnU-Net with one case, which Decathlon's list can name too."""
    touch(tmp_path, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz")
    return tmp_path


def write_list(root: Path, **content: Any) -> None:
    (root / "dataset.json").write_text(json.dumps(content))


@pytest.mark.parametrize("channel", ["x", 1.5, True, -1, [0]])
def test_a_channel_that_is_no_number(raw: Path, channel: object) -> None:
    with pytest.raises(RecipeError, match="no number of a channel") as error:
        find_cases(raw, "nnunet", {"channel": channel})
    assert error.value.code == "bad-setting"


@pytest.mark.parametrize("key", ["channel_names", "modality", "labels"])
def test_a_table_that_is_none(raw: Path, key: str) -> None:
    write_list(raw, **{key: ["background", "L1"]})

    with pytest.raises(InputError, match=f"{key} is no table") as error:
        find_cases(raw, "nnunet")
    assert error.value.code == "bad-table"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"training": {"a": 1}}, "training is no list"),
        ({"training": "a.nii.gz"}, "training is no list"),
        ({"training": ["a.nii.gz"], "labels": ["background", "L1"]}, "labels is no table"),
    ],
)
def test_a_list_of_decathlon_that_is_none(raw: Path, content: dict, said: str) -> None:
    write_list(raw, **content)

    with pytest.raises(InputError, match=said) as error:
        find_cases(raw, "decathlon")
    assert error.value.code == "bad-table"


def test_two_cases_of_one_name_are_refused(raw: Path) -> None:
    touch(raw, "imagesTs/a_0000.nii.gz", "imagesTs/b_0000.nii.gz")

    with pytest.raises(InputError, match="are both the case a") as error:
        find_cases(raw, "nnunet")

    assert error.value.code == "same-name"
    for folder in ("imagesTr", "imagesTs"):
        assert str(raw / folder / "a_0000.nii.gz") in error.value.message
