"""DICOM in: any order of files, single and multi-frame, several series, damaged files."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless, SegmentationStorage

from scan_files import SERIES_UID, Slices, edit_dicom, refused, rescaled
from spinekit.core.errors import InputError, UsageError
from spinekit.io.dicom import list_series
from spinekit.io.reading import read_scan
from spinekit.io.writing import write_labels


def test_slices_are_sorted_along_the_normal_and_rescaled(tmp_path: Path) -> None:
    slices = Slices()
    scan = read_scan(slices.write(tmp_path / "study"))
    np.testing.assert_array_equal(scan.volume.array, rescaled(slices))
    assert slices.normal.tolist() == [-1, 0, 0]
    assert scan.volume.grid.orientation == "PIR"
    assert scan.volume.spacing_mm == pytest.approx((0.75, 0.5, 4))
    assert (scan.stem, scan.header.shape, scan.notices) == ("study", (36, 40, 6), ())
    assert scan.source["file"] == "study"


def test_each_voxel_lies_where_its_header_says(tmp_path: Path) -> None:
    slices = Slices(orientation=(0.1, 0.99, 0.0995, 0.0, 0.1, -0.995), gap_mm=3.3)
    row = np.array(slices.orientation[:3]) / np.linalg.norm(slices.orientation[:3])
    column = np.array(slices.orientation[3:]) / np.linalg.norm(slices.orientation[3:])
    column -= row * (row @ column)
    column /= np.linalg.norm(column)
    slices.orientation = (*row, *column)
    scan = read_scan(slices.write(tmp_path / "a"))
    for i, j, k in [(0, 0, 0), (35, 0, 2), (0, 39, 5), (12, 17, 3)]:
        lps = np.array(slices.position(k)) + i * 0.75 * row + j * 0.5 * column
        np.testing.assert_allclose(
            scan.volume.grid.ijk_to_ras([(i, j, k)])[0], lps * [-1, -1, 1], atol=1e-4
        )


def test_reversed_instances_and_origins_make_no_difference(tmp_path: Path) -> None:
    one = read_scan(Slices().write(tmp_path / "a"))
    for index, path in enumerate(sorted((tmp_path / "a").iterdir())):
        edit_dicom(path, InstanceNumber=100 - index)
        path.rename(path.with_name(f"{99 - index}.ima"))
    other = read_scan(tmp_path / "a")
    np.testing.assert_array_equal(one.volume.array, other.volume.array)
    assert one.volume.grid == other.volume.grid


def test_enhanced_multi_frame_equals_single_frames(tmp_path: Path) -> None:
    slices = Slices()
    single = read_scan(slices.write(tmp_path / "single"))
    (tmp_path / "multi").mkdir()
    image = slices.enhanced([3, 0, 5, 1, 4, 2])
    image.save_as(tmp_path / "multi" / "a.dcm", enforce_file_format=True)
    for path in (tmp_path / "multi", tmp_path / "multi" / "a.dcm"):
        multi = read_scan(path)
        np.testing.assert_array_equal(multi.volume.array, single.volume.array)
        assert multi.volume.grid.is_close(single.volume.grid)
    assert multi.stem == "a"


def test_rle_compression_is_read(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    for path in folder.iterdir():
        image = pydicom.dcmread(path)
        image.compress(RLELossless)
        image.save_as(path)
    np.testing.assert_array_equal(read_scan(folder).volume.array, rescaled(slices))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("signed", [0, 1])
def test_low_values_that_are_bright_are_turned(
    tmp_path: Path, signed: int, compressed: bool
) -> None:
    slices = Slices()
    tags = {"PhotometricInterpretation": "MONOCHROME1", "PixelRepresentation": signed}
    tags |= {"BitsStored": 12, "HighBit": 11}
    mirrored = (-1 if signed else 4095) - slices.volume
    folder = Slices(mirrored.astype(np.int16), tags=tags).write(tmp_path / "a")
    for path in folder.iterdir() if compressed else ():
        image = pydicom.dcmread(path)
        image.compress(RLELossless)
        image.save_as(path)

    found = read_scan(folder).volume.array

    np.testing.assert_allclose(found, rescaled(slices), atol=1e-3)


def test_files_without_extension_and_others_beside_them(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for path in folder.iterdir():
        path.rename(path.with_suffix(""))
    (folder / "notes.txt").write_text("no DICOM")
    (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (folder / ".hidden").write_bytes(bytes(128) + b"DICM")
    assert read_scan(folder).volume.shape == (36, 40, 6)


def test_a_slice_given_twice_counts_once(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    slices.write(folder, [2], prefix="COPY")
    assert read_scan(folder).notices == ()


def test_slices_that_share_one_uid_all_count(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    for path in folder.iterdir():
        edit_dicom(path, SOPInstanceUID="1.2.3")

    np.testing.assert_array_equal(read_scan(folder).volume.array, rescaled(slices))


def test_several_series_are_listed_and_chosen(tmp_path: Path) -> None:
    first, second = Slices(number=3), Slices(number=12, uid="1.2.3.4", slope=5)
    folder = first.write(tmp_path / "a", prefix="A")
    second.write(folder, prefix="B")
    error = refused(folder)
    assert isinstance(error, UsageError)
    assert (error.code, error.exit_code) == ("several-series", 2)
    assert "3 (6 images, T2 sag 3); 12 (6 images, T2 sag 12)" in error.message
    assert "--series" in error.remedy
    assert [series.number for series in list_series(folder)] == ["3", "12"]
    for wanted in (12, "12", "1.2.3.4", ".3.4"):
        scan = read_scan(folder, series=wanted)
        np.testing.assert_array_equal(scan.volume.array, rescaled(second))
    missing = refused(folder, series="7")
    assert (missing.code, missing.exit_code) == ("no-such-series", 2)
    edits = [path for path in folder.iterdir() if path.name[0] == "B"]
    for path in edits:
        edit_dicom(path, SeriesNumber=3)
    error = refused(folder, series=3)
    assert SERIES_UID in error.message
    assert "1.2.3.4" in error.message


@pytest.fixture
def third_and_fourth(tmp_path: Path) -> tuple[Path, Slices, Slices]:
    """A folder with series 3, and series 4 whose UID ends in a 3."""
    third = Slices(number=3, uid="1.2.3.9.12.8.10")
    fourth = Slices(number=4, uid="1.2.3.9.12.714.3", slope=5)
    folder = third.write(tmp_path / "a", prefix="A")
    return fourth.write(folder, prefix="B"), third, fourth


def test_a_series_number_is_not_taken_for_the_end_of_a_uid(
    third_and_fourth: tuple[Path, Slices, Slices],
) -> None:
    folder, third, _ = third_and_fourth
    for wanted in ("3", 3):
        found = read_scan(folder, series=wanted).volume.array
        np.testing.assert_array_equal(found, rescaled(third))
    for path in folder.glob("A*"):
        edit_dicom(path, SeriesNumber=5)
    for wanted in ("3", ".3", "10", "14.3"):
        assert refused(folder, series=wanted).code == "no-such-series"


@pytest.mark.parametrize("wanted", ["714.3", ".714.3", "12.714.3", "2.714.3", "1.2.3.9.12.714.3"])
def test_a_series_is_chosen_by_the_end_of_its_uid(
    third_and_fourth: tuple[Path, Slices, Slices], wanted: str
) -> None:
    folder, _, fourth = third_and_fourth
    found = read_scan(folder, series=wanted).volume.array
    np.testing.assert_array_equal(found, rescaled(fourth))


def test_checksum_depends_on_content_not_on_names(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    before = read_scan(folder).source["sha256"]
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{50 - index}.dcm")
    assert read_scan(folder).source["sha256"] == before
    edit_dicom(folder / "50.dcm", RescaleSlope=7)
    assert read_scan(folder).source["sha256"] != before


def test_one_slice_is_a_scan_as_thick_as_it_says(tmp_path: Path) -> None:
    scan = read_scan(Slices().write(tmp_path / "a", [2]))
    assert scan.volume.shape == (36, 40, 1)
    assert scan.volume.spacing_mm[2] == pytest.approx(3.5)


def test_a_slice_of_a_series_is_told_from_a_scan_of_one_slice(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for name in ("IM1", "IM2"):
        Slices(tags={"SeriesInstanceUID": f"1.2.{name[-1]}"}).write(
            tmp_path / "b", [0], prefix=name
        )
    single, others = (sorted(path.iterdir()) for path in (folder, tmp_path / "b"))
    assert [notice.code for notice in read_scan(single[1]).notices] == ["single-slice"]
    assert [notice.code for path in others for notice in read_scan(path).notices] == []


def test_other_modalities_are_told(tmp_path: Path) -> None:
    scan = read_scan(Slices(tags={"Modality": "CT"}).write(tmp_path / "a"))
    assert [(n.code, "CT" in n.text) for n in scan.notices] == [("not-mri", True)]


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"ImagePositionPatient": None}, "no-geometry"),
        ({"ImageOrientationPatient": None}, "no-geometry"),
        ({"PixelSpacing": None}, "no-geometry"),
        ({"PixelSpacing": [0, 0.5]}, "zero-spacing"),
        ({"SamplesPerPixel": 3}, "colour-image"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "colour-image"),
        ({"Rows": None}, "file-damaged"),
        ({"PixelData": b"\0" * 8}, "file-damaged"),
    ],
)
def test_one_bad_file_is_named(tmp_path: Path, values: dict, code: str) -> None:
    folder = Slices().write(tmp_path / "a")
    edit_dicom(folder / "IM021.dcm", **values)
    error = refused(folder)
    assert (error.code, error.exit_code) == (code, 1)
    assert "IM021.dcm" in error.message


def test_a_file_cut_off_is_named(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    path = folder / "IM014.dcm"
    path.write_bytes(path.read_bytes()[:-500])
    error = refused(folder)
    assert error.code == "file-damaged"
    assert "IM014.dcm" in error.message


def test_with_force_what_cannot_be_read_counts_as_missing(tmp_path: Path) -> None:
    whole = read_scan(Slices().write(tmp_path / "a")).volume
    folder = Slices().write(tmp_path / "b")
    cut = folder / "IM021.dcm"
    cut.write_bytes(cut.read_bytes()[:-200])
    capture = Slices().single(0)
    del capture.ImagePositionPatient
    capture.SOPInstanceUID += ".9"
    capture.save_as(folder / "capture.dcm", enforce_file_format=True)
    assert refused(folder).code in ("file-damaged", "no-geometry")

    scan = read_scan(folder, force=True)

    assert scan.volume.shape == whole.shape
    (told,) = [notice.text for notice in scan.notices if notice.code == "files-unread"]
    assert "IM021.dcm" in told
    assert "capture.dcm" in told
    kept = [k for k in range(whole.shape[2]) if k != 3]
    np.testing.assert_allclose(scan.volume.array[..., kept], whole.array[..., kept])


def test_objects_that_are_no_image_are_passed_over(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    report = Slices().single(0)
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(report, keyword)
    report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"  # basic text report
    report.SOPInstanceUID = "5.5"
    report.save_as(folder / "report.dcm", enforce_file_format=True)
    assert read_scan(folder).volume.shape == (36, 40, 6)


def test_a_segmentation_beside_its_series_is_no_second_series(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    mask = Slices(uid="1.2.3.4", number=9).single(0)
    mask.SOPClassUID = mask.file_meta.MediaStorageSOPClassUID = SegmentationStorage
    mask.save_as(folder / "mask.dcm", enforce_file_format=True)
    own = Slices(uid="1.2.3.5", number=10).write(tmp_path / "private", [0])
    for path in own.iterdir():
        edit_dicom(path, SOPClassUID="1.3.46.670589.11.0.0.12.1")

    assert [series.number for series in list_series(folder)] == ["3"]
    assert read_scan(folder).volume.shape[2] == 6
    assert [series.number for series in list_series(own)] == ["10"]


def test_too_many_voxels_are_refused_before_any_pixel_is_read(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for path in folder.iterdir():
        edit_dicom(path, Rows=30000, Columns=30000)
    assert refused(folder).code == "too-large"


def test_results_of_a_series_lie_on_it(tmp_path: Path) -> None:
    scan = read_scan(Slices().write(tmp_path / "a"))
    labels = (scan.volume.array > 500).astype(np.uint8)
    write_labels(tmp_path / "out.nii.gz", labels, scan.header)
    import nibabel as nib

    out = nib.load(tmp_path / "out.nii.gz")
    assert out.shape == scan.volume.shape
    np.testing.assert_allclose(out.affine, scan.volume.grid.affine, atol=1e-5)


def test_no_patient_field_reaches_the_scan(tmp_path: Path) -> None:
    scan = read_scan(Slices().write(tmp_path / "a"))
    told = repr((scan.source, scan.notices, scan.header, scan.stem))
    assert "Nobody" not in told


def test_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DICOM image"):
        read_scan(tmp_path)


def test_text_in_an_unknown_character_set_is_no_matter(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    folder = Slices().write(tmp_path / "a", [0, 1, 2])
    for path in folder.iterdir():
        edit_dicom(path, SpecificCharacterSet="ISO_IR 100")
        path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    recwarn.clear()

    assert [series.number for series in list_series(folder)] == ["3"]
    assert read_scan(folder).volume.shape[2] == 3
    assert not recwarn.list


@pytest.mark.parametrize("implicit", [True, False])
def test_files_without_a_meta_header_are_read(tmp_path: Path, implicit: bool) -> None:
    for index in range(6):
        bare = Dataset()
        bare.update(Slices().single(index))
        pydicom.dcmwrite(
            tmp_path / f"{index}.dcm", bare, implicit_vr=implicit, little_endian=True,
            enforce_file_format=False,
        )  # fmt: skip
    assert b"DICM" not in (tmp_path / "0.dcm").read_bytes()
    np.testing.assert_array_equal(read_scan(tmp_path).volume.array, rescaled(Slices()))


def test_frame_groups_that_an_anonymiser_emptied_are_none(tmp_path: Path) -> None:
    folder = Slices(tags={"PerFrameFunctionalGroupsSequence": []}).write(tmp_path / "a")
    np.testing.assert_array_equal(read_scan(folder).volume.array, rescaled(Slices()))
    (tmp_path / "b").mkdir()
    Slices().enhanced([0, 1, 2]).save_as(tmp_path / "b" / "a.dcm", enforce_file_format=True)
    edit_dicom(tmp_path / "b" / "a.dcm", PerFrameFunctionalGroupsSequence=[])
    for force in (False, True):
        assert refused(tmp_path / "b", force=force).code == "no-geometry"


@pytest.mark.parametrize("tag", ["PhotometricInterpretation", "BitsAllocated", "BitsStored"])
def test_a_tag_that_is_missing_is_named(tmp_path: Path, tag: str) -> None:
    folder = Slices().write(tmp_path / "a")
    edit_dicom(folder / "IM021.dcm", **{tag: None})
    assert f"IM021.dcm: its header lacks {tag}" in str(refused(folder))


def test_text_in_place_of_a_number_is_told_from_a_file_cut_off(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    path = folder / "IM021.dcm"
    content = path.read_bytes()
    assert content.count(b"0.5\\0.75") == 1
    path.write_bytes(content.replace(b"0.5\\0.75", b"0,5\\0,75"))
    assert "IM021.dcm: its header holds values that are no numbers" in str(refused(folder))


def test_frames_that_no_group_describes_are_told(tmp_path: Path) -> None:
    image = Slices().enhanced([0, 1, 2, 3, 4, 5])
    image.PerFrameFunctionalGroupsSequence = image.PerFrameFunctionalGroupsSequence[:4]
    image.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert "a.dcm: its header describes 4 of 6 frames" in str(refused(tmp_path))


def test_a_number_of_frames_that_is_none_is_told(tmp_path: Path) -> None:
    folder = Slices(tags={"NumberOfFrames": 11}).write(tmp_path / "a", [0])
    path = folder / "IM000.dcm"
    number = b"\x28\0\x08\0IS\x02\0"
    path.write_bytes(path.read_bytes().replace(number + b"11", number + b"1x"))
    assert "IM000.dcm: its number of frames is no number" in str(refused(folder))


def test_a_folder_called_by_a_dot_bears_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Slices().write(tmp_path / "knee")
    (folder / "inside").mkdir()
    for here, dots in ((folder, "."), (folder / "inside", "..")):
        monkeypatch.chdir(here)
        scan = read_scan(dots)
        assert (scan.stem, scan.source["file"]) == ("knee", "knee")
    Slices(number=4, uid="1.2.3").write(folder, prefix="OTHER")
    with pytest.raises(UsageError, match=r"^knee: 2 series"):
        read_scan("..")
