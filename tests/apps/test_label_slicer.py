"""Masks that come back from 3D Slicer, their segments renamed or drawn anew."""

import itertools
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import NAMES, draw_blocks
from results import codes
from spinekit.anatomy.scheme import LEVELS, VALUES, disc_name, load_scheme
from spinekit.apps.cli import main
from spinekit.io.writing import write_seg_nrrd

SPINE = draw_blocks((4.0, 2.0, 2.0))
cropped = np.where(np.isin(SPINE.labels, [VALUES["sacrum"], VALUES["L5-S1"]]), 0, SPINE.labels)
"""Nothing in it but its names says which level is which."""
UP = {name: LEVELS[LEVELS.index(name) - 1 - (name == "L1")] for name in NAMES}
"""Every vertebra by the name of the one above it; T13 is rare."""


def label(
    folder: Path, array: np.ndarray, segments: dict[int, str], *words: str
) -> tuple[np.ndarray, dict]:
    """The labels and the report that a segmentation of these values and names leads to."""
    rows = [(value, name, (255, 0, 0)) for value, name in segments.items()]
    write_seg_nrrd(folder / "mask.seg.nrrd", array.astype(np.uint8), SPINE.grid, rows)
    mask, out = str(folder / "mask.seg.nrrd"), folder / "out"
    assert main(["label", mask, str(out), "--quiet", *words]) == 0
    report = json.loads((out / "mask_dseg.json").read_text(encoding="utf-8"))
    return np.asarray(nib.load(out / "mask_dseg.nii.gz").dataobj), report


def own_names(array: np.ndarray) -> dict[int, str]:
    """Value → name of a map of ours."""
    known = {value: name for name, value in reversed(VALUES.items())}
    return {value: known[value] for value in np.unique(array).tolist() if value}


def test_segments_renamed_in_slicer_have_their_new_names(tmp_path: Path) -> None:
    named = own_names(cropped)
    bones = {VALUES[name]: UP[name] for name in NAMES}
    discs = {VALUES[disc_name(a, b)]: disc_name(UP[a], UP[b]) for a, b in itertools.pairwise(NAMES)}

    found, report = label(tmp_path, cropped, {**named, **bones, **discs}, "--from", "spinekit")

    for old, new in UP.items():
        assert np.unique(found[cropped == VALUES[old]]).tolist() == [VALUES[new]]
    assert codes(report) == ["sources-disagree"]  # sizes still say the old names


@pytest.mark.parametrize("value", [101, 7])
def test_a_segment_drawn_anew_keeps_its_name_whatever_its_value(tmp_path: Path, value: int) -> None:
    redrawn = np.where(SPINE.labels == VALUES["L3"], value, SPINE.labels)
    named = {**own_names(SPINE.labels), value: "L3"}
    del named[VALUES["L3"]]

    found, report = label(tmp_path, redrawn, named, "--from", "spinekit")

    np.testing.assert_array_equal(found, SPINE.labels)
    assert codes(report) == []


def test_names_are_evidence_for_segments_of_any_value(tmp_path: Path) -> None:
    order = {value: n for n, value in enumerate(own_names(cropped), start=1)}
    numbered = np.zeros_like(cropped)
    for value, n in order.items():
        numbered[cropped == value] = n
    named = {order[value]: name for value, name in own_names(cropped).items()}

    found, report = label(tmp_path, numbered, named, "--as", "instances")

    np.testing.assert_array_equal(found, cropped)
    assert not report["column"]["ambiguous"]
    assert codes(report) == []


def test_names_that_are_none_of_ours_leave_the_values_their_meaning(tmp_path: Path) -> None:
    theirs, _ = load_scheme("totalsegmentator-mr").convert(SPINE.labels)
    named = {v: f"vertebrae_{n}" for n, v in load_scheme("totalsegmentator-mr").values.items()}
    bones = np.isin(SPINE.labels, [VALUES[name] for name in NAMES])

    found, report = label(tmp_path, theirs, named, "--from", "totalsegmentator-mr")

    np.testing.assert_array_equal(found[bones], SPINE.labels[bones])
    assert codes(report) == []


@pytest.mark.parametrize(
    ("text", "said"), [("L4 new", "L4 new (45, taken for L5)"), ("L4", "L4 (")]
)
def test_names_that_contradict_the_values_and_are_not_used_are_told(
    tmp_path: Path, text: str, said: str
) -> None:
    named = {**own_names(SPINE.labels), VALUES["L5"]: text}

    found, report = label(tmp_path, SPINE.labels, named, "--from", "spinekit")

    np.testing.assert_array_equal(found, SPINE.labels)
    (warning,) = report["warnings"]
    assert warning["code"] == "segment-names"
    assert said in warning["text"]


def test_what_only_the_scheme_calls_as_another_is_named_becomes_nameless(tmp_path: Path) -> None:
    named = {VALUES["L4"]: "L5", VALUES["L5"]: "Segment_3"}

    _, report = label(tmp_path, cropped, named, "--from", "spinekit")

    names = report["column"]["outside"][0]["names"]
    assert names.count("L5") == 1
    assert "L4" not in names
