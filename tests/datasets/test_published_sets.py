"""What is particular to each set, on trees in its published layout."""

import json
import shutil
from pathlib import Path

import pytest

from dataset_layouts import LAYOUTS, mask, mha, nifti
from scan_files import Slices, edit_dicom
from spinekit.core.errors import InputError, RecipeError, UsageError
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set
from spinekit.datasets.al_khalil import structure_of
from spinekit.datasets.case import Case
from spinekit.datasets.meaning import usual_name, values_of
from spinekit.datasets.mrspineseg import VALUES as MRSPINESEG
from spinekit.datasets.nnunet import label_names
from spinekit.datasets.registry import find_cases, recognise
from spinekit.datasets.verse import VALUES as VERSE
from spinekit.io.reading import read_scan


def cases_of(name: str, root: Path, **settings: object) -> dict[str, Case]:
    LAYOUTS[name][0](root)
    return {case.name: case for case in find_cases(root, name, settings)}


def test_spider(tmp_path: Path) -> None:
    cases = cases_of("spider", tmp_path)

    assert [(case.subject, case.contrast) for case in cases.values()] == [
        ("1", "T1w"),
        ("1", "T2w"),
        ("2", "T2w"),
        ("2", "T2SPACE"),
    ]
    assert cases["1_t1"].masks[0].scheme == "spider"
    assert cases["1_t1"].facts == {
        "sex": "F",
        "split": "training",
        "vertebrae": "7",
        "discs": "7",
        "manufacturer": "SIEMENS",
    }
    assert cases["2_t2_SPACE"].facts == {}
    (tmp_path / "overview.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="new_file_name"):
        find_cases(tmp_path, "spider")


def test_spider_counts_from_the_lowest() -> None:
    values = values_of("spider")

    assert [values[n] for n in (1, 5, 6, 17, 24)] == ["L5", "L1", "T12", "T1", "C1"]
    assert [values[n] for n in (101, 106)] == ["L5", "T12"]
    assert values[100] == "spinal_canal"
    assert [values[n] for n in (201, 205, 206, 223)] == ["L5-S1", "L1-L2", "T12-L1", "C2-C3"]


def test_al_khalil_has_a_mask_per_structure(tmp_path: Path) -> None:
    cases = cases_of("al-khalil", tmp_path)

    assert {case.subject for case in cases.values()} == {"P01", "P02"}
    assert len(cases["P01_T2"].masks) == 9
    assert len(cases["P02_T2"].masks) == 8
    assert {mask.values[1] for mask in cases["P02_T2"].masks} == {
        "L1", "L2", "L3", "L4", "L1-L2", "L2-L3", "L3-L4", "L4-L5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stem", "structure"),
    [
        ("P01_T2_L1", "L1"),
        ("disc_L4_L5_T2", "L4-L5"),
        ("IVD L3L4", "L3-L4"),
        ("vert_L3_mask", "L3"),
        ("patient3_T1", None),
        ("L5_S1", "L5-S1"),
        ("L5_S", "L5-S1"),
        ("L4-5", "L4-L5"),
        ("L3.4 disc", "L3-L4"),
        ("IVD_L1_2", "L1-L2"),
        ("Vertebra_L3", "L3"),
        ("L4_1", "L4"),
        ("L2_01", "L2"),
    ],
)
def test_a_level_in_a_name_makes_it_a_mask(stem: str, structure: str | None) -> None:
    assert structure_of(stem) == structure


@pytest.mark.parametrize("stem", ["L1_2", "L4 5", "disc_L4", "IVD-L2 T2", "L1_L3", "L45"])
def test_a_name_that_may_be_a_body_or_a_disc_is_no_guess(stem: str, tmp_path: Path) -> None:
    mha(tmp_path / "7" / "T2.mha")
    mha(tmp_path / "7" / f"{stem}.mha", mask(1))

    with pytest.raises(InputError, match=r"may mean a body or a disc \(looked for L4 or L4-L5\)"):
        find_cases(tmp_path, "al-khalil")


def test_al_khalil_in_folders_by_kind_and_by_contrast(tmp_path: Path) -> None:
    mha(tmp_path / "images" / "Patient_01_T2.mha")
    mha(tmp_path / "images" / "Patient_02_T2.mha")
    mha(tmp_path / "masks" / "Patient_01_T2_L1_mask.mha", mask(1))
    mha(tmp_path / "masks" / "Patient_02_vert_L1.mha", mask(1))
    for contrast in ("T1", "T2"):
        mha(tmp_path / "P3" / contrast / "image.mha")
        mha(tmp_path / "P3" / contrast / "discs" / "L1-2.mha", mask(1))

    cases = {case.name: case for case in find_cases(tmp_path, "al-khalil")}

    told = {
        name: (case.subject, case.contrast, [mask.path.name for mask in case.masks])
        for name, case in cases.items()
    }
    assert told == {
        "images_Patient_01_T2": ("Patient_01", "T2w", ["Patient_01_T2_L1_mask.mha"]),
        "images_Patient_02_T2": ("Patient_02", "T2w", ["Patient_02_vert_L1.mha"]),
        "P3_T1_image": ("P3", "T1w", ["L1-2.mha"]),
        "P3_T2_image": ("P3", "T2w", ["L1-2.mha"]),
    }
    assert {mask.values[1] for mask in cases["P3_T1_image"].masks} == {"L1-L2"}


def test_al_khalil_says_what_it_looked_for(tmp_path: Path) -> None:
    mha(tmp_path / "7" / "T2.mha")
    mha(tmp_path / "7" / "vertebra_one.mha", mask(1))
    with pytest.raises(UsageError, match=r"looked for L1 … L5, .* seen: T2.mha, vertebra_one"):
        find_cases(tmp_path, "al-khalil")

    mha(tmp_path / "8" / "L1.mha", mask(1))
    with pytest.raises(InputError, match=r"8/L1.mha: no image of it \(looked for .* patient '8'"):
        find_cases(tmp_path, "al-khalil")


def test_goldatlas_takes_one_patient_and_volumes_and_says_what_it_looked_for(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match=r"looked for \{site\}_\{nn\}_P/\*\.dcm, "):
        find_cases(tmp_path, "goldatlas")

    nifti(tmp_path / "3_01_P" / "MR_T2.nii.gz")
    nifti(tmp_path / "3_01_P" / "bladder.nii.gz", mask(1))
    LAYOUTS["goldatlas"][0](tmp_path)
    alone = find_cases(tmp_path / "1_01_P", "goldatlas")
    (volume,) = [c for c in find_cases(tmp_path, "goldatlas") if c.subject == "3_01_P"]

    assert (volume.name, volume.contrast) == ("3_01_P_MR_T2", "T2w")
    assert {case.subject for case in alone} == {"1_01_P"}
    assert sorted({case.contrast for case in alone}) == ["CT", "T1w", "T2w"]


def test_al_khalil_masks_of_a_contrast_stay_with_it(tmp_path: Path) -> None:
    for contrast in ("T1", "T2"):
        mha(tmp_path / f"9_{contrast}.mha")
        mha(tmp_path / f"9_{contrast}_L1.mha", mask(1))

    first, second = find_cases(tmp_path, "al-khalil")

    assert [len(case.masks) for case in (first, second)] == [1, 1]
    assert first.subject == second.subject == "9"


def test_chu_says_which_levels_its_one_tag_holds(tmp_path: Path) -> None:
    case = cases_of("chu", tmp_path)["chu01"]

    assert (case.masks[0].binary, case.masks[0].values) == (True, {1: "body"})
    assert case.facts["levels"].split() == ["T11", "T12", "L1", "L2", "L3", "L4", "L5"]


def test_myosegmentum_gives_water_and_fat(tmp_path: Path) -> None:
    cases = cases_of("myosegmentum", tmp_path)

    assert {case.contrast for case in cases.values()} == {"water", "fat"}
    assert len({case.subject for case in cases.values()}) == 2
    masks = cases["myosegmentum01_water"].masks
    assert [mask.values[1] for mask in masks] == ["L1", "L2", "L3", "L4", "L5"]
    assert len(find_cases(tmp_path, "myosegmentum", {"images": "water"})) == 2
    with pytest.raises(RecipeError, match="water"):
        find_cases(tmp_path, "myosegmentum", {"images": "T2star"})


def test_mrspineseg_values() -> None:
    assert [MRSPINESEG[n] for n in (1, 2, 6, 7, 10, 11, 16, 19)] == [
        "sacrum", "L5", "L1", "T12", "T9", "L5-S1", "T12-L1", "T9-T10",
    ]  # fmt: skip


def test_verse_values_and_split_scans(tmp_path: Path) -> None:
    cases = cases_of("verse", tmp_path)

    assert [VERSE[n] for n in (1, 7, 8, 19, 20, 25, 28)] == [
        "C1", "C7", "T1", "T12", "L1", "L6", "T13",
    ]  # fmt: skip
    assert cases["sub-verse401_split-verse253"].subject == "sub-verse401"
    assert {case.contrast for case in cases.values()} == {"CT"}


def test_spine_generic_single_is_one_person(tmp_path: Path) -> None:
    cases = cases_of("spine-generic-single", tmp_path)

    assert {case.subject for case in cases.values()} == {"spine-generic-single"}
    kinds = {
        next(iter(mask.values.values())) if mask.binary else mask.scheme
        for mask in cases["sub-douglas_T2w"].masks
    }
    assert kinds == {"spinal_cord", "spinal_canal", "totalspineseg", None}
    assert not any("rootlets" in mask.path.name for c in cases.values() for mask in c.masks)
    assert len(find_cases(tmp_path, "spine-generic-single", {"images": "_T2w"})) == 2


def test_totalspineseg_subjects_of_two_sets_stay_apart(tmp_path: Path) -> None:
    cases = cases_of("totalspineseg", tmp_path)

    assert len({case.subject for case in cases.values()}) == 2
    assert [len(case.masks) for case in cases.values()] == [3, 3]


def test_phantoms_tell_what_was_drawn(tmp_path: Path) -> None:
    case = cases_of("phantom", tmp_path)["phantom00000"]

    assert (case.contrast, case.facts) == ("T2w", {"fov": "lumbar", "anomalies": "L6"})
    assert [mask.scheme for mask in case.masks] == ["spinekit", None]


def test_synthrad_keeps_both_images_of_a_patient_together(tmp_path: Path) -> None:
    cases = cases_of("synthrad2023", tmp_path)

    assert cases["1PA001_mr"].subject == cases["1PA001_ct"].subject
    assert cases["1PA001_mr"].masks == ()


def test_decathlon_lists_name_files_and_structures(tmp_path: Path) -> None:
    cases = cases_of("decathlon", tmp_path)

    assert cases["a_T2"].masks[0].values == {1: "L1", 2: "L1-L2"}
    assert {name: case.facts["split"] for name, case in cases.items()} == {
        "a_T2": "train",
        "b_T2": "train",
        "c_T2": "test",
    }
    lumbar = find_cases(tmp_path, "decathlon", {"values": "lumbar9"})
    assert (lumbar[0].masks[0].scheme, lumbar[0].masks[0].values[9]) == ("lumbar9", "L4-L5")
    (tmp_path / "dataset.json").write_text('{"training": [{"label": "x"}]}')
    with pytest.raises(InputError, match="no file"):
        find_cases(tmp_path, "decathlon")


def test_nnunet_regions_give_a_value_its_smallest_name(tmp_path: Path) -> None:
    cases = cases_of("nnunet", tmp_path)

    assert cases["sub-01_T2w"].masks[0].values == {1: "disc", 2: "L5-S1", 3: "sacrum"}
    assert cases["sub-01_T2w"].image.name == "sub-01_T2w_0000.nii.gz"
    assert (cases["sub-03_T2w"].masks, cases["sub-03_T2w"].facts["split"]) == ((), "test")
    second = find_cases(tmp_path, "nnunet", {"channel": 1})
    assert [case.image.name[-11:-7] for case in second] == ["0001", "0001"]
    with pytest.raises(InputError, match="label 'x'"):
        label_names({"x": "y"})


def test_nnunet_takes_scans_alone_and_counts_patients(tmp_path: Path) -> None:
    for n in (1, 2):
        nifti(tmp_path / "imagesTr" / f"case_000{n}_0000.nii.gz")
        nifti(tmp_path / "labelsTr" / f"case_000{n}.nii.gz", mask(1, 2))
        (tmp_path / "imagesTr" / f"case_000{n}_0000.json").write_text("{}")
        (tmp_path / "imagesTr" / f"._case_000{n}_0000.nii.gz").write_bytes(b"Mac OS X")

    cases = find_cases(tmp_path, "nnunet", {"values": {"1": "L1", "2": "L2"}})

    assert [(case.name, case.subject) for case in cases] == [("case_0001",) * 2, ("case_0002",) * 2]


def test_nnunet_version_1_says_names_by_value(tmp_path: Path) -> None:
    nifti(tmp_path / "imagesTr" / "a_0000.nii.gz")
    nifti(tmp_path / "labelsTr" / "a.nii.gz", mask(1, 2))
    content = {"labels": {"0": "background", "1": "L1", "2": "disc_L1_L2"}, "modality": {"0": "T2"}}
    content["training"] = [{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"}]
    (tmp_path / "dataset.json").write_text(json.dumps(content))

    (case,) = find_cases(tmp_path, recognise(tmp_path))

    assert case.contrast == "T2w"
    assert case.masks[0].values == {1: "L1", 2: "L1-L2"}


def test_a_folder_of_dicom_series_is_an_image(tmp_path: Path) -> None:
    LAYOUTS["goldatlas"][0](tmp_path / "images")
    nifti(tmp_path / "labels" / "2_03_P" / "T1.nii.gz", mask(1))
    settings = {
        "images": "images/{subject}/{contrast}",
        "masks": {"labels/{subject}/{contrast}": "sacrum"},
    }

    cases = {case.name: case for case in find_cases(tmp_path, "folder", settings)}

    assert cases["2_03_P_T1"].image.is_dir()
    assert cases["2_03_P_T1"].subject == "2_03_P"
    assert len(cases["2_03_P_T1"].masks) == 1


def test_goldatlas_tells_series_in_one_folder_apart(tmp_path: Path) -> None:
    cases = cases_of("goldatlas", tmp_path)

    found = {name: (case.subject, case.contrast) for name, case in cases.items()}
    assert found == {
        "1_01_P_T1": ("1_01_P", "T1w"),
        "1_01_P_T2": ("1_01_P", "T2w"),
        "1_01_P_CT": ("1_01_P", "CT"),
        "1_01_P_CT-deformed": ("1_01_P", "CT"),
        "2_03_P_T1": ("2_03_P", "T1w"),
        "2_03_P_T2": ("2_03_P", "T2w"),
    }
    assert len({case.series for case in cases.values()}) == 5
    source = {"root": str(tmp_path), "dataset": "goldatlas", "contrasts": ["T1w", "T2w"]}
    out = tmp_path.with_name("out")
    report = prepare_set(prepare_recipe({"sources": [source]}), out)
    assert report["counts"]["done"] == 4
    assert prepare_set(prepare_recipe({"sources": [source]}), out)["counts"]["skipped"] == 4


def test_goldatlas_series_without_a_uid_and_of_one_description_are_cases_of_their_own(
    tmp_path: Path,
) -> None:
    for number in (2, 3):
        series = Slices(number=number, uid=f"1.2.{number}")
        for path in series.write(tmp_path / "1_01_P", prefix=f"MR{number}").iterdir():
            edit_dicom(path, SeriesDescription="T2 tse")

    alike = find_cases(tmp_path, "goldatlas")

    assert [case.name for case in alike] == ["1_01_P_T2-tse-2", "1_01_P_T2-tse-3"]
    for path in (tmp_path / "1_01_P").iterdir():
        number = path.name[2]
        edit_dicom(path, SeriesInstanceUID="", SeriesDescription=f"T2 tse {number}")
    for case in find_cases(tmp_path, "goldatlas"):
        assert read_scan(case.image, series=case.series).volume.shape == (36, 40, 6)


def test_goldatlas_outlines_are_no_image_and_a_broken_folder_is_one_case(tmp_path: Path) -> None:
    LAYOUTS["goldatlas"][0](tmp_path)
    outlines = tmp_path / "2_03_P" / "RTst"
    outlines.mkdir()
    file = next((tmp_path / "2_03_P" / "T1").iterdir())
    kind = "1.2.840.10008.5.1.4.1.1.481.3"
    shutil.copyfile(file, outlines / "outlines.dcm")
    edit_dicom(outlines / "outlines.dcm", Rows=None, Columns=None, SOPClassUID=kind)
    broken = next((tmp_path / "1_01_P").glob("MR2*"))
    broken.write_bytes(broken.read_bytes()[:200])

    names = [case.name for case in find_cases(tmp_path, "goldatlas")]

    assert names == ["1_01_P", "2_03_P_T1", "2_03_P_T2"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("vertebrae_L1", "L1"),
        ("disc_L5_S", "L5-S1"),
        ("T12/L1", "T12-L1"),
        ("spinal cord", "spinal_cord"),
        ("L3 vertebra", "L3"),
        ("L5-S1 intervertebral disc", "L5-S1"),
        ("Sacrum", "sacrum"),
        ("IVD", "disc"),
        ("S1", "sacrum"),
        ("aorta", "aorta"),
    ],
)
def test_names_of_others_are_recognised(text: str, name: str) -> None:
    assert usual_name(text) == name


def test_meanings_are_values() -> None:
    assert values_of("parts")[7] == "vertebra"
    assert values_of("disc-points")[3] == "C2-C3"
    assert values_of("disc-points")[25] == "L5-S1"
    assert values_of("lumbar9")[6] == "L1-L2"
    assert values_of({"0": "background", "2": "vertebrae_L2"}) == {2: "L2"}
    assert values_of({"L1": 1, "L2": 2}) == {1: "L1", 2: "L2"}
