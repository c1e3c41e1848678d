"""DICOM pixels that pydicom cannot unpack: as stored, whatever the rest of the header says."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import HTJ2KLossless, JPEGLosslessSV1, RLELossless

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


def test_a_private_encoding_is_not_called_damage(tmp_path: Path) -> None:
    folder = Slices().write(tmp_path / "a", [0])
    path = folder / "IM000.dcm"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0", 1))

    error = refused(folder)

    assert error.code == "cannot-unpack"
    assert "IM000.dcm: its pixels (1.2.840.113619.5.2)" in error.message
    assert "uncompressed" in error.remedy


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("below", [0, 4])
def test_pixels_in_other_bits_than_the_lowest_are_those(
    tmp_path: Path, below: int, signed: int, compressed: bool
) -> None:
    # Some writers state the highest bit of all and use the lowest ones: below is 0.
    slices = Slices(slope=1.0, intercept=0.0)
    slices.volume = slices.volume * 2 - (1000 if signed else 0)
    tags = {"BitsStored": 12, "HighBit": 15, "PixelRepresentation": signed}
    folder = Slices((slices.volume << below).astype(np.int16), slope=1.0, intercept=0.0, tags=tags)
    folder = folder.write(tmp_path / "a")
    for path in folder.iterdir() if compressed else ():
        image = pydicom.dcmread(path)
        image.compress(RLELossless)
        image.save_as(path)

    np.testing.assert_array_equal(read_scan(folder).volume.array, slices.volume)


def padded(
    folder: Path, padding: int, tags: dict[str, object], columns: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Write a series whose first columns are padding; what was imaged, and what is found."""
    slices = Slices()
    expected = rescaled(slices).astype(np.float32)
    slices.volume[:columns] = padding
    slices.tags = tags
    scan = read_scan(slices.write(folder))
    assert scan.notices == ()
    return expected[columns:], scan.volume.array


@pytest.mark.parametrize(
    ("padding", "tags"),
    [
        (-32768, {"PixelPaddingValue": -32768}),
        (2000, {"PixelPaddingValue": 2000}),
        (-1500, {"PixelPaddingValue": -1000, "PixelPaddingRangeLimit": -2000}),
        (-1500, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1000}),
    ],
)
def test_padding_is_as_dark_as_the_darkest_that_was_imaged(
    tmp_path: Path, padding: int, tags: dict[str, object]
) -> None:
    expected, found = padded(tmp_path / "a", padding, tags)

    np.testing.assert_array_equal(found[3:], expected)
    assert (found[:3] == expected.min()).all()


def test_padding_that_is_written_without_its_sign_is_padding(tmp_path: Path) -> None:
    slices = Slices(tags={"PixelPaddingValue": -2000})
    slices.volume[:3] = -2000
    folder = slices.write(tmp_path / "a")
    for path in folder.iterdir():
        content, tag = path.read_bytes(), b"\x28\0\x20\x01"
        assert content.count(tag + b"SS") == 1
        path.write_bytes(content.replace(tag + b"SS", tag + b"US"))

    assert (read_scan(folder).volume.array[:3] == rescaled(slices)[3:].min()).all()


def test_padding_is_dark_where_low_values_are_bright(tmp_path: Path) -> None:
    tags = {"PixelPaddingValue": -2000, "PhotometricInterpretation": "MONOCHROME1"}
    expected, found = padded(tmp_path / "a", -2000, tags)

    assert found[3:].argmax() == expected.argmin()
    assert (found[:3] == found[3:].min()).all()


def test_padding_of_one_echo_is_left_out_of_the_mean(tmp_path: Path) -> None:
    one, other = (Slices(tags={"EchoTime": str(time)}) for time in (10, 90))
    expected = (rescaled(one) + rescaled(other)) / 2
    expected[0] = rescaled(other)[0]
    one.volume = one.volume.copy()
    one.volume[0] = -32768
    one.tags["PixelPaddingValue"] = -32768
    folder = one.write(tmp_path / "a", prefix="A")
    other.write(folder, prefix="B")

    np.testing.assert_allclose(read_scan(folder).volume.array, expected)


def test_nothing_but_padding_is_told(tmp_path: Path) -> None:
    folder = Slices(np.full((36, 40, 6), -5, np.int16), tags={"PixelPaddingValue": -5})
    assert refused(folder.write(tmp_path / "a")).code == "no-finite-voxels"
