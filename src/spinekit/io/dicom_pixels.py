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
)

from spinekit.core.errors import InputError
from spinekit.io.dicom_faults import AGAIN, dicom_errors

_NEEDED = ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
"""Tags without which pixels cannot be read."""
_NEEDED_BY_INTEGERS = (*_NEEDED, "BitsStored", "PixelRepresentation")
_OF_PIXELS = (*_NEEDED_BY_INTEGERS, "HighBit", "Rows", "Columns", "NumberOfFrames")
"""Tags that say how pixels are stored."""


def load_plane(
    file: Path,
    pixels: Callable[[], NDArray[Any]],
    index: int,
    slope: float,
    intercept: float,
    mirror: float | None,
) -> NDArray[np.float32]:
    """Load one slice.

    Args:
        file: The file, for messages.
        pixels: Gives what `read_pixels` gives of it.
        index: Which of its frames.
        slope: What stored values are multiplied with.
        intercept: What is added then.
        mirror: Sum of darkest and brightest value where low values are bright; else None.

    Returns:
        (columns, rows) rescaled values, high ones bright.

    Raises:
        InputError: The file is damaged, or has no such frame.
    """
    stored = pixels()
    if index >= len(stored):
        raise InputError("file-damaged", f"{file.name}: frame {index + 1} is missing", AGAIN)
    plane = stored[index].T.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return plane if mirror is None else np.float32(mirror) - plane


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
            stored = whole.pixel_array
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


def _unpack_by_itk(name: str, whole: Dataset) -> NDArray[Any]:
    """Pixels as stored, by ITK's decoders.

    ITK gets the pixels alone: by the rest of a header it would rescale and turn some of them, and
    refuse others for their class.

    Raises:
        InputError: It cannot unpack them.
    """
    import SimpleITK as sitk  # noqa: N813

    syntax = whole.file_meta.TransferSyntaxUID
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
            raise InputError(
                "cannot-unpack",
                f"{name}: its pixels ({syntax.name}) cannot be unpacked",
                "export the series uncompressed, or copy the file again if it is damaged",
            ) from error
    return np.asarray(sitk.GetArrayFromImage(image))
