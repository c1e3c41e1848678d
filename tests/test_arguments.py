"""What is given in Python and makes no sense ends in an error of this package's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spinekit
from blocks import BlockSpine, oracle_for
from spinekit.apps.inference import SegmentationInference
from spinekit.core.errors import SpineKitError
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment


@pytest.mark.parametrize(
    "options",
    [
        {"volume": "1"},
        {"volume": 1.0},
        {"min_probability": "0.9"},
        {"min_probability": None},
        {"threads": "2"},
        {"threads": -1},
        {"threads": True},
        {"iso": 1},
        {"model": 3},
        {"localizer": "no/such/file.nii.gz"},
        {"together": "a"},
        {"together": ("a", "b")},
    ],
    ids=str,
)
def test_options_of_a_wrong_type_are_told_before_the_scan_is_looked_at(
    spine: BlockSpine, options: dict[str, Any]
) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("looked at")

    with pytest.raises(SpineKitError) as caught:
        segment(spine.image, affine=spine.grid.affine, predictor=forbidden, **options)

    (name,) = options
    assert name in str(caught.value) or caught.value.code == "file-missing"


@pytest.mark.parametrize("options", [{"iso": True}, 5], ids=["dict", "number"])
def test_options_together_are_an_object_of_their_own(spine: BlockSpine, options: Any) -> None:
    with pytest.raises(SpineKitError, match="SegmentOptions"):
        segment(spine.image, options, affine=spine.grid.affine)


def test_a_series_may_be_a_number() -> None:
    assert SegmentOptions(series=3) == SegmentOptions(series="3")


def test_numbers_of_numpy_and_paths_are_as_good(tmp_path: Path) -> None:
    options = SegmentOptions(
        iso=np.bool_(True), threads=np.int64(2), min_probability=1, model=tmp_path, together=["a"]
    )

    assert options == SegmentOptions(
        iso=True, threads=2, min_probability=1.0, model=str(tmp_path), together=("a",)
    )
    assert [type(value) for value in (options.iso, options.threads)] == [bool, int]


@pytest.mark.parametrize("source", ["", "a\0b", [[1, 2], [3]]], ids=["empty", "nul", "ragged"])
def test_what_can_be_no_scan_is_refused(source: Any) -> None:
    with pytest.raises(SpineKitError):
        spinekit.segment(source, spacing_mm=(1, 1, 1) if isinstance(source, list) else None)


@pytest.mark.parametrize(
    ("folder", "stem"), [("", None), (None, None), ("out", "a\0b"), ("out", 7)]
)
def test_what_can_be_no_name_is_refused(
    spine: BlockSpine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    folder: Any,
    stem: Any,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = segment(spine.image, affine=spine.grid.affine, predictor=oracle_for(spine))

    with pytest.raises(SpineKitError, match="names no file or folder"):
        result.save(folder, stem=stem)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [{"spacing_mm": 4.0}, {"orientation": None}], ids=str)
def test_a_grid_for_slices_is_three_of_each(given: dict[str, Any]) -> None:
    with pytest.raises(SpineKitError):
        SegmentationInference(**given)
