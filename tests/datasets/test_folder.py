import json
import os
from pathlib import Path

import pytest

from dataset_trees import touch
from results import a_report
from spinekit.apps.cli import main
from spinekit.core.errors import InputError, RecipeError, UsageError
from spinekit.datasets.naming import contrast_of, subject_of
from spinekit.datasets.registry import find_cases, recognise

REAL = Path(os.environ.get("SPINEKIT_REAL_DATA", "../shared/data/real"))


def test_images_and_masks_of_the_same_name_need_no_setting(tmp_path: Path) -> None:
    touch(tmp_path, "images/a_T2w.nii.gz", "images/b_T1w.mha", "labels/a_T2w.nii.gz")

    first, second = find_cases(tmp_path, "folder")

    assert recognise(tmp_path) == "folder"
    assert (first.name, first.subject, first.contrast) == ("a_T2w", "a", "T2w")
    assert [mask.path.name for mask in first.masks] == ["a_T2w.nii.gz"]
    assert (second.contrast, second.masks) == ("T1w", ())


def test_a_mask_goes_to_the_image_whose_name_it_bears_longest(tmp_path: Path) -> None:
    touch(tmp_path, "images/p1.nii", "images/p1_T1.nii", "labels/p1_discs.nii")
    touch(tmp_path, "labels/p1_T1_discs.nii", "labels/p1_T1.nii")

    short, long = find_cases(tmp_path, "folder")

    assert [mask.path.name for mask in short.masks] == ["p1_discs.nii"]
    assert [mask.path.name for mask in long.masks] == ["p1_T1.nii", "p1_T1_discs.nii"]


RESULT = ("parts", "levels", "image", "cord_soft", "canal_soft")
"""What `segment` writes beside `_dseg`."""


def test_of_a_result_the_label_map_alone_is_a_mask(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/a_dseg.nii.gz", "labels/a_mine.nii.gz")
    touch(tmp_path, *(f"labels/a_{kind}.nii.gz" for kind in RESULT))
    touch(tmp_path, "images/b.nii.gz", "labels/b_dseg.nii.gz", "labels/b_parts.nii.gz")
    (tmp_path / "labels" / "a_dseg.json").write_text(json.dumps(a_report()), encoding="utf-8")

    case, own = find_cases(tmp_path, "folder", {"values": "spinekit"})
    assert [mask.path.name for mask in case.masks] == ["a_dseg.nii.gz", "a_mine.nii.gz"]
    assert [mask.path.name for mask in own.masks] == ["b_dseg.nii.gz", "b_parts.nii.gz"]

    case, _ = find_cases(tmp_path, "folder", {"masks": {"dseg": "spinekit", "parts": "parts"}})
    assert [mask.path.name for mask in case.masks] == ["a_dseg.nii.gz", "a_parts.nii.gz"]


def test_without_a_label_map_files_called_like_a_result_are_masks(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii.gz", "images/b.nii.gz", "labels/b_dseg.nii.gz")
    touch(tmp_path, *(f"labels/a_{kind}.nii.gz" for kind in RESULT))

    first, second = find_cases(tmp_path, "folder")

    assert [len(case.masks) for case in (first, second)] == [len(RESULT), 1]


def test_patterns_say_where_and_what_masks_are(tmp_path: Path) -> None:
    touch(tmp_path, "p7/t2.nii.gz", "p7/t1.nii.gz", "p7/L1.nii.gz", "p7/all.nii.gz")
    settings = {
        "images": "{subject}/{contrast}.nii.gz",
        "masks": {"{subject}/L1.nii.gz": "L1", "{subject}/all": {"1": "L1", "2": "L2"}},
    }

    first, second = find_cases(tmp_path, "folder", settings)

    assert (first.name, second.name, second.subject) == ("p7_t1", "p7_t2", "p7")
    assert first.masks == second.masks
    assert [(mask.binary, mask.values) for mask in first.masks] == [
        (True, {1: "L1"}),
        (False, {1: "L1", 2: "L2"}),
    ]


def test_a_table_tells_what_names_do_not(tmp_path: Path) -> None:
    touch(tmp_path, "images/x1.nii", "images/x2.nii")
    (tmp_path / "t.csv").write_text("name,subject,contrast,sex,birthday\nx1,p,T1w,F,1.1.1950\n")

    first, second = find_cases(tmp_path, "folder", {"table": "t.csv"})

    assert (first.subject, first.contrast, first.facts) == ("p", "T1w", {"sex": "F"})
    assert second.subject == "x2"


@pytest.mark.parametrize(
    ("table", "content"),
    [
        ("t.json", '[{"name": "x1", "subject": 7}, {"name": "x2", "subject": 7}]'),
        ("t.csv", "name,subject\nx1.nii,7\nimages/x2.nii,7\n"),
    ],
)
def test_a_table_may_number_patients_and_name_files(
    tmp_path: Path, table: str, content: str
) -> None:
    touch(tmp_path, "images/x1.nii", "images/x2.nii")
    (tmp_path / table).write_text(content)

    assert [case.subject for case in find_cases(tmp_path, "folder", {"table": table})] == ["7"] * 2


def test_a_table_of_other_images_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "images/x1.nii")
    (tmp_path / "t.csv").write_text("name,subject\ny1,p\n")

    with pytest.raises(InputError, match="none of its rows is of an image, such as x1"):
        find_cases(tmp_path, "folder", {"table": "t.csv"})


def test_scans_that_are_counted_are_no_channels_of_one_patient(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/case_{n:04d}.nii" for n in range(12)))

    assert len({case.subject for case in find_cases(tmp_path, "folder")}) == 12


def test_channels_in_files_of_their_own_are_of_one_patient(tmp_path: Path) -> None:
    touch(tmp_path, *(f"images/p{n}_000{channel}.nii" for n in (1, 2) for channel in range(3)))

    assert [case.subject for case in find_cases(tmp_path, "folder")] == ["p1"] * 3 + ["p2"] * 3


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"imges": "a"}, "unknown-setting"),
        ({"images": "{what}"}, "bad-pattern"),
        ({"values": "klingon"}, "unknown-meaning"),
        ({"values": {"1": "L1", "L2": "L3"}}, "bad-values"),
        ({"subject": "^q"}, "no-subject"),
        ({"subject": "("}, "bad-pattern"),
        ({"subject": 3}, "bad-pattern"),
        ({"masks": 3}, "bad-pattern"),
    ],
)
def test_a_senseless_setting_is_refused(tmp_path: Path, settings: dict, code: str) -> None:
    touch(tmp_path, "images/a.nii", "labels/a.nii")

    with pytest.raises(RecipeError) as caught:
        find_cases(tmp_path, "folder", settings)

    assert caught.value.code == code


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "images/a/t2.nii", "images/b/t2.nii")

    with pytest.raises(InputError, match="another image is called t2"):
        find_cases(tmp_path, "folder", {"images": "images/*/{name}"})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("images/a.nii", "images/a.nii.gz"),
        ("images/a.mha", "images/a.nii.gz"),
        ("labels/a.mha", "labels/a.nii.gz"),
        ("labels/a.nii.gz", "labels/a.seg.nrrd"),
        ("labels/a_discs.nii", "labels/a_discs.nii.gz"),
    ],
)
def test_two_files_of_one_name_are_refused(tmp_path: Path, first: str, second: str) -> None:
    touch(tmp_path, "images/a.nii.gz", "labels/a.nii.gz", first, second)

    with pytest.raises(InputError, match="have the same name") as caught:
        find_cases(tmp_path, "folder")

    assert caught.value.code == "same-name"
    assert str(tmp_path / first) in caught.value.message
    assert str(tmp_path / second) in caught.value.message
    assert caught.value.remedy


def test_files_of_one_name_that_are_not_looked_for_matter_not(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.nii", "labels/a.nii", "other/a.nii", "other/a.mha")

    assert len(find_cases(tmp_path, "folder")) == 1


def test_links_to_folders_are_followed(tmp_path: Path) -> None:
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "set"
    touch(elsewhere, "t2/a.nii.gz", "t2/b.nii.gz", "seg/a.nii.gz")
    root.mkdir()
    (root / "images").symlink_to(elsewhere / "t2")
    (root / "labels").symlink_to(elsewhere / "seg")
    (root / "back").symlink_to(tmp_path)

    first, second = find_cases(root, "folder")

    assert recognise(root) == "folder"
    assert (first.image, second.name) == (root / "images" / "a.nii.gz", "b")
    assert [mask.path for mask in first.masks] == [root / "labels" / "a.nii.gz"]


def test_a_folder_without_cases_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no case"):
        find_cases(tmp_path, "folder")
    with pytest.raises(UsageError, match="no such folder"):
        find_cases(tmp_path / "gone", "folder")
    with pytest.raises(UsageError, match="no dataset"):
        find_cases(tmp_path, "ballet")
    assert recognise(tmp_path) is None


@pytest.mark.parametrize(
    ("name", "subject", "contrast"),
    [
        ("chu02_T2w", "chu02", "T2w"),
        ("spider005_T2SPACE", "spider005", "T2SPACE"),
        ("sub-amu01_T1w", "sub-amu01", "T1w"),
        ("case3_t2_tse_image", "case3", "T2w"),
        ("myosegmentum01_water", "myosegmentum01", "water"),
        ("case_00001", "case_00001", None),
        ("case_0012", "case_0012", None),
        ("liver_7_0000", "liver_7", None),
        ("T2w", "T2w", "T2w"),
    ],
)
def test_names_tell_patient_and_contrast(name: str, subject: str, contrast: str | None) -> None:
    assert subject_of(name) == subject
    assert contrast_of(name) == contrast


@pytest.mark.skipif(not (REAL / "index.json").exists(), reason="no real scans")
def test_real_scans_are_one_line_of_configuration() -> None:
    line = {
        "table": "index.json",
        "masks": {"bodies": "spinekit", "discs": "spinekit", "names": "spinekit", "parts": "parts"},
    }

    cases = find_cases(REAL, "folder", line)

    assert len(cases) == 89
    assert {case.dataset for case in cases} >= {"chu", "myosegmentum", "ivd", "spider"}
    assert len({case.subject for case in cases}) == 89
    spider = next(case for case in cases if case.name == "spider005_T2SPACE")
    assert [mask.values.get(7) for mask in spider.masks] == [None, "vertebra"]


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["prepare", "IN", "OUT", "--values", "spider"], "--dataset folder"),
        (["doctor", "IN", "--out", "OUT", "--set", "values=spider"], "--dataset folder"),
        (["show", "auto", "IN", "--set", "values=spider"], "folder in place of auto"),
    ],
)
def test_a_set_that_was_recognised_says_so_and_how_to_name_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], remedy: str
) -> None:
    touch(tmp_path, "in/images/phantom00001.nii.gz")
    places = {"IN": str(tmp_path / "in"), "OUT": str(tmp_path / "out")}

    assert main(["data", *(places.get(word, word) for word in words)]) == 1

    text = capsys.readouterr().err
    assert "phantom, as which the folder was recognised, has no setting 'values'" in text
    assert text.rstrip().endswith(f"to take the folder for another: {remedy}")


def test_a_set_that_was_named_is_not_called_recognised(tmp_path: Path) -> None:
    touch(tmp_path, "images/phantom00001.nii.gz")

    text = r"^phantom has no setting 'values'; leave it out; its settings: none$"
    with pytest.raises(RecipeError, match=text):
        find_cases(tmp_path, "phantom", {"values": "spider"})
