"""Who may be one patient under two names is asked about, with the remedy."""

from pathlib import Path

import numpy as np
import pytest

from curation.sets import recipe_table, save, small_spine, write_set
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.curation.splits import Owner, doubt_patients


def owners(*subjects: str, dataset: str = "scans", **more: object) -> list[Owner]:
    return [Owner(f"{dataset}/{name}", dataset, name, **more) for name in subjects]


@pytest.mark.parametrize(
    "names",
    [
        ("p1_visit1", "p1_visit2", "p2_visit1"),
        ("p1-v1", "p1-v2", "p2"),
        ("mueller_baseline", "mueller_followup", "schmidt_baseline"),
        ("anna_scan_1", "anna_scan_2", "bert"),
        ("p01_1", "p01_2", "p02_1"),
        ("0007.session1", "0007.session2", "0008.session1"),
    ],
)
def test_names_that_differ_in_a_visit_are_asked_about(names) -> None:
    (text,) = doubt_patients(owners(*names))

    assert f"scans: 2 names such as {names[0]} and {names[1]}" in text
    assert "the setting subject" in text


@pytest.mark.parametrize(
    "names",
    [
        ("p1", "p2", "p10"),
        ("case_0001", "case_0002", "case_0003"),
        ("case_1", "case_2", "case_3"),
        ("sub-01", "sub-02"),
        ("site1_1", "site1_2", "site1_3"),
        ("spine_scan1", "spine_scan2"),
        ("p1_visit1", "p2_visit1"),
        (),
    ],
)
def test_names_that_count_patients_are_not(names) -> None:
    assert doubt_patients(owners(*names)) == []


def test_what_a_person_said_or_an_image_showed_is_not_asked_again() -> None:
    names = ("p1_visit1", "p1_visit2", "p2_visit1")

    assert doubt_patients(owners(*names, is_told=True)) == []
    assert doubt_patients([Owner("scans/p1", "scans", name) for name in names[:2]]
                          + owners(names[2])) == []  # fmt: skip


def test_one_name_in_several_sets_is_asked_about_where_these_may_share_patients() -> None:
    own = [*owners("p1", "p2", dataset="T1"), *owners("p2", "p3", dataset="T2")]

    (text,) = doubt_patients(own)

    assert "1 patients such as p2 are in several sets (T1, T2)" in text
    assert 'images = "{contrast}/images/{subject}"' in text
    published = [
        *owners("1", dataset="a", published="spider"),
        *owners("1", dataset="b", published="chu"),
    ]
    assert doubt_patients(published) == []
    same_set_twice = [*published, *owners("1", dataset="c", published="chu")]
    assert "(a, b, c)" in doubt_patients(same_set_twice)[0]


def test_a_report_tells_of_patients_in_two_sources_and_not_of_those_in_one(tmp_path: Path) -> None:
    spine = small_spine()
    for bright, kind in enumerate(("T1", "T2")):
        for n in (1, 2):
            image = np.rint(spine.image + 10 * bright + n).astype(np.int16)
            save(tmp_path / "in" / kind / "images" / f"p{n}.nii.gz", image, spine.grid.affine)
            save(tmp_path / "in" / kind / "labels" / f"p{n}.nii.gz", spine.labels,
                 spine.grid.affine)  # fmt: skip
    sources = [
        {"root": str(tmp_path / "in" / kind), "settings": {"values": "spinekit"}}
        for kind in ("T1", "T2")
    ]

    report = prepare_set(prepare_recipe({"sources": sources}), tmp_path / "apart")

    (text,) = report["doubts"]
    assert "are in several sets (T1, T2)" in text
    assert text in (tmp_path / "apart" / "report.txt").read_text()

    settings = {
        "values": "spinekit",
        "images": "{contrast}/images/{subject}",
        "masks": "{contrast}/labels/{subject}",
    }
    table = {"sources": [{"root": str(tmp_path / "in"), "settings": settings}]}
    report = prepare_set(prepare_recipe(table), tmp_path / "together")

    assert report["doubts"] == []
    assert (report["counts"]["cases"], report["counts"]["patients"]) == (4, 2)
    assert "patients in doubt" not in (tmp_path / "together" / "report.txt").read_text()


def test_an_ordinary_set_leaves_no_doubt(tmp_path: Path) -> None:
    report = prepare_set(
        prepare_recipe(recipe_table(write_set(tmp_path / "in", 2, ("T1w", "T2w")))),
        tmp_path / "out",
    )

    assert report["doubts"] == []
