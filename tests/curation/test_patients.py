"""Who may be one patient under two names is asked about, with the remedy."""

import json
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


VISITS = ("p1_v1", "p1_v2", "p2_v1")


def write_visits(root: Path, names: tuple[str, ...] = VISITS, ending: str = "") -> Path:
    """A folder in the layout of nnU-Net, which is also one of one's own."""
    spine = small_spine()
    for bright, name in enumerate(names):
        image = np.rint(spine.image + bright).astype(np.int16)
        save(root / "imagesTr" / f"{name}{ending}.nii.gz", image, spine.grid.affine)
        save(root / "labelsTr" / f"{name}.nii.gz", spine.labels, spine.grid.affine)
    return root


def prepare(root: Path, dataset: str, **settings: object) -> dict:
    table = {"root": str(root), "dataset": dataset, "settings": {"values": "spinekit", **settings}}
    return prepare_set(prepare_recipe({"sources": [table]}), root.parent / f"{root.name}-out")


@pytest.mark.parametrize(
    ("rows", "is_asked"),
    [
        ("name,subject\np1_v1,p1_v1\np1_v2,p1_v2\np2_v1,p2_v1\n", False),
        ("name,sex\np1_v1,F\n", True),
        ("name,subject\np1_v1,\np1_v2,\np2_v1,p2_v1\n", True),
    ],
)
def test_a_table_that_tells_patients_is_believed(tmp_path: Path, rows: str, is_asked: bool) -> None:
    root = write_visits(tmp_path / "in")
    (root / "list.csv").write_text(rows)

    assert bool(prepare(root, "folder", table="list.csv")["doubts"]) is is_asked


def test_a_layout_without_the_setting_is_told_a_remedy_that_helps(tmp_path: Path) -> None:
    (text,) = prepare(write_visits(tmp_path / "in", ending="_0000"), "nnunet")["doubts"]

    assert "--subject" not in text
    assert "sub-p1_v1 and sub-p1_v2 are of one" in text
    renamed = tuple(f"sub-{name}" for name in VISITS)
    report = prepare(write_visits(tmp_path / "named", renamed, "_0000"), "nnunet")
    assert report["doubts"] == []
    assert report["counts"]["patients"] == 2


def test_a_list_of_a_layout_that_tells_patients_is_believed(tmp_path: Path) -> None:
    root = write_visits(tmp_path / "in", ("a", "b", "c"))
    rows = [
        {"image": f"imagesTr/{n}.nii.gz", "label": f"labelsTr/{n}.nii.gz", "subject": visit}
        for n, visit in zip("abc", VISITS, strict=True)
    ]
    (root / "dataset.json").write_text(json.dumps({"training": rows}))

    assert prepare(root, "decathlon")["doubts"] == []


def test_a_published_set_without_the_setting_may_be_read_as_a_folder() -> None:
    (text,) = doubt_patients(owners(*VISITS, published="chu", has_setting=False))

    assert 'dataset = "folder"' in text
    assert "--subject" not in text
