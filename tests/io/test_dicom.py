"""DICOM in: any order of files, single and multi-frame, gaps, mixtures and several series."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless, SegmentationStorage

from scan_files import SERIES_UID, Slices, edit_dicom, picture
from spinekit.core.errors import InputError, SpineKitError, UsageError
from spinekit.io.dicom import list_series
from spinekit.io.reading import read_scan
from spinekit.io.writing import write_labels


def rescaled(slices: Slices) -> np.ndarray:
    return slices.volume * slices.slope + slices.intercept


def refused(path: Path, **options: object) -> SpineKitError:
    with pytest.raises(SpineKitError) as caught:
        read_scan(path, **options)
    assert "\n" not in str(caught.value)
    return caught.value


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


def test_checksum_depends_on_content_not_on_names(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    before = read_scan(folder).source["sha256"]
    for index, path in enumerate(sorted(folder.iterdir())):
        path.rename(folder / f"{50 - index}.dcm")
    assert read_scan(folder).source["sha256"] == before
    edit_dicom(folder / "50.dcm", RescaleSlope=7)
    assert read_scan(folder).source["sha256"] != before


@pytest.mark.parametrize("missing", [[2], [2, 3]])
def test_a_gap_is_named_and_interpolated_with_force(tmp_path: Path, missing: list[int]) -> None:
    ramp = np.arange(7)[None, None] * 100 + np.arange(36)[:, None, None]
    slices = Slices(np.broadcast_to(ramp, (36, 40, 7)).astype(np.int16))
    kept = [index for index in range(7) if index not in missing]
    folder = slices.write(tmp_path / "study", kept)
    error = refused(folder)
    assert (error.code, error.exit_code) == ("uneven-slices", 1)
    assert f"study: {len(missing)} slice" in error.message
    assert f"{4 * (len(missing) + 1)} mm apart" in error.message
    assert "IM007.dcm" in error.message
    assert "--force" in error.remedy
    scan = read_scan(folder, force=True)
    np.testing.assert_allclose(scan.volume.array, rescaled(slices), rtol=1e-5)
    assert scan.volume.spacing_mm[2] == pytest.approx(4)
    assert [n.code for n in scan.notices] == ["uneven-slices"]


@pytest.mark.parametrize("tags", [{}, {"SpacingBetweenSlices": 4.0}])
def test_every_second_slice_missing_is_told(tmp_path: Path, tags: dict[str, float]) -> None:
    slices = Slices(picture((36, 40, 12)), tags=tags)
    whole, half = slices.write(tmp_path / "a"), slices.write(tmp_path / "b", [0, 2, 4, 6, 8, 10])

    (notice,) = read_scan(half).notices

    assert notice.code == "slices-skipped"
    assert "every second slice" in notice.text
    assert "8 mm apart" in notice.text
    assert read_scan(whole).notices == ()


@pytest.mark.parametrize(
    ("gap_mm", "step"), [(8.0, 1), (4.0, 2)], ids=["wide gaps", "numbers count another thing too"]
)
def test_wide_gaps_or_skipping_numbers_alone_are_no_missing_slices(
    tmp_path: Path, gap_mm: float, step: int
) -> None:
    folder = Slices(gap_mm=gap_mm).write(tmp_path / "a")
    for index in range(6):
        edit_dicom(folder / f"IM{index * 7:03d}.dcm", InstanceNumber=1 + step * index)

    assert read_scan(folder).notices == ()


def test_both_echoes_of_every_second_slice_missing_are_told(tmp_path: Path) -> None:
    slices = Slices(picture((36, 40, 12)))
    folder = slices.write(tmp_path / "a", [0, 4, 8])
    for index in (0, 4, 8):
        image = slices.single(index)
        uid = image.file_meta.MediaStorageSOPInstanceUID = f"9.{index}"
        image.SOPInstanceUID, image.InstanceNumber, image.EchoTime = uid, index + 2, "90"
        image.save_as(folder / f"second{index}.dcm", enforce_file_format=True)
        edit_dicom(folder / f"IM{index * 7:03d}.dcm", SpacingBetweenSlices=8)

    assert [n.code for n in read_scan(folder).notices] == ["slices-skipped", "volumes-averaged"]


def test_uneven_slices_are_named_and_interpolated_with_force(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    edit_dicom(folder / "IM021.dcm", ImagePositionPatient=slices.position(3.3))
    error = refused(folder)
    assert error.code == "uneven-slices"
    assert "unevenly" in error.message
    assert "IM021.dcm" in error.message
    scan = read_scan(folder, force=True)
    assert scan.volume.shape == (36, 40, 6)
    expected = rescaled(slices)
    np.testing.assert_allclose(scan.volume.array[..., 2], expected[..., 2])
    between = expected[..., 2] + (expected[..., 3] - expected[..., 2]) / 1.3
    np.testing.assert_allclose(scan.volume.array[..., 3], between, rtol=1e-4)


def test_rounded_positions_are_even_enough(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    edit_dicom(folder / "IM021.dcm", ImagePositionPatient=slices.position(3.02))
    assert read_scan(folder).notices == ()


def test_a_slice_beside_the_stack_is_named(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    x, y, z = slices.position(3)
    edit_dicom(folder / "IM021.dcm", ImagePositionPatient=[x, y + 5, z])
    error = refused(folder)
    assert error.code == "uneven-slices"
    assert "IM021.dcm lies 5 mm beside" in error.message


def test_a_tilted_stack_is_sheared_not_refused(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    for index in range(6):
        x, y, z = slices.position(index)
        edit_dicom(folder / f"IM{index * 7:03d}.dcm", ImagePositionPatient=[x, y, z + 0.8 * index])
    scan = read_scan(folder)
    assert [n.code for n in scan.notices] == ["sheared"]
    assert scan.volume.grid.spacing_mm[2] == pytest.approx(np.hypot(4, 0.8))


def test_localizer_of_three_planes_is_refused_and_split_with_force(tmp_path: Path) -> None:
    sagittal = Slices()
    coronal = Slices(picture((36, 40, 3)), orientation=(1, 0, 0, 0, 0, -1), uid=SERIES_UID)
    folder = sagittal.write(tmp_path / "scout", prefix="S")
    for index in range(3):
        image = coronal.single(index)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"9.{index + 1}"
        image.save_as(folder / f"C{index}.dcm", enforce_file_format=True)
    error = refused(folder)
    assert error.code == "mixed-orientation"
    assert "6 sagittal" in error.message
    assert "3 coronal" in error.message
    scan = read_scan(folder, force=True)
    np.testing.assert_array_equal(scan.volume.array, rescaled(sagittal))
    assert [n.code for n in scan.notices] == ["mixed-orientation"]


def write_echoes(folder: Path, indices: list[list[int]]) -> list[Slices]:
    echoes = [
        Slices(picture((36, 40, 6)) + 100 * n, tags={"EchoTime": str(time_ms)})
        for n, time_ms in enumerate((90, 10))
    ]
    for n, (slices, chosen) in enumerate(zip(echoes, indices, strict=True)):
        folder.mkdir(exist_ok=True)
        for index in chosen:
            image = slices.single(index)
            uid = f"7.{n}.{index + 1}"
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = uid
            image.save_as(folder / f"E{n}-{index}.dcm", enforce_file_format=True)
    return echoes


def test_two_echoes_of_each_slice_are_two_volumes(tmp_path: Path) -> None:
    late, early = write_echoes(tmp_path / "a", [list(range(6))] * 2)
    scan = read_scan(tmp_path / "a")
    mean = (rescaled(late) + rescaled(early)) / 2
    np.testing.assert_allclose(scan.volume.array, mean)
    assert [n.code for n in scan.notices] == ["volumes-averaged"]
    first = read_scan(tmp_path / "a", volume_index=0)
    np.testing.assert_array_equal(first.volume.array, rescaled(early))
    assert refused(tmp_path / "a", volume_index=2).code == "no-such-volume"


def test_an_echo_that_lacks_a_slice_is_told(tmp_path: Path) -> None:
    late, _ = write_echoes(tmp_path / "a", [list(range(6)), [0, 1, 2, 4, 5]])
    error = refused(tmp_path / "a")
    assert error.code == "uneven-volumes"
    assert "E0-3.dcm" in error.message
    scan = read_scan(tmp_path / "a", force=True)
    assert [n.code for n in scan.notices] == ["uneven-volumes"]
    np.testing.assert_array_equal(scan.volume.array[..., 3], rescaled(late)[..., 3])


def test_one_slice_is_a_scan_as_thick_as_it_says(tmp_path: Path) -> None:
    scan = read_scan(Slices().write(tmp_path / "a", [2]))
    assert scan.volume.shape == (36, 40, 1)
    assert scan.volume.spacing_mm[2] == pytest.approx(3.5)


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
