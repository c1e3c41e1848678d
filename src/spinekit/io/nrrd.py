"""NRRD headers (.nrrd, .seg.nrrd): text up to the first blank line.

Knows no voxels. Format: Kindlmann, "Definition of NRRD File Format", teem.sourceforge.net.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinekit.io.header import LPS_TO_RAS, ItkGeometry, itk_affine
from spinekit.io.raster import HeaderError, Raster, check_axes

_LONGEST_HEADER = 1 << 22
_SEGMENT = re.compile(r"(Segment\d+)_(Name|LabelValue):=(.*)")
"""What 3D Slicer says of a segment."""
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_TYPE_OF = {name: kind for kind, names in _TYPES.items() for name in names}
_PACKINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_VOLUME_KINDS = ("list", "time", "domain", "space", "none", "???", "")
_VECTOR_WORDS = ("color", "vector", "normal", "gradient", "quaternion", "matrix", "complex")
_UNITS = {
    "m": ("metres", 1000.0), "meter": ("metres", 1000.0), "metre": ("metres", 1000.0),
    "cm": ("cm", 10.0), "centimeter": ("cm", 10.0), "centimetre": ("cm", 10.0),
    "um": ("µm", 0.001), "\u00b5m": ("µm", 0.001), "\u03bcm": ("µm", 0.001),
    "micron": ("µm", 0.001), "micrometer": ("µm", 0.001), "micrometre": ("µm", 0.001),
}  # fmt: skip
"""Unit of length, in the singular → what it is called, and millimetres of one."""
_RAS_SPACES = ("right-anterior-superior", "ras", "rast")
_LAS_SPACES = ("left-anterior-superior", "las", "last")
_LPS_SPACES = ("left-posterior-superior", "lps", "lpst")
"""Long names may end in `-time`, for which the short ones end in T."""


def parse_nrrd(path: Path) -> Raster:
    """Read the header of an NRRD file.

    Raises:
        HeaderError: If it is none, or says what cannot be.
        OSError: If the file cannot be opened.
    """
    text, size = _header(path)
    fields = _fields(text)
    data = fields.get("data file", fields.get("datafile"))
    if size is None and data is None:
        raise HeaderError("has no end")
    dims = int(fields["dimension"])
    sizes = tuple(int(n) for n in fields["sizes"].split())
    check_axes(dims, sizes)
    packing = fields["encoding"].lower()
    if packing not in _PACKINGS:
        raise HeaderError(f"states the encoding {packing}, which is not supported")
    volume_axis = _volume_axis(fields, dims)
    spatial = [axis for axis in range(dims) if axis != volume_axis]
    affine, geometry = _place(fields, spatial)
    unit, unit_mm = _unit(fields, spatial)
    file_path, offset = _data_place(path, data, size or 0, fields)
    return Raster(
        sizes=sizes,
        dtype=_dtype(fields),
        packing=_PACKINGS[packing],
        data=file_path,
        offset=offset,
        volume_axis=volume_axis,
        affine=affine,
        geometry=geometry,
        placed=geometry is None or _is_placed(fields, len(geometry.spacing)),
        unit=unit,
        unit_mm=unit_mm,
    )


def read_segments(path: Path) -> dict[int, str]:
    """What 3D Slicer calls the values of a segmentation.

    Returns:
        Value → name, in the file's order; empty where the header lists no segments.

    Raises:
        HeaderError: If it is no NRRD file.
        OSError: If the file cannot be opened.
    """
    segments: dict[str, dict[str, str]] = {}
    for found in map(_SEGMENT.fullmatch, _header(path)[0].splitlines()):
        if found:
            segments.setdefault(found[1], {})[found[2]] = found[3].strip()
    return {
        int(segment["LabelValue"]): segment["Name"]
        for segment in segments.values()
        if segment.get("LabelValue", "").isdecimal() and "Name" in segment
    }


def _header(path: Path) -> tuple[str, int | None]:
    """A header's text and its bytes with the blank line behind it, None where that is missing."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    if re.match(rb"NRRD000[1-5]\r?\n", start) is None:
        raise HeaderError("does not begin like one of NRRD")
    end = re.search(rb"\r?\n\r?\n", start)
    text = start[: end.start() if end else len(start)].decode("utf-8", "replace")
    return text, end.end() if end else None


def _fields(text: str) -> dict[str, str]:
    """Fields in lower case; comments and key/value pairs are passed over."""
    fields = {}
    for line in text.splitlines()[1:]:
        key, colon, value = line.partition(":")
        if colon and not line.startswith("#") and not value.startswith("="):
            fields[key.strip().lower()] = value.strip()
    return fields


def _dtype(fields: dict[str, str]) -> np.dtype[np.generic]:
    kind = _TYPE_OF.get(fields["type"].lower())
    if kind is None:
        raise HeaderError(f"states the unknown voxel type {fields['type']}")
    endian = fields.get("endian", "little").lower()
    if endian not in ("little", "big"):
        raise HeaderError(f"states the byte order {endian}")
    return np.dtype(("<" if endian == "little" else ">") + kind)


def _volume_axis(fields: dict[str, str], dims: int) -> int | None:
    """The axis that is not spatial; colours and vectors are refused."""
    kinds = fields.get("kinds", "").split() or [""] * dims
    if len(kinds) != dims:
        raise HeaderError(f"states {len(kinds)} kinds for {dims} axes")
    directions = _directions(fields)
    if directions is not None and len(directions) != dims:
        raise HeaderError(f"states {len(directions)} space directions for {dims} axes")
    other = [
        axis
        for axis in range(dims)
        if (directions is not None and directions[axis] is None)
        or kinds[axis].lower() not in ("domain", "space", "???", "")
    ]
    for axis in other:
        kind = kinds[axis].lower()
        if any(word in kind for word in _VECTOR_WORDS):
            raise HeaderError(f"states several numbers per voxel ({kind})", "colour-image")
        if kind not in _VOLUME_KINDS:
            raise HeaderError(f"states the unknown kind of axis {kind}")
    if not other and dims > 3:
        other = list(range(3, dims))
    return other[0] if other else None


def _directions(fields: dict[str, str]) -> list[NDArray[np.float64] | None] | None:
    """Vector of each axis, None for axes without one; None if the field is missing."""
    if "space directions" not in fields:
        return None
    parts = re.findall(r"\([^)]*\)|\S+", fields["space directions"])
    return [None if part.lower() == "none" else _vector(part) for part in parts]


def _vector(text: str) -> NDArray[np.float64]:
    return np.array([float(n) for n in text.strip("() ").split(",")])


def _place(
    fields: dict[str, str], spatial: list[int]
) -> tuple[NDArray[np.float64], ItkGeometry | None]:
    """Affine of the spatial axes, and the same as ITK states it where it can."""
    directions = _directions(fields)
    if len(spatial) > 3:
        raise HeaderError(f"states {len(spatial)} spatial axes")
    if directions is None:
        size = max(len(spatial), 2)
        given = [float(n) for n in fields.get("spacings", "").split()]
        spacing = [given[axis] if given else 1.0 for axis in spatial]
        spacing = [*spacing, 1.0][:size]
        geometry = ItkGeometry(tuple(spacing), (0.0,) * size, tuple(np.eye(size).ravel().tolist()))
        return itk_affine(geometry), geometry
    vectors = [directions[axis] for axis in spatial]
    # Time series may count time as a fourth direction of space.
    chosen = [vector[:3] for vector in vectors if vector is not None]
    size = len(chosen[0])
    if not 2 <= size <= 3 or any(len(vector) != size for vector in chosen):
        raise HeaderError("states space directions of different lengths")
    origin = _vector(fields["space origin"])[:3] if "space origin" in fields else np.zeros(size)
    if len(origin) != size:
        raise HeaderError(f"states an origin of {len(origin)} numbers")
    turn = _to_lps(_space(fields), size)
    matrix = turn @ np.array(chosen).T
    origin = turn @ origin
    if size == len(chosen):
        geometry = _stated(matrix, origin)
        return itk_affine(geometry), geometry
    # A slice that lies in space, which ITK cannot state: its third axis is the normal.
    affine = np.eye(4)
    affine[:3, : len(chosen)] = matrix
    affine[:3, len(chosen) : 3] = 0
    affine[:3, 3] = origin
    return LPS_TO_RAS @ affine, None


def _is_placed(fields: dict[str, str], size: int) -> bool:
    """Whether the header says where axes run, and in which space of a patient.

    ITK names none for a series of volumes, which it writes in LPS.
    """
    known = (*_RAS_SPACES, *_LAS_SPACES, *_LPS_SPACES)
    is_known = _space(fields) in known or fields.get("space dimension") == "4"
    return size == 3 and "space directions" in fields and is_known


def _unit(fields: dict[str, str], spatial: list[int]) -> tuple[str, float]:
    """Unit of length, and millimetres of one; words that are no such unit count as mm."""
    words = [a or b for a, b in re.findall(r'"([^"]*)"|([^\s"]+)', fields.get("space units", ""))]
    words = words[:3]
    if not words:
        listed = re.findall(r'"([^"]*)"|([^\s"]+)', fields.get("units", ""))
        words = [a or b for axis, (a, b) in enumerate(listed) if axis in spatial]
    units = {_UNITS.get(_singular(word), ("mm", 1.0)) for word in words if word}
    if len(units) > 1:
        raise HeaderError("states several units of length")
    return next(iter(units), ("mm", 1.0))


def _singular(word: str) -> str:
    """A unit's name in lower case, without the s of several."""
    name = word.strip().lower()
    return name.removesuffix("s") if len(name) > 2 else name


def _space(fields: dict[str, str]) -> str:
    """Name of the space in lower case, without its time."""
    return fields.get("space", "").lower().removesuffix("-time")


def _to_lps(name: str, size: int) -> NDArray[np.float64]:
    """Signs that turn a space into LPS, for which an unknown one is taken."""
    signs = [1.0] * size
    if size == 3 and name in _RAS_SPACES:
        signs = [-1.0, -1.0, 1.0]
    if size == 3 and name in _LAS_SPACES:
        signs = [1.0, -1.0, 1.0]
    return np.diag(signs)


def _stated(matrix: NDArray[np.float64], origin: NDArray[np.float64]) -> ItkGeometry:
    """Spacing, origin and direction of a square matrix of axes."""
    spacing = np.sqrt((matrix**2).sum(axis=0))
    # A zero axis stays zero, for the grid to refuse with the file's name.
    direction = matrix / np.where(spacing > 0, spacing, 1)
    return ItkGeometry(
        tuple(spacing.tolist()), tuple(origin.tolist()), tuple(direction.ravel().tolist())
    )


def _data_place(
    path: Path, data: str | None, header_end: int, fields: dict[str, str]
) -> tuple[Path, int]:
    """File and byte where the voxels begin."""
    skip = int(fields.get("byte skip", fields.get("byteskip", 0)))
    if int(fields.get("line skip", fields.get("lineskip", 0))) or skip < -1:
        raise HeaderError("skips lines before the voxels, which is not supported")
    if data is None:
        return path, header_end + skip if skip >= 0 else -1
    if data.upper().startswith("LIST") or "%" in data:
        raise HeaderError("spreads the voxels over several files")
    return path.parent / data, skip
