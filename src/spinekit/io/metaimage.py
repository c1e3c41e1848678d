"""MetaImage headers (.mha, .mhd): text up to the line ``ElementDataFile``.

Knows no voxels. Read here rather than by ITK, whose C++ reader ends the whole program on some
damaged headers.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from spinekit.io.header import ItkGeometry, itk_affine
from spinekit.io.raster import HeaderError, Raster, check_axes

_LONGEST_HEADER = 1 << 16
_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4",
    "LONG": "i4", "ULONG": "u4", "LONG_LONG": "i8", "ULONG_LONG": "u8",
    "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip
"""MetaIO's type names without MET_; its LONG has 4 bytes everywhere."""
_AXES = ("TransformMatrix", "Rotation", "Orientation")
"""Keys of the directions of the axes."""


def parse_metaimage(path: Path) -> Raster:
    """Read the header of a MetaImage file.

    Raises:
        HeaderError: If it is none, or says what cannot be.
        OSError: If the file cannot be opened.
    """
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    end = re.search(rb"(?m)^\s*ElementDataFile\s*=[^\n]*\n?", start)
    if end is None:
        raise HeaderError("has no line ElementDataFile")
    fields = _fields(start[: end.end()].decode("latin-1"))
    if fields.get("ObjectType", "Image") != "Image":
        raise HeaderError(f"describes a {fields['ObjectType']}, not an image")
    dims = int(fields["NDims"])
    sizes = tuple(int(n) for n in fields["DimSize"].split())
    check_axes(dims, sizes)
    geometry = _geometry(fields, dims)
    data, offset = _data_place(path, fields["ElementDataFile"], end.end())
    return Raster(
        sizes=sizes,
        dtype=_dtype(fields),
        packing="gzip" if _flag(fields, "CompressedData") else "raw",
        data=data,
        offset=int(fields.get("HeaderSize", 0)) or offset,
        volume_axis=3 if dims > 3 else None,
        affine=itk_affine(geometry),
        geometry=geometry,
        placed=dims > 2 and any(key in fields for key in _AXES),
    )


def _fields(text: str) -> dict[str, str]:
    """Keys and values of the header's lines; later lines win, as in MetaIO."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _flag(fields: dict[str, str], key: str) -> bool:
    return fields.get(key, "False").lower().startswith(("t", "1", "y"))


def _dtype(fields: dict[str, str]) -> np.dtype[np.generic]:
    """Type of one voxel; colours and vectors are refused."""
    name = fields["ElementType"].removeprefix("MET_")
    if int(fields.get("ElementNumberOfChannels", 1)) != 1 or name.endswith("_ARRAY"):
        raise HeaderError("states several numbers per voxel", "colour-image")
    if name not in _TYPES:
        raise HeaderError(f"states the unknown voxel type {fields['ElementType']}")
    if not _flag(fields, "BinaryData") and "BinaryData" in fields:
        raise HeaderError("announces voxels as text")
    big = _flag(fields, "BinaryDataByteOrderMSB") or _flag(fields, "ElementByteOrderMSB")
    return np.dtype((">" if big else "<") + _TYPES[name])


def _geometry(fields: dict[str, str], dims: int) -> ItkGeometry:
    """Spacing, origin and direction of the first two or three axes."""
    size = min(dims, 3)
    spacing = _numbers(fields, ("ElementSpacing", "ElementSize"), dims, [1.0] * dims)
    origin = _numbers(fields, ("Offset", "Position", "Origin"), dims, [0.0] * dims)
    identity = np.eye(dims).ravel().tolist()
    axes = _numbers(fields, _AXES, dims**2, identity)
    # The file lists one axis after the other; a direction matrix has them as columns.
    direction = np.array(axes).reshape(dims, dims)[:size, :size].T
    return ItkGeometry(
        tuple(spacing[:size]), tuple(origin[:size]), tuple(direction.ravel().tolist())
    )


def _numbers(
    fields: dict[str, str], keys: tuple[str, ...], count: int, default: list[float]
) -> list[float]:
    """Numbers of the first key that is there."""
    for key in keys:
        if key in fields:
            numbers = [float(n) for n in fields[key].split()]
            if len(numbers) != count:
                raise HeaderError(f"has {len(numbers)} numbers for {key} instead of {count}")
            return numbers
    return default


def _data_place(path: Path, value: str, header_end: int) -> tuple[Path, int]:
    """File and byte where the voxels begin."""
    if value.upper() == "LOCAL":
        return path, header_end
    if value.upper().startswith("LIST") or "%" in value or not value:
        raise HeaderError("spreads the voxels over several files")
    return path.parent / value, 0
