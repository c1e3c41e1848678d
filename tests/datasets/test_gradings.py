import os
from pathlib import Path

import numpy as np
import pytest

from dataset_layouts import LAYOUTS
from spinekit.anatomy.scheme import load_scheme
from spinekit.core.errors import InputError
from spinekit.datasets.gradings import (
    Grading,
    check_gradings,
    check_numbering,
    disc_of,
    number_discs,
    read_gradings,
)
from spinekit.io.reading import read_labels

REAL = Path(os.environ.get("SPINEKIT_REAL_DATA", "../shared/data/real"))
HEADER = (
    "Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,"
    "Disc narrowing,Disc bulging,Pfirrman grade\n"
)


def table(folder: Path, rows: str) -> Path:
    path = folder / "radiological_gradings.csv"
    path.write_text(HEADER + rows)
    return path


def test_discs_are_counted_from_the_sacrum() -> None:
    assert [disc_of(n) for n in (1, 2, 5, 6, 7)] == [
        "L5-S1",
        "L4-L5",
        "L1-L2",
        "T12-L1",
        "T11-T12",
    ]
    assert disc_of(0) is None


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("L3-L4", "L5-S1"), (3, 1)),
        (("L6-S1", "L4-L5", "T12-L1"), (1, 3, 7)),
        (("L4-S1", "L3-L4", "T11-L1", "T10-T11"), (1, 2, 5, 6)),
        (("T13-L1", "L5-S1"), (6, 1)),
        (("disc_2", "L5-S1", "C2-C3"), (None, 1, 23)),
        (("L3-L4", "L4-L5"), (None, None)),
        (("L6-S1", "L4-S1"), (None, None)),
    ],
)
def test_a_disc_has_its_number_whether_those_below_were_found_or_not(names, numbers) -> None:
    found = number_discs(names)

    assert tuple(found.get(name) for name in names) == numbers
    assert disc_of(99) is None


def test_rows_come_under_the_names_of_discs(tmp_path: Path) -> None:
    LAYOUTS["spider"][0](tmp_path)

    first, second, third = read_gradings(tmp_path)

    assert (first.patient, first.disc, first.above, first.below) == ("1", "L5-S1", "L5", "sacrum")
    assert (first.grades["spondylolisthesis"], first.grades["pfirrmann"]) == (1, 4)
    assert (second.disc, second.above, second.below) == ("L4-L5", "L4", "L5")
    assert (second.grades["modic"], second.grades["upper_endplate"]) == (2, 1)
    assert (third.patient, third.number) == ("2", 1)


def test_numbers_may_be_written_as_fractions_and_fields_be_empty(tmp_path: Path) -> None:
    (row,) = read_gradings(table(tmp_path, "3.0,2.0,,0,0,0,0,0,nan,5.0\n"))

    assert (row.patient, row.disc, row.grades["pfirrmann"]) == ("3", "L4-L5", 5)
    assert "modic" not in row.grades
    assert "bulging" not in row.grades


@pytest.mark.parametrize(
    "rows", ["1,0,0,0,0,0,0,0,0,1\n", "1,40,0,0,0,0,0,0,0,1\n", "1,x,0,0,0,0,0,0,0,1\n",
             "1,1.5,0,0,0,0,0,0,0,1\n", ",1,0,0,0,0,0,0,0,1\n"],
)  # fmt: skip
def test_a_row_without_patient_or_disc_is_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(InputError, match="line 2"):
        read_gradings(table(tmp_path, rows))


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    (tmp_path / "radiological_gradings.csv").write_text("Patient,Disc\n1,2\n")
    with pytest.raises(InputError, match="IVD label"):
        read_gradings(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_gradings(tmp_path / "gone.csv")


def graded(*numbers: int, **grades: int) -> list[Grading]:
    return [Grading("7", n, str(disc_of(n)), "", "", grades) for n in numbers]


def test_a_table_is_checked() -> None:
    assert check_gradings(graded(1, 2, 3, pfirrmann=5, modic=0), {"7": 7}) == []
    assert check_gradings(graded(1, 3), {}) == ["patient 7: not graded: L4-L5"]
    assert check_gradings(graded(1, 2, 2), {}) == ["patient 7: graded twice: L4-L5"]
    assert check_gradings(graded(1, 2, 3), {"7": 2}) == [
        "patient 7: 3 discs graded, 2 marked in masks"
    ]
    assert check_gradings(graded(1, pfirrmann=0), {}) == ["patient 7, L5-S1: pfirrmann is 0"]


def column(values: list[int]) -> np.ndarray:
    """Boxes one above the other, the first lowest; k runs upward."""
    array = np.zeros((3, 4, 4 * len(values)), np.uint8)
    for n, value in enumerate(values):
        array[:, :, 4 * n : 4 * n + 3] = value
    return array


UP = (0.0, 0.0, 1.0)


def test_masks_count_from_the_lowest() -> None:
    assert check_numbering(column([201, 1, 202, 2, 203, 103]), UP, (1, 2, 3)) == []
    assert check_numbering(column([201, 1, 202])[:, :, ::-1], (0.0, 0.0, -1.0), (1, 2)) == []


def test_a_mask_counted_from_the_top_is_found() -> None:
    found = check_numbering(column([203, 3, 202, 2, 201, 1]), UP, (1,))

    assert any("not counted from the lowest" in text for text in found)


def test_vertebrae_below_their_discs_are_found() -> None:
    assert check_numbering(column([1, 201, 2, 202]), UP) == [
        "vertebra 1 below disc 201, vertebra 2 below disc 202: each should be its lower one"
    ]
    assert check_numbering(column([201, 1, 202, 2, 3, 203]), UP) == []


@pytest.mark.skipif(not (REAL / "index.json").exists(), reason="no real scans")
@pytest.mark.parametrize("number", ["005", "065", "127", "141", "241"])
def test_real_masks_in_spiders_values_count_from_the_lowest(number: str) -> None:
    names = read_labels(REAL / "labels" / f"spider{number}_T2SPACE_names.nii.gz")
    known = np.where(names.array > 100, 0, names.array).astype(np.uint8)
    spider = load_scheme("spider").convert(known)[0]
    up = names.grid.affine[2, :3].tolist()

    assert check_numbering(spider, up, range(1, 6)) == []
    upside_down = check_numbering(spider[:, :, ::-1], up)
    assert any("not counted from the lowest" in text for text in upside_down)


def test_a_graded_disc_without_a_mark_is_found() -> None:
    assert check_numbering(column([201, 1]), UP, (1, 2)) == ["L4-L5 is graded and not marked"]
    assert check_numbering(column([0]), UP, (1,)) == ["L5-S1 is graded and not marked"]
