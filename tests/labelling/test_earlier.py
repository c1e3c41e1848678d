"""How much the names of an earlier result count: until they are as sure as they were."""

import json
from pathlib import Path

import numpy as np
import pytest

from results import a_report
from spinekit.anatomy.column import LEVELS
from spinekit.core.errors import InputError
from spinekit.labelling.earlier import digest_beside, names_in, rely_on, rows_beside, temper
from spinekit.labelling.naming import Naming

SAID = np.full((2, len(LEVELS)), 2.0)


def name(said: np.ndarray) -> Naming:
    """L3 and L4, 30 % sure without any word and 10 % more for each unit of it."""
    sure = 0.3 + 0.1 * float(said[0, 0])
    return Naming(("L3", "L4"), (sure, sure), (), False, None, ())


@pytest.mark.parametrize(
    ("was", "share"), [(0.2, 0.0), (0.3, 0.0), (0.4, 0.5), (0.5, 1.0), (0.9, 1.0)]
)
def test_a_word_counts_until_names_are_as_sure_as_they_were(was: float, share: float) -> None:
    found = temper(SAID, ("L3", "L4"), {"L3": was, "L4": was}, name)

    np.testing.assert_allclose(found, share * SAID, atol=0.03)


def test_a_word_counts_as_much_as_keeps_its_names() -> None:
    def name_or_flip(said: np.ndarray) -> Naming:
        names = ("L3", "L4") if said[0, 0] > 1.2 else ("L2", "L3")
        return Naming(names, (0.6, 0.6), (), False, None, ())

    found = temper(SAID, ("L3", "L4"), {"L3": 0.3, "L4": 0.3}, name_or_flip)

    np.testing.assert_allclose(found, 1.2, atol=0.03)
    assert name_or_flip(found).names == ("L3", "L4")


def test_what_was_never_sure_or_is_named_otherwise_counts_in_full() -> None:
    for told, sure in ((("L3", "L4"), {}), (("L2", "L3"), {"L2": 0.1, "L3": 0.1})):
        np.testing.assert_array_equal(temper(SAID, told, sure, name), SAID)


def test_a_table_says_how_far_its_levels_are_to_be_believed() -> None:
    rows = [
        {"name": "L3", "probability": 0.6},
        {"name": "L4", "probability": None},
        {"name": "L3-L4", "probability": 0.2},
        {"name": "vertebra_1", "probability": 0.1},
    ]

    found = rely_on(names_in(rows), np.full(len(LEVELS), 0.85))

    assert {n: p for n, p in zip(LEVELS, found, strict=True) if p != 0.85} == {"L3": 0.6}


def test_rows_beside_labels_are_those_that_the_labels_can_bear(tmp_path: Path) -> None:
    def row(name: str | None, value: int | None) -> dict:
        place = {"centroid_ras_mm": [0.0, 0.0, 0.0], "touches_edge": False, "probability": 0.5}
        return {"name": name, "value": value, "part": "vertebra", **place}

    rows = [row("L3", 43), row("L6", None), row("no name", 5), row(None, 6)]
    (tmp_path / "a_dseg.json").write_text(json.dumps(a_report(structures=rows)))

    assert rows_beside(tmp_path / "a_dseg.nii.gz") == rows[:1]
    assert digest_beside(tmp_path / "a_dseg.nii.gz") is not None


@pytest.mark.parametrize("content", [None, '{"SpatialReference": "orig"}', "[]"])
def test_without_a_report_of_ours_no_row_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "a_dseg.json").write_text(content)

    assert rows_beside(tmp_path / "a_dseg.nii.gz") == []
    assert digest_beside(tmp_path / "a_dseg.nii.gz") is None


@pytest.mark.parametrize("content", ["", '{"spinekit_version": "0.1.0"}'])
def test_a_damaged_report_beside_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "a_dseg.json").write_text(content)

    with pytest.raises(InputError, match=r"a_dseg.json: damaged; segment it again, or move"):
        rows_beside(tmp_path / "a_dseg.nii.gz")
