"""DICOM slices that make no even stack: gaps, tilts, mixtures of planes, echoes."""

from pathlib import Path

import numpy as np
import pytest

from scan_files import SERIES_UID, Slices, edit_dicom, picture, refused, rescaled
from spinekit.io.reading import read_scan


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
    assert "a folder of its own" in error.remedy


def test_a_slice_beside_the_stack_is_moved_into_its_place_with_force(tmp_path: Path) -> None:
    slices = Slices()
    expected = rescaled(slices)
    folder = slices.write(tmp_path / "a")
    x, y, z = slices.position(3)
    # 8 columns of 0.75 mm to posterior and half a row of 0.5 mm to inferior.
    moved = Slices(np.roll(slices.volume, -8, axis=0)).single(3)
    moved.ImagePositionPatient = [x, y + 6, z - 0.25]
    moved.save_as(folder / "IM021.dcm", enforce_file_format=True)

    scan = read_scan(folder, force=True)

    found = scan.volume.array
    np.testing.assert_array_equal(found[..., [0, 1, 2, 4, 5]], expected[..., [0, 1, 2, 4, 5]])
    between = (expected[8:, :-1, 3] + expected[8:, 1:, 3]) / 2
    np.testing.assert_allclose(found[8:, 1:, 3], between, rtol=1e-4)
    assert (found[:8, :, 3] == expected[..., 3].min()).all()
    (notice,) = scan.notices
    assert notice.code == "uneven-slices"
    assert notice.text.endswith("slices were moved within their planes")


def test_parallel_blocks_lie_where_they_were_scanned_and_both_problems_are_told(
    tmp_path: Path,
) -> None:
    # Axial blocks of five slices, as for three discs, the middle one 15 mm farther back.
    volume = picture((64, 64, 15)) % 50
    volume[32, 32] = 3000
    blocks = Slices(volume, orientation=(1, 0, 0, 0, 1, 0), spacing=(1.0, 1.0))
    folder = blocks.write(tmp_path / "a")
    places = [[0.0, 15.0 * (n // 5 == 1), n // 5 * 35 + n % 5 * 4.0] for n in range(15)]
    for index, place in enumerate(places):
        edit_dicom(folder / f"IM{index * 7:03d}.dcm", ImagePositionPatient=place)

    error = refused(folder)
    scan = read_scan(folder, force=True)

    assert "19 mm apart" in error.message
    assert "5 slices lie beside the others" in error.message
    assert "a folder of its own" in error.remedy
    (notice,) = scan.notices
    assert notice.text.endswith("slices were moved within their planes and interpolated")
    array, grid = scan.volume.array, scan.volume.grid
    for x, y, z in places[::4]:
        ijk = grid.ras_to_ijk([(-(x + 32), -(y + 32), z)])[0]
        k = round(ijk[2])
        brightest = np.unravel_index(array[..., k].argmax(), array.shape[:2])
        assert np.abs(np.array(brightest) - ijk[:2]).max() <= 0.5


@pytest.mark.parametrize("moved", [[5], [0], [3, 4, 5]], ids=["last", "first", "a block"])
def test_slices_beside_the_others_do_not_tilt_them(tmp_path: Path, moved: list[int]) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    for index in moved:
        x, y, z = slices.position(index)
        edit_dicom(folder / f"IM{index * 7:03d}.dcm", ImagePositionPatient=[x, y + 6, z])

    scan = read_scan(folder, force=True)

    assert [n.code for n in scan.notices] == ["uneven-slices"]
    others = [index for index in range(6) if index not in moved]
    np.testing.assert_array_equal(scan.volume.array[..., others], rescaled(slices)[..., others])
    np.testing.assert_allclose(
        scan.volume.array[8:, :, moved], rescaled(slices)[:-8, :, moved], rtol=1e-4
    )
    np.testing.assert_allclose(scan.volume.grid.affine[:3, 2], [4, 0, 0], atol=1e-9)


def test_of_stacks_of_as_many_slices_the_one_with_most_pixels_is_taken(tmp_path: Path) -> None:
    small = Slices(picture((36, 40, 6)), orientation=(1, 0, 0, 0, 0, -1))
    folder = small.write(tmp_path / "scout", prefix="A")
    large = Slices(picture((72, 80, 6)))
    for index in range(6):
        image = large.single(index)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"9.{index + 1}"
        image.save_as(folder / f"Z{index}.dcm", enforce_file_format=True)

    np.testing.assert_array_equal(read_scan(folder, force=True).volume.array, rescaled(large))


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


def add_station(folder: Path, slices: Slices) -> None:
    for index in range(6):
        image = slices.single(index)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"9.{index}"
        image.InstanceNumber = index + 7
        image.save_as(folder / f"L{index}.dcm", enforce_file_format=True)


def test_two_stations_of_one_series_are_refused_and_parted_with_force(tmp_path: Path) -> None:
    upper = Slices()
    x, y, z = upper.origin
    lower = Slices(picture((36, 40, 6)) + 500, origin=(x, y, z - 200))
    folder = upper.write(tmp_path / "a")
    add_station(folder, lower)

    error = refused(folder)
    scan = read_scan(folder, force=True)

    assert error.code == "mixed-orientation"
    assert "6 of 12 slices lie beside others" in error.message
    assert [n.code for n in scan.notices] == ["mixed-orientation"]
    np.testing.assert_array_equal(scan.volume.array, rescaled(upper))


def test_slices_that_all_state_one_position_are_refused(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for path in folder.iterdir():
        edit_dicom(path, ImagePositionPatient=[0, 0, 0])

    error = refused(folder)

    assert error.code == "no-geometry"
    assert "all 6 slices state the same position" in error.message


def test_two_slices_beside_each_other_are_no_volumes(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a", [0, 1])
    x, y, z = slices.position(0)
    edit_dicom(folder / "IM007.dcm", ImagePositionPatient=[x, y, z - 200])

    assert refused(folder).code == "mixed-orientation"
    scan = read_scan(folder, force=True)
    np.testing.assert_array_equal(scan.volume.array, rescaled(slices)[..., :1])


def test_time_points_of_one_slice_are_volumes(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for number, path in enumerate(sorted(folder.iterdir())):
        edit_dicom(path, ImagePositionPatient=[0, 0, 0], TemporalPositionIdentifier=number)

    assert [n.code for n in read_scan(folder).notices] == ["volumes-averaged"]


def test_acquisitions_of_one_slice_are_volumes(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    for number, path in enumerate(sorted(folder.iterdir())):
        edit_dicom(path, ImagePositionPatient=[0, 0, 0], AcquisitionNumber=number + 1)

    assert [n.code for n in read_scan(folder).notices] == ["volumes-averaged"]


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
    assert "1 slice lies where E0-3.dcm does" in error.message
    scan = read_scan(tmp_path / "a", force=True)
    assert [n.code for n in scan.notices] == ["uneven-volumes"]
    np.testing.assert_array_equal(scan.volume.array[..., 3], rescaled(late)[..., 3])


def test_a_slice_that_lies_twice_is_told(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a")
    copy = Slices().single(4)
    copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = "7.7"
    copy.save_as(folder / "COPY.dcm", enforce_file_format=True)
    error = refused(folder)
    assert error.code == "uneven-volumes"
    assert "2 slices lie where" in error.message
    assert "lie twice" in error.remedy


def test_volumes_that_lack_a_slice_are_left_out_with_force(tmp_path: Path) -> None:
    whole, _ = write_echoes(tmp_path / "a", [list(range(6)), [0, 1, 2, 4, 5]])

    scan = read_scan(tmp_path / "a", force=True)

    np.testing.assert_array_equal(scan.volume.array, rescaled(whole))
    (notice,) = scan.notices
    assert "only volumes that lack no slice were used" in notice.text


def test_where_every_volume_lacks_a_slice_one_is_used_and_interpolated(tmp_path: Path) -> None:
    fuller, _ = write_echoes(tmp_path / "a", [[0, 1, 2, 3, 5], [0, 2, 3, 4]])

    scan = read_scan(tmp_path / "a", force=True)

    expected = rescaled(fuller)
    expected[..., 4] = (expected[..., 3] + expected[..., 5]) / 2
    np.testing.assert_allclose(scan.volume.array, expected, rtol=1e-5)
    assert [notice.code for notice in scan.notices] == ["uneven-volumes", "uneven-slices"]
    assert "one volume was used, which lacks 1 of 6 slices" in scan.notices[0].text


def test_acquisitions_that_count_slices_are_no_volumes_with_force(tmp_path: Path) -> None:
    slices = Slices()
    folder = slices.write(tmp_path / "a")
    for number, path in enumerate(sorted(folder.iterdir())):
        edit_dicom(path, AcquisitionNumber=number + 1)
    image = slices.single(2)
    image.SOPInstanceUID, image.InstanceNumber, image.AcquisitionNumber = "9.9", 20, 20
    image.save_as(folder / "again.dcm", enforce_file_format=True)
    assert refused(folder).code == "uneven-volumes"

    scan = read_scan(folder, force=True)

    np.testing.assert_array_equal(scan.volume.array, rescaled(slices))


TYPES = {
    "Siemens": (["ORIGINAL", "PRIMARY", "M", "ND"], ["ORIGINAL", "PRIMARY", "P", "ND"], "phase"),
    "Philips": (["ORIGINAL", "PRIMARY", "M_FFE"], ["ORIGINAL", "PRIMARY", "PHASE MAP"], "phase"),
    "Dixon": (["DERIVED", "PRIMARY", "M", "WATER"], ["DERIVED", "PRIMARY", "M", "FAT"], "fat"),
}


@pytest.mark.parametrize("maker", TYPES)
def test_of_magnitudes_and_what_else_lies_at_their_places_magnitudes_are_taken(
    tmp_path: Path, maker: str
) -> None:
    wanted, other, kind = TYPES[maker]
    first, second = write_echoes(tmp_path / "a", [list(range(6))] * 2)
    for path in (tmp_path / "a").iterdir():
        is_first = path.name.startswith("E0")
        edit_dicom(path, EchoTime="10", ImageType=wanted if is_first else other)

    scan = read_scan(tmp_path / "a")

    np.testing.assert_array_equal(scan.volume.array, rescaled(first))
    (notice,) = scan.notices
    assert notice.code == "kinds-mixed"
    assert kind in notice.text
    chosen = read_scan(tmp_path / "a", volume_index=1)
    np.testing.assert_array_equal(chosen.volume.array, rescaled(second))


def test_images_of_one_kind_that_lacks_a_slice_are_no_scan_of_their_own(tmp_path: Path) -> None:
    write_echoes(tmp_path / "a", [[0, 1, 2, 4, 5], list(range(6))])
    for path in (tmp_path / "a").glob("E1*"):
        edit_dicom(path, ImageType=["ORIGINAL", "PRIMARY", "P"])

    assert refused(tmp_path / "a").code == "uneven-volumes"
