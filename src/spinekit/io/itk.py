"""MetaImage (.mha, .mhd) and NRRD (.nrrd) files, read through SimpleITK.

Knows nothing about spines; turns ITK's LPS+ frame into RAS+.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice
from spinekit.io.header import HeaderInfo, ItkGeometry, itk_affine
from spinekit.io.voxels import (
    check_size,
    check_slices,
    check_volume_index,
    make_grid,
    volume_notice,
)

_READERS = {".mha": "MetaImageIO", ".mhd": "MetaImageIO", ".nrrd": "NrrdImageIO"}
_BYTES = {"8": 1, "16": 2, "32": 4, "64": 8}


def read_itk(
    path: Path,
    *,
    volume_index: int | None = None,
    force: bool = False,
    label_map: bool = False,
) -> tuple[NDArray[Any], HeaderInfo, tuple[Notice, ...]]:
    """Read one volume of an mha, mhd or nrrd file.

    Args:
        path: The file.
        volume_index: Which volume of a 4-D file; None takes their mean.
        force: Read more than 2 GiB.
        label_map: Accept any number of voxels, since nothing will be segmented.

    Returns:
        (I, J, K) voxels, header and notices.

    Raises:
        InputError: If the file is damaged or of a kind that cannot be used.
        GeometryError: If its affine is unusable.
        UsageError: If it has no volume ``volume_index``.
        OSError: If the file cannot be opened.
    """
    import SimpleITK as sitk  # noqa: N813

    name = path.name
    for companion in (path, *data_files(path)):
        with companion.open("rb") as file:
            if not file.read(1):
                raise InputError("empty-file", f"{companion.name}: the file is empty", _AGAIN)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetImageIO(_READERS[path.suffix.lower()])
    with _translated(name), _silent():
        reader.ReadImageInformation()
    shape = tuple(int(n) for n in reader.GetSize())
    kind = sitk.GetPixelIDValueAsString(reader.GetPixelID())
    _check_kind(name, kind, reader.GetNumberOfComponents())
    bits = re.search(r"(8|16|32|64)", kind)
    check_size(name, shape, _BYTES[bits.group()] if bits else 4, force=force)
    count = _check_axes(name, shape)
    if not label_map:
        check_slices(name, shape[:3])
    check_volume_index(name, volume_index, count)
    dims = min(len(shape), 3)
    geometry = _geometry(reader, len(shape), dims)
    grid = make_grid(name, (*shape, 1)[:3], itk_affine(geometry))
    with _translated(name), _silent():
        # The view does not own its voxels: the image must outlive it.
        image = reader.Execute()
        array = sitk.GetArrayViewFromImage(image).T.copy(order="K")
    array = array.reshape((*shape[:dims], 1)[:3] + (() if len(shape) < 4 else (count,)))
    notices = [] if dims == 3 else [Notice("orientation-assumed", _ASSUMED)]
    if array.ndim == 4:
        if count > 1:
            notices.append(volume_notice(volume_index, count))
        array = array.mean(axis=3) if volume_index is None else array[..., volume_index]
    return array, HeaderInfo(shape[:dims], grid, itk=geometry), tuple(notices)


_AGAIN = "copy or export it again"
_ASSUMED = "a 2-D image states no place; a sagittal slice (i → P, j → I) was assumed"


def data_files(path: Path) -> list[Path]:
    """The files besides ``path`` that hold its voxels: one for most ``.mhd``, else none.

    Raises:
        InputError: If such a file is missing.
        OSError: If ``path`` cannot be read.
    """
    if path.suffix.lower() != ".mhd":
        return []
    text = path.read_bytes()[:65536].decode("latin-1")
    match = re.search(r"^\s*ElementDataFile\s*=\s*(\S.*?)\s*$", text, re.MULTILINE)
    if match is None or match.group(1).upper().startswith(("LOCAL", "LIST")):
        return []
    companion = path.parent / match.group(1)
    if "%" in match.group(1):
        return []
    if not companion.is_file():
        raise InputError(
            "file-missing",
            f"{path.name}: its voxel file {companion.name} is missing",
            "keep both files in one folder",
        )
    return [companion]


def _check_kind(name: str, kind: str, components: int) -> None:
    """Refuse anything but one real number per voxel."""
    if components > 1 or "vector" in kind:
        raise InputError(
            "colour-image",
            f"{name}: each voxel holds {components} numbers (colours or vectors)",
            "export the scan as grey values",
        )
    if "complex" in kind:
        raise InputError(
            "complex-image", f"{name}: the voxels are complex numbers", "export the magnitude"
        )


def _check_axes(name: str, shape: tuple[int, ...]) -> int:
    """Number of volumes; refuses what is neither a slice, a volume nor a series of volumes."""
    if len(shape) > 4 and max(shape[4:]) > 1:
        raise InputError(
            "five-dimensional",
            f"{name}: the image has {len(shape)} axes ({'×'.join(map(str, shape))})",
            "give one volume, or a series of volumes with four axes",
        )
    return math.prod(shape[3:])


def _geometry(reader: Any, size: int, dims: int) -> ItkGeometry:
    """Spacing, origin and direction of the spatial axes."""
    direction = np.array(reader.GetDirection()).reshape(size, size)[:dims, :dims]
    return ItkGeometry(
        tuple(reader.GetSpacing())[:dims],
        tuple(reader.GetOrigin())[:dims],
        tuple(direction.ravel().tolist()),
    )


@contextlib.contextmanager
def _translated(name: str) -> Iterator[None]:
    """Turn ITK's exceptions into an InputError with their last telling line."""
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        told = [line for line in lines if "Exception thrown" not in line and ".cxx:" not in line]
        text = re.sub(r"(?i)^itk(::)? ?ERROR: *\w*\(0x[0-9a-f]+\): *", "", told[0] if told else "")
        if re.search(r"(?i)spacing", text):
            what = "the voxel spacing in the header is zero or not a number"
            raise InputError(
                "zero-spacing", f"{name}: {what}", "repair the header, or export the scan again"
            ) from error
        raise InputError("file-damaged", f"{name}: the file is damaged or cut off", _AGAIN) from (
            error
        )


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep ITK's C++ code from writing to the terminal behind Python's back."""
    try:
        saved = os.dup(2)
    except OSError:
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
