"""Writing: label maps, images and reports, each whole or not at all.

Knows formats and files, not what the labels mean. A file is written under a hidden temporary
name beside its place and moved there when complete; the same content gives the same bytes.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import OutputError
from spinekit.core.grid import Grid
from spinekit.io import itk_bytes
from spinekit.io.claims import hidden_beside, open_alone
from spinekit.io.header import HeaderInfo

if sys.platform != "win32":
    import fcntl

FORMATS = ("nii.gz", "nii", "mha", "nrrd")
"""Endings of volumes that can be written; ``.seg.nrrd`` has its own function."""
_GZIP_LEVEL = 3
"""Label maps shrink 50-fold already here; higher levels cost time for a few per cent."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


def write_labels(
    path: str | Path, array: NDArray[Any], header: HeaderInfo | Grid, *, fmt: str | None = None
) -> None:
    """Write an unsigned 8-bit label map on the grid of the input.

    Args:
        path: File to write or replace.
        array: (I, J, K) labels from 0 to 255; a 2-D input's labels in its shape will do too.
        header: Header of the input, whose shape and geometry fields are kept; or a grid.
        fmt: One of `FORMATS`; by default what ``path`` ends with.

    Raises:
        OutputError: If the file cannot be written, the format is unknown or the array does not
            fit; nothing is left behind.
        GeometryError: If the format cannot hold a sheared grid.
    """
    if array.dtype != np.uint8:
        if array.size and not (array.min() >= 0 and array.max() <= 255):
            raise OutputError(
                "labels-too-large", f"{Path(path).name}: labels exceed 0 … 255", "renumber them"
            )
        array = array.astype(np.uint8)
    _write_volume(Path(path), array, header, fmt)


def write_image(
    path: str | Path,
    array: NDArray[Any],
    header: HeaderInfo | Grid,
    *,
    fmt: str | None = None,
    dtype: str = "float32",
) -> None:
    """Write an image as `dtype`; other arguments, formats and errors as for `write_labels`."""
    _write_volume(Path(path), array.astype(dtype, copy=False), header, fmt)


def write_seg_nrrd(
    path: str | Path,
    array: NDArray[Any],
    grid: HeaderInfo | Grid,
    segments: Sequence[tuple[int, str, tuple[int, int, int]]],
) -> None:
    """Write a segmentation that 3D Slicer opens with names and colours.

    Args:
        path: File to write or replace, ending in ``.seg.nrrd``.
        array: (I, J, K) labels from 0 to 255.
        grid: Where they lie.
        segments: Value, name and RGB (0 to 255) of each segment, in the order to list them.

    Raises:
        OutputError: If the file cannot be written; nothing is left behind.
        GeometryError: If the grid is sheared.
    """
    info = HeaderInfo.of_grid(grid.grid if isinstance(grid, HeaderInfo) else grid)
    voxels = _in_shape(Path(path), array, info).astype(np.uint8, copy=False)
    fields = itk_bytes.segment_fields(voxels, segments)
    header = itk_bytes.nrrd_header(voxels.shape, voxels.dtype, info.itk_geometry(), fields)
    _atomic(Path(path), lambda file: _write_gzip(file, voxels, first=header))


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as UTF-8 with two blanks of indentation, keys in the order given.

    Bytes of a file name that are no text are written as JSON's escapes of what Python takes them
    for.

    Raises:
        OutputError: If the file cannot be written; nothing is left behind.
        ValueError: If the content holds NaN or infinity, which JSON cannot say.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode("utf-8", "backslashreplace"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: If the file cannot be written; nothing is left behind.
    """
    _atomic(Path(path), lambda file: file.write(content))


@contextlib.contextmanager
def output_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors while writing ``path`` into an OutputError that names it."""
    try:
        yield
    except OSError as error:
        name = path.name or str(path)
        if error.errno in _FULL:
            raise OutputError(
                "disk-full", f"{name}: the disk or quota is full", "free some space"
            ) from error
        if error.errno in _FORBIDDEN:
            raise OutputError(
                "no-permission",
                f"{name}: no permission to write it",
                "choose a folder you may write to",
            ) from error
        if error.errno == errno.ENAMETOOLONG:
            raise OutputError(
                "cannot-write", f"{name}: the name is too long for this disk", "rename the scan"
            ) from error
        raise OutputError(
            "cannot-write", f"{name}: cannot be written ({error.strerror or error})", "check OUT"
        ) from error


def _atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` with a temporary file that becomes ``path``, or vanishes on any failure."""
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as file:
            write(file)


@contextlib.contextmanager
def unfinished(path: Path) -> Iterator[BinaryIO]:
    """Open the hidden file that takes the place of ``path`` on success and vanishes otherwise.

    It has one name per ``path``, so that what a killed process left of it is written over; who
    finds it in use waits.

    Args:
        path: File to write or replace; its folder must be there.

    Yields:
        The hidden file, empty.

    Raises:
        OSError: The system's own error.
    """
    temporary, file = _open_alone(path)
    try:
        with file:
            yield file
            file.flush()
            if sys.platform != "win32":  # moved while it is still ours
                os.replace(temporary, path)
        if sys.platform == "win32":  # which moves no open file
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _open_alone(path: Path) -> tuple[Path, BinaryIO]:
    """Create the hidden file of ``path``, or take over one that no living process holds."""
    if sys.platform == "win32":
        temporary = hidden_beside(path, f".{os.getpid()}.partial")
        return temporary, temporary.open("wb")
    temporary = hidden_beside(path, ".partial")

    def hold(file: BinaryIO) -> None:
        with contextlib.suppress(OSError):  # a network drive may know no locks
            fcntl.flock(file, fcntl.LOCK_EX)

    file = open_alone(temporary, hold)
    file.truncate()
    return temporary, file


def _write_volume(
    path: Path, array: NDArray[Any], header: HeaderInfo | Grid, fmt: str | None
) -> None:
    """Write a volume in one of `FORMATS`."""
    info = header if isinstance(header, HeaderInfo) else HeaderInfo.of_grid(header)
    ending = fmt or next((f for f in FORMATS if path.name.lower().endswith("." + f)), "")
    voxels = _in_shape(path, array, info)
    if ending in ("nii.gz", "nii"):
        from spinekit.io.nifti import result_header

        if info.nifti is None:
            # A NIfTI of two axes states a third direction all the same, which ITK then misses.
            voxels = voxels.reshape(info.grid.shape)
        first = result_header(info, voxels.shape, voxels.dtype)
        if ending == "nii":
            _atomic(path, lambda file: _write_plain(file, voxels, first=first))
        else:
            _atomic(path, lambda file: _write_gzip(file, voxels, gzipped_first=first))
    elif ending in ("mha", "nrrd"):
        if info.itk is None:
            # A 2-D NIfTI has a place in space, which a 2-D ITK image could not state.
            voxels = voxels.reshape(info.grid.shape)
        if ending == "nrrd":
            first = itk_bytes.nrrd_header(voxels.shape, voxels.dtype, info.itk_geometry(), [])
            _atomic(path, lambda file: _write_gzip(file, voxels, first=first))
        else:
            content = itk_bytes.mha_bytes(voxels, info.itk_geometry())
            _atomic(path, lambda file: file.write(content))
    else:
        raise OutputError(
            "unknown-format",
            f"{path.name}: cannot write {ending or path.suffix or 'a file without an extension'}",
            f"choose one of {', '.join(FORMATS)}",
        )


def _in_shape(path: Path, array: NDArray[Any], info: HeaderInfo) -> NDArray[Any]:
    """The array in the header's shape, which may have fewer axes."""
    if array.shape not in (info.shape, info.grid.shape):
        raise OutputError(
            "shape-mismatch",
            f"{path.name}: results of shape {array.shape} do not fit a scan of {info.shape}",
            "give results on the scan's own grid",
        )
    return array.reshape(info.shape)


def _write_plain(file: BinaryIO, array: NDArray[Any], *, first: bytes) -> None:
    file.write(first)
    file.write(array.tobytes(order="F"))


def _write_gzip(
    file: BinaryIO, array: NDArray[Any], *, first: bytes = b"", gzipped_first: bytes = b""
) -> None:
    """Write ``first`` as it is, then the rest gzipped without name and time."""
    file.write(first)
    with gzip.GzipFile(
        filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=file, mtime=0
    ) as zipped:
        zipped.write(gzipped_first)
        zipped.write(array.tobytes(order="F"))
