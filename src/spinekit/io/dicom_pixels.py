"""DICOM pixels: the values stored in a file, whatever their compression and byte order.

Knows neither where a slice lies nor which series it is of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from spinekit.core.errors import InputError
from spinekit.io.dicom_faults import AGAIN, faults

Pixels = tuple[NDArray[Any], bool]
"""(frames, rows, columns) pixels of a file, and whether they are rescaled already."""
_NEEDED = ("SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")
"""Tags without which pixels cannot be read."""
_NEEDED_BY_INTEGERS = (*_NEEDED, "BitsStored", "PixelRepresentation")


def load_plane(
    file: Path,
    pixels: Callable[[], Pixels],
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
        slope: Rescaling, where it is not done yet.
        intercept: The same.
        mirror: Sum of darkest and brightest value where low values are bright; else None.

    Returns:
        (columns, rows) rescaled values, high ones bright.

    Raises:
        InputError: The file is damaged, or has no such frame.
    """
    stored, rescaled = pixels()
    if index >= len(stored):
        raise InputError("file-damaged", f"{file.name}: frame {index + 1} is missing", AGAIN)
    plane = stored[index].T.astype(np.float32)
    if not rescaled:
        plane = plane * np.float32(slope) + np.float32(intercept)
    return plane if mirror is None else np.float32(mirror) - plane


def read_pixels(file: Path) -> Pixels:
    """Read all pixels of a file.

    Raises:
        InputError: The file is damaged, or lacks a tag without which they cannot be read.
        OSError: The file cannot be opened.
    """
    with faults(file):
        whole = pydicom.dcmread(file, force=True)
        _state_syntax(whole)
        needed = _NEEDED_BY_INTEGERS if "PixelData" in whole else _NEEDED
        missing = [tag for tag in needed if tag not in whole]
        if missing:
            text = f"{file.name}: its header lacks {', '.join(missing)}"
            raise InputError("file-damaged", text, AGAIN)
        try:
            stored = whole.pixel_array
            rescaled = False
        except (RuntimeError, NotImplementedError, ImportError):
            # No decoder for this compression in pydicom: ITK brings its own and rescales.
            stored, rescaled = _pixels_by_itk(file), True
        if stored.ndim == 2:
            stored = stored[None]
        if stored.ndim != 3 or stored.shape[1:] != (whole.Rows, whole.Columns):
            raise ValueError(f"pixels of shape {stored.shape}")
        return stored, rescaled


def _state_syntax(whole: Dataset) -> None:
    """Say how a file is encoded that has no meta header: as it was read, and not compressed."""
    if "TransferSyntaxUID" in whole.file_meta:
        return
    implicit, little = whole.original_encoding
    plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    whole.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain


def _pixels_by_itk(file: Path) -> NDArray[Any]:
    import SimpleITK as sitk  # noqa: N813

    return np.asarray(sitk.GetArrayFromImage(sitk.ReadImage(str(file), imageIO="GDCMImageIO")))
