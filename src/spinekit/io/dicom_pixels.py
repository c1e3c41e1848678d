"""DICOM pixels: the values stored in a file, whatever their compression and byte order.

Knows neither where a slice lies nor which series it is of.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    UncompressedTransferSyntaxes,
)

from spinekit.core.errors import InputError
from spinekit.io.dicom_faults import AGAIN, dicom_errors

_NEEDED = ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
"""Tags without which pixels cannot be read."""
_NEEDED_BY_INTEGERS = (*_NEEDED, "BitsStored", "PixelRepresentation")
_OF_PIXELS = (*_NEEDED_BY_INTEGERS, "HighBit", "Rows", "Columns", "NumberOfFrames")
"""Tags that say how pixels are stored."""
_UNPACKED = "export the series uncompressed, or copy the file again if it is damaged"


def load_plane(
    file: Path,
    pixels: Callable[[], NDArray[Any]],
    index: int,
    slope: float,
    intercept: float,
    mirror: float | None,
    padding: tuple[int, int] | None = None,
) -> NDArray[np.float32]:
    """Load one slice.

    Args:
        file: The file, for messages.
        pixels: Gives what `read_pixels` gives of it.
        index: Which of its frames.
        slope: What stored values are multiplied with.
        intercept: What is added then.
        mirror: Sum of darkest and brightest value where low values are bright; else None.
        padding: Least and greatest stored value that stand where nothing was imaged; else None.

    Returns:
        (columns, rows) rescaled values, high ones bright; NaN where nothing was imaged.

    Raises:
        InputError: The file is damaged, or has no such frame.
    """
    stored = pixels()
    if index >= len(stored):
        raise InputError("file-damaged", f"{file.name}: frame {index + 1} is missing", AGAIN)
    plane = stored[index].T.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    if mirror is not None:
        plane = np.float32(mirror) - plane
    if padding is not None:
        plane[_within(stored[index].T, padding)] = np.nan
    return plane


def _within(stored: NDArray[Any], span: tuple[int, int]) -> NDArray[np.bool_]:
    """Which stored values lie within a span, ends included.

    Its ends may be written without the sign that the values have, and the other way round.
    """
    low, high = span
    if stored.dtype.kind in "iu":
        known, turn = np.iinfo(stored.dtype), 1 << 8 * stored.dtype.itemsize
        turns = turn if high < known.min else -turn if low > known.max else 0
        low, high = low + turns, high + turns
    return (stored >= low) & (stored <= high)


def fill_padding(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give padding, which is NaN, the darkest value there is; changed in place.

    Args:
        array: (columns, rows, slices) of one series; where all is padding, it stays so.
    """
    is_padding = np.isnan(array)
    if is_padding.any() and not is_padding.all():
        array[is_padding] = array[~is_padding].min()
    return array


def read_pixels(file: Path) -> NDArray[Any]:
    """Read all pixels of a file.

    Returns:
        (frames, rows, columns) values as stored, neither rescaled nor turned.

    Raises:
        InputError: The file is damaged, lacks a tag without which its pixels cannot be read, or
            is compressed in a way that cannot be unpacked.
        OSError: The file cannot be opened.
    """
    with dicom_errors(file):
        whole = pydicom.dcmread(file, force=True)
        _state_syntax(whole)
        needed = _NEEDED_BY_INTEGERS if "PixelData" in whole else _NEEDED
        missing = [tag for tag in needed if tag not in whole]
        if missing:
            text = f"{file.name}: its header lacks {', '.join(missing)}"
            raise InputError("file-damaged", text, AGAIN)
        try:
            stored = _unpack(whole)
        except (RuntimeError, NotImplementedError, ImportError):
            # No decoder for this compression in pydicom: ITK brings its own.
            stored = _unpack_by_itk(file.name, whole)
        if stored.ndim == 2:
            stored = stored[None]
        if stored.ndim != 3 or stored.shape[1:] != (whole.Rows, whole.Columns):
            raise ValueError(f"pixels of shape {stored.shape}")
        return stored


def _state_syntax(whole: Dataset) -> None:
    """Say how a file is encoded that has no meta header: as it was read, and not compressed."""
    if "TransferSyntaxUID" in whole.file_meta:
        return
    implicit, little = whole.original_encoding
    plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    whole.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain


def _unpack(whole: Dataset) -> NDArray[Any]:
    """Pixels as stored, by pydicom, which takes them for the lowest bits.

    An old rule let a file say that they are higher ones. It is heeded where those below are empty
    in every pixel; some writers say so and use the lowest.
    """
    is_coded = whole.file_meta.TransferSyntaxUID not in (*UncompressedTransferSyntaxes, RLELossless)
    if is_coded or "PixelData" not in whole or whole.get("HighBit") is None:
        return np.asarray(whole.pixel_array)
    below = int(whole.HighBit) + 1 - int(whole.BitsStored)
    if not 0 < below <= (unused := int(whole.BitsAllocated) - int(whole.BitsStored)):
        return np.asarray(whole.pixel_array)
    whole.pixel_array_options(correct_unused_bits=False)
    raw = np.asarray(whole.pixel_array)
    if np.bitwise_and(raw, (1 << below) - 1).any():
        below = 0
    return raw << (unused - below) >> unused


def _unpack_by_itk(name: str, whole: Dataset) -> NDArray[Any]:
    """Pixels as stored, by ITK's decoders.

    ITK gets the pixels alone: by the rest of a header it would rescale and turn some of them, and
    refuse others for their class.

    Raises:
        InputError: It cannot unpack them.
    """
    import SimpleITK as sitk  # noqa: N813

    syntax = whole.file_meta.TransferSyntaxUID
    text = f"{name}: its pixels ({syntax.name}) cannot be unpacked"
    if syntax.is_private:
        raise InputError("cannot-unpack", text, _UNPACKED)
    bare = Dataset()
    for tag in _OF_PIXELS:
        if tag in whole:
            bare[tag] = whole[tag]
    bare.PhotometricInterpretation = "MONOCHROME2"
    bare["PixelData"] = whole["PixelData"]
    bare.SOPClassUID = (
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage
        if bare.BitsAllocated == 8
        else MultiFrameGrayscaleWordSecondaryCaptureImageStorage
    )
    bare.SOPInstanceUID = pydicom.uid.generate_uid(entropy_srcs=[name])
    bare.file_meta = FileMetaDataset()
    bare.file_meta.TransferSyntaxUID = syntax
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels.dcm"
        bare.save_as(path, enforce_file_format=True)
        try:
            image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
        except RuntimeError as error:
            raise InputError("cannot-unpack", text, _UNPACKED) from error
    return np.asarray(sitk.GetArrayFromImage(image))
