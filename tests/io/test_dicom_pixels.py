"""DICOM pixels that pydicom cannot unpack: as stored, whatever the rest of the header says."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import HTJ2KLossless, JPEGLosslessSV1

from scan_files import Slices, edit_dicom, refused, rescaled
from spinekit.io.reading import read_scan


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Every slice of the series as a stream of lossless JPEG."""
    path = tmp_path_factory.mktemp("jpeg") / "a.dcm"
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("GDCMImageIO")
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.SetFileName(str(path))
    streams = []
    for plane in Slices().volume.transpose(2, 1, 0).astype(np.uint16):
        writer.Execute(sitk.GetImageFromArray(plane[None]))
        written = pydicom.dcmread(path)
        assert written.file_meta.TransferSyntaxUID == JPEGLosslessSV1
        streams.append(next(generate_frames(written.PixelData, number_of_frames=1)))
    return streams


def pack(image: Dataset, streams: list[bytes], syntax: str = JPEGLosslessSV1) -> Dataset:
    image.PixelRepresentation = 0
    image.PixelData = encapsulate(streams)
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = syntax
    return image


def write_packed(folder: Path, frames: list[bytes], slices: Slices) -> Path:
    folder.mkdir()
    for index, stream in enumerate(frames):
        image = pack(slices.single(index), [stream])
        image.save_as(folder / f"{index}.dcm", enforce_file_format=True)
    return folder


@pytest.mark.parametrize("kind", ["", "1.3.46.670589.11.0.0.12.1"])
def test_lossless_jpeg_is_rescaled_once(tmp_path: Path, frames: list[bytes], kind: str) -> None:
    slices = Slices(tags={"SOPClassUID": kind} if kind else {})
    folder = write_packed(tmp_path / "a", frames, slices)
    np.testing.assert_array_equal(read_scan(folder).volume.array, rescaled(slices))


def test_frames_of_lossless_jpeg_have_each_their_own_slope(
    tmp_path: Path, frames: list[bytes]
) -> None:
    slices = Slices()
    image = pack(slices.enhanced(list(range(6))), frames)
    slopes = np.arange(1, 7)
    for frame, slope in zip(image.PerFrameFunctionalGroupsSequence, slopes, strict=True):
        frame.PixelValueTransformationSequence[0].RescaleSlope = float(slope)
    image.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    found = read_scan(tmp_path).volume.array

    np.testing.assert_array_equal(found, slices.volume * slopes + slices.intercept)


def test_low_values_of_lossless_jpeg_that_are_bright_are_turned_once(
    tmp_path: Path, frames: list[bytes]
) -> None:
    slices = Slices(tags={"PhotometricInterpretation": "MONOCHROME1"})
    folder = write_packed(tmp_path / "a", frames, slices)
    turned = (65535 - slices.volume.astype(np.float64)) * slices.slope + slices.intercept
    np.testing.assert_allclose(read_scan(folder).volume.array, turned, atol=0.01)


def test_a_compression_without_decoder_is_named(tmp_path: Path, frames: list[bytes]) -> None:
    image = pack(Slices().single(0), frames[:1], HTJ2KLossless)
    image.save_as(tmp_path / "a.dcm", enforce_file_format=True)

    error = refused(tmp_path)

    assert error.code == "cannot-unpack"
    assert "a.dcm: its pixels (High-Throughput JPEG 2000" in error.message
    assert "uncompressed" in error.remedy


def test_a_slope_of_zero_is_none(tmp_path: Path) -> None:
    slices = Slices(slope=1.0)
    folder = slices.write(tmp_path / "a")
    for path in folder.iterdir():
        edit_dicom(path, RescaleSlope=0)
    np.testing.assert_array_equal(read_scan(folder).volume.array, rescaled(slices))
