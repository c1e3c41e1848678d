"""DICOM frames: what a file says of each of its slices, one or, in an enhanced image, many.

Knows tags; neither how pixels are stored nor how slices make a stack. Patient fields are not read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from spinekit.core.errors import InputError
from spinekit.io.dicom_faults import AGAIN, dicom_errors
from spinekit.io.dicom_objects import is_coloured
from spinekit.io.dicom_pixels import load_plane, read_pixels
from spinekit.io.dicom_values import (
    find_value,
    mirror_sum,
    read_kind,
    read_number,
    read_numbers,
    read_padding,
    read_words,
)
from spinekit.io.frames import Frame


def read_frames(
    items: Sequence[tuple[Path, Dataset]], *, force: bool
) -> tuple[list[Frame], list[str]]:
    """Every slice of a series.

    Args:
        items: Its files with their headers.
        force: Pass over what cannot be read: a file, or a frame of one.

    Returns:
        The slices, and why something was passed over.

    Raises:
        InputError: A file or frame cannot be read; with ``force``, none can.
        OSError: A file cannot be opened.
    """
    frames: list[Frame] = []
    lost: list[InputError] = []
    for file, header in items:
        pixels = functools.cache(functools.partial(read_pixels, file))
        try:
            makers = _frames(file, header, pixels)
            if force:
                pixels()
        except InputError as error:
            lost.append(error)
            makers = []
        for make in makers:
            try:
                with dicom_errors(file, "its header holds values that are no numbers"):
                    frame = make()
                if force:
                    frame.load()
                frames.append(frame)
            except InputError as error:
                lost.append(error)
        if lost and not force:
            raise lost[0]
    if lost and not frames:
        raise lost[-1]
    return frames, [error.message for error in lost]


def _frames(
    file: Path, header: Dataset, pixels: Callable[[], NDArray[Any]]
) -> list[Callable[[], Frame]]:
    """What makes each slice of a file."""
    if is_coloured(header):
        raise InputError(
            "colour-image",
            f"{file.name}: the pixels are colours",
            "choose the series with grey values",
        )
    with dicom_errors(file, "its header holds values that are no numbers"):
        own_groups = list(header.get("PerFrameFunctionalGroupsSequence") or [])
        stated = int(header.get("NumberOfFrames") or 1)
        shared = list(header.get("SharedFunctionalGroupsSequence") or [])[:1]
    if not own_groups:
        if stated > 1:
            raise _no_geometry(file)
        if "MOSAIC" in read_words(header.get("ImageType")):
            raise InputError(
                "mosaic",
                f"{file.name}: a mosaic, which holds all slices tiled into one picture",
                "convert the series with dcm2niix, or export it without mosaics",
            )
        return [functools.partial(_frame, file, header, [header], pixels, 0)]
    if len(own_groups) < stated:
        text = f"{file.name}: its header describes {len(own_groups)} of {stated} frames"
        raise InputError("file-damaged", text, AGAIN)
    return [
        functools.partial(_frame, file, header, [own, *shared, header], pixels, index)
        for index, own in enumerate(own_groups)
    ]


def _frame(
    file: Path,
    header: Dataset,
    groups: Sequence[Dataset],
    pixels: Callable[[], NDArray[Any]],
    index: int,
) -> Frame:
    """One slice, whose attributes stand in the first of ``groups`` that has them."""
    position = read_numbers(find_value(groups, "ImagePositionPatient", "PlanePositionSequence"), 3)
    turned = read_numbers(
        find_value(groups, "ImageOrientationPatient", "PlaneOrientationSequence"), 6
    )
    spacing = read_numbers(find_value(groups, "PixelSpacing", "PixelMeasuresSequence"), 2)
    if position is None or turned is None or spacing is None:
        raise _no_geometry(file, None if len(groups) == 1 else index)
    lengths = [np.linalg.norm(turned[:3]), np.linalg.norm(turned[3:])]
    if min(spacing) <= 0 or min(lengths) < 0.5:
        raise InputError(
            "zero-spacing", f"{file.name}: its pixel spacing or orientation is zero", AGAIN
        )
    between = read_number(find_value(groups, "SpacingBetweenSlices", "PixelMeasuresSequence"))
    thickness = read_number(find_value(groups, "SliceThickness", "PixelMeasuresSequence"))
    slope = read_number(find_value(groups, "RescaleSlope", "PixelValueTransformationSequence"))
    intercept = read_number(
        find_value(groups, "RescaleIntercept", "PixelValueTransformationSequence")
    )
    # A slope of zero, which some writers leave, would make every slice black.
    scale, offset = slope or 1.0, intercept or 0.0
    single = len(groups) == 1
    number = read_number(header.get("InstanceNumber"))
    kind = read_kind(groups)
    order = (
        read_number(find_value(groups, "EchoTime"))
        or read_number(find_value(groups, "EffectiveEchoTime", "MREchoSequence"))
        or 0.0,
        read_number(find_value(groups, "TemporalPositionIdentifier"))
        or read_number(find_value(groups, "TemporalPositionIndex", "FrameContentSequence"))
        or 0.0,
        float(kind[0]),
        read_number(header.get("AcquisitionNumber")) or 0.0,
        number or 0.0,
        float(index),
    )
    mirror, padding = mirror_sum(header, scale, offset), read_padding(header)
    return Frame(
        label=file.name if single else f"frame {index + 1}",
        position=position,
        along_row=turned[:3] / lengths[0],
        along_column=turned[3:] / lengths[1],
        spacing_mm=(float(spacing[1]), float(spacing[0])),
        size=(int(header.Columns), int(header.Rows)),
        thickness_mm=abs(between or 0) or abs(thickness or 0) or 1.0,
        order=order,
        kind=kind,
        number=number if single else None,
        load=functools.partial(load_plane, file, pixels, index, scale, offset, mirror, padding),
    )


def _no_geometry(file: Path, index: int | None = None) -> InputError:
    what = "the image" if index is None else f"frame {index + 1}"
    return InputError(
        "no-geometry",
        f"{file.name}: {what} states no position, orientation or pixel spacing",
        "export the original series instead of a screenshot or secondary capture",
    )
