"""What `--force` passes over in a DICOM series, file by file and frame by frame."""

from pathlib import Path

import numpy as np
import pytest

from scan_files import Slices, edit_dicom, refused, rescaled
from spinekit.io import dicom_frames
from spinekit.io.reading import Scan, read_scan


def lost(scan: Scan) -> str:
    (told,) = [notice.text for notice in scan.notices if notice.code == "files-unread"]
    return told


@pytest.mark.parametrize("length", [0, 200, 700])
def test_a_file_whose_header_is_destroyed_is_told(tmp_path: Path, length: int) -> None:
    # The last slice: no gap shows that it is missing.
    folder = Slices().write(tmp_path / "a")
    last = folder / "IM035.dcm"
    last.write_bytes(last.read_bytes()[:length])
    assert refused(folder).code == "file-damaged"

    scan = read_scan(folder, force=True)

    assert scan.volume.shape == (36, 40, 5)
    assert lost(scan).startswith("1 of 6 images count as missing: IM035.dcm: ")


def test_a_mosaic_is_no_slice(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a", [0])
    edit_dicom(folder / "IM000.dcm", ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    for force in (False, True):
        error = refused(folder, force=force)
        assert error.code == "mosaic"
        assert "IM000.dcm" in error.message
        assert "dcm2niix" in error.remedy


def enhanced(folder: Path) -> tuple[Path, Slices]:
    slices = Slices()
    folder.mkdir()
    path = folder / "a.dcm"
    slices.enhanced(list(range(6))).save_as(path, enforce_file_format=True)
    return path, slices


def test_a_frame_without_a_position_costs_no_other(tmp_path: Path) -> None:
    path, slices = enhanced(tmp_path / "a")
    image = slices.enhanced(list(range(6)))
    del image.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    image.save_as(path, enforce_file_format=True)

    error = refused(path)
    scan = read_scan(path, force=True)

    assert error.code == "no-geometry"
    assert "a.dcm: frame 4 states no position" in error.message
    assert lost(scan).startswith("1 of 6 images count as missing: a.dcm: frame 4 states no")
    expected = rescaled(slices)
    kept = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(scan.volume.array[..., kept], expected[..., kept])


def test_a_file_whose_pixels_are_cut_off_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Slices().write(tmp_path / "a", [1, 2, 3])
    image = Slices().enhanced([0, 4, 5])
    image.save_as(folder / "cut.dcm", enforce_file_format=True)
    edit_dicom(folder / "cut.dcm", PixelData=bytes(200))
    read, seen = dicom_frames.read_pixels, []
    monkeypatch.setattr(
        dicom_frames, "read_pixels", lambda file: (seen.append(file), read(file))[1]
    )

    scan = read_scan(folder, force=True)

    assert lost(scan).startswith("1 of 4 images count as missing: cut.dcm: ")
    assert [path.name for path in seen].count("cut.dcm") == 1
