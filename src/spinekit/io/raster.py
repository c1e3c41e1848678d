"""Raster: voxels behind a text header (MetaImage, NRRD), plain or compressed.

Knows no header syntax: the formats' modules say where the voxels are and what they mean.
"""

from __future__ import annotations

import bz2
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError
from spinekit.io.header import ItkGeometry

_CHUNK = 1 << 22
_AUTO_ZLIB = 47
"""zlib's window bits that accept both gzip and zlib framing."""


class HeaderError(ValueError):
    """A header says what cannot be read; its text completes "the header …".

    Attributes:
        code: Code of the error the user sees.
    """

    def __init__(self, text: str, code: str = "file-damaged") -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Raster:
    """What a text header says."""

    sizes: tuple[int, ...]
    """Number of samples along each stored axis, the fastest first."""
    dtype: np.dtype[Any]
    """In the file's byte order."""
    packing: str
    """``raw``, ``gzip`` (zlib too) or ``bzip2``."""
    data: Path
    """File that holds the voxels."""
    offset: int
    """Byte where they begin, -1 if they are the file's end."""
    volume_axis: int | None
    """Stored axis that counts volumes, None if there is none."""
    affine: NDArray[np.float64]
    """(4, 4) from the spatial axes to RAS+ mm."""
    geometry: ItkGeometry | None
    """The same as stated, for results in an ITK format."""
    placed: bool = True
    """Whether the header says where the image lies in the patient."""
    unit: str = "mm"
    """The header's unit of length, to which `affine` and `geometry` are not yet converted."""
    unit_mm: float = 1.0
    """Millimetres of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the spatial axes, then the number of volumes if there is such an axis."""
        spatial = tuple(n for axis, n in enumerate(self.sizes) if axis != self.volume_axis)
        return spatial if self.volume_axis is None else (*spatial, self.sizes[self.volume_axis])


def load_raster(name: str, raster: Raster) -> NDArray[Any]:
    """Read the voxels.

    Args:
        name: File name for messages.
        raster: Where they are.

    Returns:
        Array of ``raster.shape``.

    Raises:
        InputError: If the data is cut off or damaged.
        OSError: If the file cannot be opened.
    """
    expected = math.prod(raster.sizes) * raster.dtype.itemsize
    with raster.data.open("rb") as file:
        if raster.offset < 0:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - expected))
        else:
            file.seek(raster.offset)
        if raster.packing == "raw":
            content = _read(file, expected)
        else:
            content = _unpack(name, file, raster.packing, expected)
    if len(content) < expected:
        raise InputError(
            "file-damaged",
            f"{name}: the file is damaged: it ends after {len(content)} of {expected} bytes of "
            "voxels",
            "copy or export it again",
        )
    array = np.frombuffer(content, dtype=raster.dtype).reshape(raster.sizes, order="F")
    return array if raster.volume_axis is None else np.moveaxis(array, raster.volume_axis, -1)


def check_axes(dims: int, sizes: tuple[int, ...]) -> None:
    """Refuse a number of axes that does not fit the sizes, or is no scan's.

    Raises:
        HeaderError: If there are not one to four axes with a size each.
    """
    if dims != len(sizes) or dims < 1:
        raise HeaderError(f"states {dims} axes and {len(sizes)} sizes")
    if dims > 4:
        raise HeaderError(f"states {dims} axes", "five-dimensional")


class _Decompressor(Protocol):
    """What zlib's and bz2's decompressors have in common."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended and its checksum was right."""

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Unpack at most ``max_length`` bytes."""


def _read(file: BinaryIO, expected: int) -> bytearray:
    """At most ``expected`` bytes; memory grows with what is there, not with what is promised."""
    content = bytearray()
    while len(content) < expected:
        chunk = file.read(min(_CHUNK, expected - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def _unpack(name: str, file: BinaryIO, packing: str, expected: int) -> bytearray:
    """At most ``expected`` unpacked bytes, checked against the stream's checksum."""
    unpacker: _Decompressor = (
        bz2.BZ2Decompressor() if packing == "bzip2" else zlib.decompressobj(_AUTO_ZLIB)
    )
    content = bytearray()
    try:
        while not unpacker.eof and len(content) <= expected:
            pending = getattr(unpacker, "unconsumed_tail", b"")
            chunk = pending or file.read(_CHUNK)
            if not chunk:
                raise EOFError("it is cut off")
            # One byte more than needed lets the stream reach its end and its checksum.
            content += unpacker.decompress(chunk, expected + 1 - len(content))
    except (EOFError, zlib.error, OSError) as error:
        raise InputError(
            "file-damaged",
            f"{name}: the file is damaged: its compressed data cannot be unpacked ({error})",
            "copy or export it again",
        ) from error
    del content[expected:]
    return content
