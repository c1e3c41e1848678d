"""DICOM series: which images are one, also without a UID, or in several folders."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.filereader import read_partial
from pydicom.uid import SecondaryCaptureImageStorage

from scan_files import SERIES_UID, Slices, edit_dicom, refused, rescaled
from spinekit.core.errors import Notice
from spinekit.io import dicom_neighbours
from spinekit.io.dicom import list_series
from spinekit.io.reading import read_scan


@pytest.mark.parametrize("uid", ["", None])
def test_without_a_uid_number_and_description_tell_series(tmp_path: Path, uid: str | None) -> None:
    third, fourth = Slices(number=3, uid="1.2.3"), Slices(number=4, uid="1.2.4", slope=5)
    folder = third.write(tmp_path / "a", prefix="A")
    fourth.write(folder, prefix="B")
    for path in folder.iterdir():
        edit_dicom(path, SeriesInstanceUID=uid)

    assert "2 series: 3 (6 images, T2 sag 3); 4 (6 images, T2 sag 4)" in refused(folder).message
    for wanted in (4, "4", "T2 sag 4"):
        found = read_scan(folder, series=wanted).volume.array
        np.testing.assert_array_equal(found, rescaled(fourth))
    for path in folder.glob("B*"):
        edit_dicom(path, SeriesNumber=3)
    message = refused(folder, series=3).message
    assert "2 series are called 3: 3 (6 images, T2 sag 3), 3 (6 images, T2 sag 4)" in message
    assert read_scan(folder, series="T2 sag 3").volume.shape == (36, 40, 6)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with series 3 and 4."""
    folder = Slices(number=3, uid="1.2.3").write(tmp_path / "two", prefix="A")
    return Slices(number=4, uid="1.2.4", slope=5).write(folder, prefix="B")


def test_a_series_is_chosen_by_a_description_that_no_other_bears(two: Path) -> None:
    for wanted in ("T2 sag 4", "t2  SAG 4"):
        array = read_scan(two, series=wanted).volume.array
        np.testing.assert_array_equal(array, rescaled(Slices(slope=5)))
    error = refused(two, series="T2 sag")
    assert (error.code, error.remedy) == ("no-such-series", "choose one of these by its number")

    for path in two.iterdir():
        edit_dicom(path, SeriesDescription="T2 sag")
    error = refused(two, series="t2 sag")
    assert error.code == "several-series"
    assert "2 series are called t2 sag: 1.2.3, 1.2.4" in error.message


def test_one_series_uid_in_two_studies_is_not_one_series(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for number, path in enumerate(sorted(folder.iterdir())):
        edit_dicom(path, StudyInstanceUID="1.2.9.1" if number < 3 else "1.2.9.2")
    error = refused(folder)
    assert error.code == "several-studies"
    assert "2 studies" in error.message
    assert "folder of its own" in error.remedy
    assert read_scan(folder, force=True).volume.shape == (36, 40, 6)
    edit_dicom(sorted(folder.iterdir())[0], StudyInstanceUID="")
    for path in sorted(folder.iterdir())[1:]:
        edit_dicom(path, StudyInstanceUID="1.2.9.1")
    assert read_scan(folder).volume.shape == (36, 40, 6)


def test_without_any_frame_the_study_tells_series_apart(two: Path) -> None:
    for path in two.iterdir():
        study = "1.2.9.1" if path.name.startswith("A") else "1.2.9.2"
        edit_dicom(path, StudyInstanceUID=study, FrameOfReferenceUID="")
    assert [series.frame for series in list_series(two)] == ["1.2.9.1", "1.2.9.2"]
    edit_dicom(min(two.iterdir()), FrameOfReferenceUID="1.2.7")
    assert [series.frame for series in list_series(two)] == ["1.2.7", ""]


COLOURED = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}
SCREEN = {"SOPClassUID": SecondaryCaptureImageStorage, "ImagePositionPatient": None}


@pytest.mark.parametrize("picture", [COLOURED, SCREEN], ids=["colours", "screen"])
def test_pictures_beside_a_scan_are_left_out_unless_they_are_meant(
    two: Path, picture: dict[str, Any]
) -> None:
    for path in two.glob("A*"):
        edit_dicom(path, **picture)

    np.testing.assert_array_equal(read_scan(two).volume.array, rescaled(Slices(slope=5)))
    code = "colour-image" if picture == COLOURED else "no-geometry"
    assert refused(two, series=3).code == code
    for path in two.glob("B*"):
        path.unlink()
    assert refused(two).code == code


def test_a_secondary_capture_with_a_place_is_a_scan(two: Path) -> None:
    for path in two.glob("A*"):
        edit_dicom(path, SOPClassUID=SecondaryCaptureImageStorage)

    assert "2 series" in refused(two).message


@pytest.mark.parametrize("number", [None, 4])
def test_a_series_without_uid_number_and_description_is_chosen_by_an_empty_text(
    tmp_path: Path, number: int | None
) -> None:
    nameless, named = Slices(uid="1.2.3"), Slices(uid="1.2.4", slope=5)
    folder = nameless.write(tmp_path / "a", prefix="A")
    named.write(folder, prefix="B")
    for path in folder.iterdir():
        first = path.name[0] == "A"
        told = "" if first or number else "x"
        own = None if first else number
        edit_dicom(path, SeriesInstanceUID=None, SeriesNumber=own, SeriesDescription=told)

    for series, wanted in ((nameless, ""), (named, number or "x")):
        found = read_scan(folder, series=wanted).volume.array
        np.testing.assert_array_equal(found, rescaled(series))


def test_a_series_without_description_is_called_so_in_errors(tmp_path: Path) -> None:
    folder = Slices(uid="1.2.3").write(tmp_path / "a", prefix="A")
    Slices(uid="1.2.4").write(folder, prefix="B")
    for path in folder.iterdir():
        told = "" if path.name[0] == "A" else "x"
        edit_dicom(path, SeriesInstanceUID=None, SeriesDescription=told)

    message = refused(folder, series=3).message
    assert "2 series are called 3: 3 (6 images), 3 (6 images, x)" in message
    Slices(uid="1.2.5").write(tmp_path / "b")
    assert "no series without description;" in refused(tmp_path / "b", series="").message


def split_notices(folder: Path) -> list[Notice]:
    return [notice for notice in read_scan(folder).notices if notice.code == "series-split"]


@pytest.mark.parametrize(("one", "other"), [("S1", "S2"), ("", "more"), ("more", "")])
def test_a_series_in_two_folders_is_told_in_both(tmp_path: Path, one: str, other: str) -> None:
    folder = tmp_path / "study"
    Slices().write(folder / one, [0, 1, 2])
    Slices().write(folder / other, [3, 4, 5])

    for here, there in ((one, other), (other, one)):
        (notice,) = split_notices(folder / here)
        named = [(folder / name).name for name in (there, here)]
        assert f"{named[0]} holds other images of it than {named[1]} does" in notice.text
        assert "into one folder" in notice.text


def test_a_series_that_ends_where_a_folder_was_full_is_told(tmp_path: Path) -> None:
    first, second = Slices(number=1, uid="1.2.3.4"), Slices(number=2, uid="1.2.3.5")
    first.write(tmp_path / "0", prefix="A")
    second.write(tmp_path / "0", [0, 1, 2], prefix="B")
    second.write(tmp_path / "1", [3, 4, 5], prefix="A")

    assert "0 holds other images of it than 1 does" in split_notices(tmp_path / "1")[0].text


def test_a_series_in_two_folders_is_told_where_its_images_state_no_uid(tmp_path: Path) -> None:
    for name, indices in (("a", [0, 1, 2]), ("b", [3, 4, 5])):
        for path in Slices().write(tmp_path / name, indices).iterdir():
            edit_dicom(path, SOPInstanceUID="")

    assert [len(split_notices(tmp_path / name)) for name in "ab"] == [1, 1]


@pytest.mark.parametrize("study", ["1.2.7", ""])
def test_a_series_in_two_folders_is_told_within_one_study(tmp_path: Path, study: str) -> None:
    Slices(tags={"StudyInstanceUID": "1.2.7"}).write(tmp_path / "a", [0, 1, 2])
    Slices(tags={"StudyInstanceUID": study}).write(tmp_path / "b", [3, 4, 5])

    assert [len(split_notices(tmp_path / name)) for name in "ab"] == [1, 1]


def test_patients_whose_series_an_anonymiser_gave_one_uid_are_no_parts(tmp_path: Path) -> None:
    for name, study, indices in (("a", "1.2.7", [0, 1, 2]), ("b", "1.2.8", [3, 4, 5])):
        Slices(tags={"StudyInstanceUID": study}).write(tmp_path / name, indices)

    assert [split_notices(tmp_path / name) for name in "ab"] == [[], []]


def test_another_volume_of_a_series_in_a_folder_of_its_own_is_no_part(tmp_path: Path) -> None:
    Slices().write(tmp_path / "magnitude")
    for path in Slices().write(tmp_path / "phase").iterdir():
        uid = f"{pydicom.dcmread(path).SOPInstanceUID}.9"
        edit_dicom(path, SOPInstanceUID=uid, ImageType=["ORIGINAL", "PRIMARY", "P"])
    for name, uid in (("enhanced", "1.2.98"), ("fat", "1.2.99")):
        image = Slices().enhanced([0, 1, 2])
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
        (tmp_path / name).mkdir()
        image.save_as(tmp_path / name / "a.dcm", enforce_file_format=True)

    assert split_notices(tmp_path / "magnitude") == split_notices(tmp_path / "phase") == []
    shutil.rmtree(tmp_path / "magnitude")
    shutil.rmtree(tmp_path / "phase")
    assert split_notices(tmp_path / "enhanced") == split_notices(tmp_path / "fat") == []


def test_of_what_lies_near_each_folder_only_the_beginnings_of_headers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[pydicom.Dataset] = []

    def read(*args: Any, **options: Any) -> pydicom.Dataset:
        asked.append(read_partial(*args, **options))
        return asked[-1]

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Slices().enhanced(list(range(6))).save_as(
            tmp_path / name / "a.dcm", enforce_file_format=True
        )
    monkeypatch.setattr(dicom_neighbours, "read_partial", read)

    assert split_notices(tmp_path / "a") == []
    (header,) = asked
    assert header.SeriesInstanceUID == SERIES_UID
    assert (header.Rows, header.Columns) == (40, 36)
    assert "PerFrameFunctionalGroupsSequence" not in header
    assert "PatientName" not in header


def test_copies_and_other_series_nearby_are_no_parts(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    shutil.copytree(folder, tmp_path / "copy")
    Slices(uid="1.2.3.4").write(tmp_path / "other")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "a.dcm").write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    for name in ("b1", "b2"):
        for path in Slices().write(tmp_path / name, [0] if name == "b1" else [1]).iterdir():
            edit_dicom(path, SeriesInstanceUID="")

    for name in ("a", "copy", "other", "link", "b1", "b2"):
        assert split_notices(tmp_path / name) == []
