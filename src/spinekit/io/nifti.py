"""NIfTI-1 and NIfTI-2, single file, plain or gzipped: header, voxels and header of results.

Knows nothing about spines. Reads the header before it reads any voxel, so that nothing too
large, of the wrong kind or cut off is ever loaded.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.io.header import HeaderInfo
from spinekit.io.nifti_forms import describe_disagreement, find_affine, read_unit_mm
from spinekit.io.voxels import (
    VolumeMean,
    check_layers,
    check_size,
    check_slices,
    check_volume_index,
    make_grid,
    make_grid_in_mm,
    volume_notice,
)

_HEADERS = {348: Nifti1Header, 540: Nifti2Header}
_MAGIC = {348: (b"n+1\0",), 540: (b"n+2\0",)}
_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8",
    256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
"""NIfTI datatype codes with one real number per voxel (nifti1.h, DT_*)."""
_COLOUR_TYPES = (128, 2304)
_COMPLEX_TYPES = (32, 1792, 2048)
_GEOMETRY_FIELDS = (
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class NiftiScan:
    """What a NIfTI file holds, one volume of it."""

    array: NDArray[Any]
    """(I, J, K) scaled voxels; integers where the header scales nothing."""
    header: HeaderInfo
    notices: tuple[Notice, ...]


def read_nifti(
    path: Path,
    *,
    volume_index: int | None = None,
    force: bool = False,
    label_map: bool = False,
) -> NiftiScan:
    """Read one volume of a ``.nii`` or ``.nii.gz`` file.

    Args:
        path: The file.
        volume_index: Which volume of a 4-D file; None takes their mean.
        force: Read more than 2 GiB.
        label_map: Accept any number of voxels, since nothing will be segmented.

    Returns:
        The scaled voxels with their header.

    Raises:
        InputError: If the file is damaged or of a kind that cannot be used.
        GeometryError: If its affine is unusable.
        UsageError: If it has no volume ``volume_index``.
        OSError: If the file cannot be opened.
    """
    name = path.name
    with _opened(path) as stream:
        header, raw = _read_header(name, stream)
        shape, dtype, offset = _check_header(name, header, force=force)
        spatial, count = shape[:3], math.prod(shape[3:])
        full = (*spatial, 1, 1)[:3]
        if label_map:
            check_layers(name, count)
        else:
            check_slices(name, full)
        check_volume_index(name, volume_index, count)
        grid, notices = _grid(name, header, spatial)
        if count > 1:
            notices.append(volume_notice(volume_index, count))
        _skip(name, stream, offset - len(raw))
        stored, more = _read_volumes(name, stream, full, dtype, count, volume_index)
        array = _scaled(stored, _scaling(header))
        _check_end(stream)
        notices += more
    return NiftiScan(array, HeaderInfo(spatial, grid, nifti=raw), tuple(notices))


def read_extent(path: Path) -> tuple[Grid, int]:
    """Grid and number of volumes, without reading a voxel.

    Raises:
        InputError: If the header is damaged or of a kind that cannot be used.
        GeometryError: If its affine is unusable.
        OSError: If the file cannot be opened.
    """
    with _opened(path) as stream:
        header, _ = _read_header(path.name, stream)
    shape, _, _ = _check_header(path.name, header, force=True)
    return _grid(path.name, header, shape[:3])[0], math.prod(shape[3:])


def find_disagreement(path: Path) -> str | None:
    """What `describe_disagreement` says of a file's header.

    Raises:
        InputError: If the header is damaged.
        OSError: If the file cannot be opened.
    """
    with _opened(path) as stream:
        return describe_disagreement(_read_header(path.name, stream)[0])


def result_header(info: HeaderInfo, shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """Header block of a single-file NIfTI (to byte 352 or 544) for a result.

    Geometry fields and units are the input's, bit for bit; everything else is fresh.

    Args:
        info: Header of the input, or of a grid.
        shape: Shape to store.
        dtype: Little-endian dtype to store.

    Returns:
        The bytes in front of the voxels.
    """
    old = None if info.nifti is None else _parse(info.nifti)
    wide = max(shape) > np.iinfo(np.int16).max
    kind = Nifti2Header if wide or isinstance(old, Nifti2Header) else Nifti1Header
    header = kind(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["pixdim"][1:4] = info.grid.spacing_mm
    if old is not None:
        header["pixdim"][:4] = old["pixdim"][:4]
        for field in _GEOMETRY_FIELDS:
            header[field] = old[field]
        header["xyzt_units"] = int(old["xyzt_units"]) & 7
    else:
        header["xyzt_units"] = 2
        header.set_sform(info.grid.affine, code=1)
        if not info.grid.is_sheared:
            header.set_qform(info.grid.affine, code=1)
    size = int(header["sizeof_hdr"]) + 4
    header["vox_offset"] = size
    header["scl_slope"], header["scl_inter"] = 1, 0
    return bytes(header.binaryblock) + b"\0\0\0\0"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The uncompressed stream; damage found while reading becomes an InputError."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file
        try:
            yield stream
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise _damaged(path.name, f"its compressed data is damaged ({error})") from error


def _read_header(name: str, stream: BinaryIO) -> tuple[Nifti1Header, bytes]:
    """Parse the header; leaves the stream right behind it."""
    start = stream.read(4)
    if not start:
        raise InputError("empty-file", f"{name}: the file is empty", "copy or export it again")
    size = next(
        (n for n in _HEADERS if start in (n.to_bytes(4, "little"), n.to_bytes(4, "big"))), None
    )
    if size is None:
        raise InputError(
            "wrong-type", f"{name}: not a NIfTI file", "give a NIfTI, mha, nrrd or DICOM scan"
        )
    raw = start + stream.read(size - 4)
    if len(raw) < size:
        raise _damaged(name, "it ends within the header")
    header = _parse(raw)
    # numpy strips trailing zeros from fixed-width strings.
    if not header["magic"].item().startswith(_MAGIC[size][0][:3]):
        raise InputError(
            "wrong-type",
            f"{name}: not a single-file NIfTI (the header has another magic word)",
            "convert Analyze or .hdr/.img pairs to .nii.gz first",
        )
    return header, raw


def _parse(raw: bytes) -> Nifti1Header:
    """Header of 348 or 540 bytes, in its own byte order, unchecked."""
    size = len(raw)
    endian = "<" if raw[:4] == size.to_bytes(4, "little") else ">"
    return _HEADERS[size](binaryblock=raw, endianness=endian, check=False)


def _check_header(
    name: str, header: Nifti1Header, *, force: bool
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape without ones beyond the third axis, dtype in the file's byte order, data offset."""
    dims = int(header["dim"][0])
    if not 1 <= dims <= 7:
        raise _damaged(name, f"its header states {dims} axes")
    shape = tuple(int(n) for n in header["dim"][1 : dims + 1])
    code = int(header["datatype"])
    if code in _COLOUR_TYPES:
        raise InputError(
            "colour-image", f"{name}: the voxels are RGB colours", "export the scan as grey values"
        )
    if code in _COMPLEX_TYPES:
        raise InputError(
            "complex-image", f"{name}: the voxels are complex numbers", "export the magnitude"
        )
    if code not in _TYPES:
        raise InputError(
            "unknown-voxel-type",
            f"{name}: voxel type {code} is not supported",
            "convert the scan to 16-bit integers or 32-bit floats",
        )
    dtype = np.dtype(header.endianness + _TYPES[code])
    check_size(name, shape, dtype.itemsize, force=force)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) > 4:
        raise InputError(
            "five-dimensional",
            f"{name}: the image has {len(shape)} axes ({'×'.join(map(str, shape))})",
            "give one volume, or a series of volumes with four axes",
        )
    # Zero is what some writers leave; the voxels then follow the header and its flag.
    offset = float(header["vox_offset"]) or len(header.binaryblock) + 4.0
    if not math.isfinite(offset) or offset < len(header.binaryblock) or offset % 1:
        raise _damaged(name, f"its header states voxels from byte {offset:g}")
    return shape, dtype, int(offset)


def _scaling(header: Nifti1Header) -> tuple[float, float] | None:
    """Slope and intercept, or None where the header scales nothing."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        return None
    return None if (slope, intercept) == (1, 0) else (slope, intercept)


def _grid(name: str, header: Nifti1Header, spatial: tuple[int, ...]) -> tuple[Grid, list[Notice]]:
    """Grid in mm, and notices about it."""
    shape = (*spatial, 1, 1)[:3]
    affine, notices = find_affine(name, header, spatial)
    scale = read_unit_mm(header)
    if scale == 1:
        return make_grid(name, shape, affine), notices
    told = "metres" if scale > 1 else "µm"
    converted = np.diag([scale, scale, scale, 1]) @ affine
    grid, more = make_grid_in_mm(name, shape, affine, converted, told)
    return grid, [*notices, *more]


def _skip(name: str, stream: BinaryIO, count: int) -> None:
    """Read past extensions."""
    while count > 0:
        step = len(stream.read(min(count, _CHUNK)))
        if step == 0:
            raise _damaged(name, "it ends before the voxels")
        count -= step


def _read_volumes(
    name: str,
    stream: BinaryIO,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    count: int,
    volume_index: int | None,
) -> tuple[NDArray[Any], list[Notice]]:
    """The chosen volume or the mean of all as stored, one volume in memory at a time."""
    size = math.prod(shape) * dtype.itemsize
    if count == 1 or volume_index is not None:
        chosen = volume_index or 0
        _skip(name, stream, chosen * size)
        array = _read_volume(name, stream, shape, dtype)
        _skip(name, stream, (count - 1 - chosen) * size)
        return array, []
    mean = VolumeMean(shape)
    for _ in range(count):
        mean.add(_read_volume(name, stream, shape, dtype))
    return mean.result()


def _read_volume(
    name: str, stream: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """One volume as stored, i running fastest."""
    expected = math.prod(shape) * dtype.itemsize
    # Grown as the data comes: a header may promise far more than the file holds.
    data = bytearray()
    while len(data) < expected:
        chunk = stream.read(min(_CHUNK, expected - len(data)))
        if not chunk:
            raise _damaged(name, f"it ends after {len(data)} of {expected} bytes of voxels")
        data += chunk
    return np.frombuffer(data, dtype=dtype).reshape(shape, order="F")


def _scaled(array: NDArray[Any], scaling: tuple[float, float] | None) -> NDArray[Any]:
    """Voxels times the slope, plus the intercept; of integers 32-bit floats hold 16 bits surely."""
    if scaling is None:
        return array
    slope, intercept = scaling
    kind = np.float32 if array.dtype.itemsize < 4 or array.dtype.char == "f" else np.float64
    with np.errstate(over="ignore", invalid="ignore"):
        scaled: NDArray[Any] = array.astype(kind)
        scaled *= kind(slope)
        scaled += kind(intercept)
    return scaled


def _check_end(stream: BinaryIO) -> None:
    """Read what is left, since the checksum of a compressed stream stands at its end."""
    while stream.read(_CHUNK):
        pass


def _damaged(name: str, what: str) -> InputError:
    return InputError(
        "file-damaged", f"{name}: the file is damaged: {what}", "copy or export it again"
    )
