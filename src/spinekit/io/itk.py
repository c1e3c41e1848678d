"""MetaImage (.mha, .mhd) and NRRD (.nrrd) scans.

Knows which module reads which header, and what all such files share; nothing about spines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.io.header import HeaderInfo, ItkGeometry, itk_affine
from spinekit.io.metaimage import parse_metaimage
from spinekit.io.nrrd import parse_nrrd
from spinekit.io.raster import HeaderError, Raster, load_raster
from spinekit.io.voxels import (
    check_layers,
    check_size,
    check_slices,
    check_volume_index,
    make_grid,
    make_grid_in_mm,
    mean_volume,
    volume_notice,
)

_PARSERS: dict[str, Callable[[Path], Raster]] = {
    ".mha": parse_metaimage,
    ".mhd": parse_metaimage,
    ".nrrd": parse_nrrd,
}
_REMEDIES = {
    "file-damaged": "export the scan again, or convert it to .nii.gz",
    "colour-image": "export the scan as grey values",
    "five-dimensional": "give one volume, or a series of volumes with four axes",
}
_ASSUMED = {
    False: "the header does not say which way is which in the patient; {} was assumed",
    True: "a 2-D image states no place; a sagittal slice ({}) was assumed",
}
"""Whether it is 2-D → what is said of an image without a place."""


def read_itk(
    path: Path,
    *,
    volume_index: int | None = None,
    force: bool = False,
    label_map: bool = False,
) -> tuple[NDArray[Any], HeaderInfo, tuple[Notice, ...], list[Path]]:
    """Read one volume of an mha, mhd or nrrd file.

    Args:
        path: The file.
        volume_index: Which volume of a 4-D file; None takes their mean.
        force: Read more than 2 GiB.
        label_map: Accept any number of voxels, since nothing will be segmented.

    Returns:
        (I, J, K) voxels, header, notices and the files that were read.

    Raises:
        InputError: If the file is damaged or of a kind that cannot be used.
        GeometryError: If its affine is unusable.
        UsageError: If it has no volume ``volume_index``.
        OSError: If the file cannot be opened.
    """
    name = path.name
    raster = _parse(path)
    shape = raster.shape
    check_size(name, shape, raster.dtype.itemsize, force=force)
    dims = len(shape) - (raster.volume_axis is not None)
    count = shape[dims] if raster.volume_axis is not None else 1
    full = (*shape[:dims], 1, 1)[:3]
    if label_map:
        check_layers(name, count)
    else:
        check_slices(name, full)
    check_volume_index(name, volume_index, count)
    grid, geometry, notices = _grid(name, full, raster)
    if not raster.placed:
        ends = zip("ijk"[:dims], grid.orientation, strict=False)
        text = _ASSUMED[dims < 3].format(", ".join(f"{axis} → {end}" for axis, end in ends))
        notices.append(Notice("orientation-assumed", text))
    array = load_raster(name, raster)
    if raster.volume_axis is not None:
        if count > 1:
            notices.append(volume_notice(volume_index, count))
        if volume_index is None:
            array, more = mean_volume(array)
            notices += more
        else:
            array = array[..., volume_index]
    header = HeaderInfo(shape[:dims], grid, itk=geometry)
    return array.reshape(full), header, tuple(notices), _files(path, raster)


def read_extent(path: Path) -> tuple[Grid, int]:
    """Grid and number of volumes, without reading a voxel.

    Raises:
        InputError: If the header is damaged or of a kind that cannot be used.
        GeometryError: If its affine is unusable.
        OSError: If the file cannot be opened.
    """
    raster = _parse(path)
    has_volumes = raster.volume_axis is not None
    spatial = raster.shape[:-1] if has_volumes else raster.shape
    count = raster.shape[-1] if has_volumes else 1
    return _grid(path.name, (*spatial, 1, 1)[:3], raster)[0], count


def _grid(
    name: str, shape: tuple[int, ...], raster: Raster
) -> tuple[Grid, ItkGeometry | None, list[Notice]]:
    """Grid in mm, the same as ITK states it, and a notice where a unit was converted."""
    stated, scale = raster.geometry, raster.unit_mm
    if scale == 1:
        return make_grid(name, shape, raster.affine), stated, []
    converted = np.diag([scale, scale, scale, 1]) @ raster.affine
    geometry = stated
    if stated is not None:
        spacing = tuple(scale * step for step in stated.spacing)
        origin = tuple(scale * place for place in stated.origin)
        geometry = ItkGeometry(spacing, origin, stated.direction)
        converted = itk_affine(geometry)
    grid, notices = make_grid_in_mm(name, shape, raster.affine, converted, raster.unit)
    was_converted = notices[0].code == "units-converted"
    return grid, geometry if was_converted else stated, notices


def scan_files(path: Path) -> list[Path]:
    """The files that `read_itk` reads: the header's and, where it has one, the voxels'.

    Raises:
        InputError: If the header is damaged.
        OSError: If the file cannot be opened.
    """
    return _files(path, _parse(path))


def _files(path: Path, raster: Raster) -> list[Path]:
    return [path] if raster.data == path else [path, raster.data]


def _parse(path: Path) -> Raster:
    """The header, its faults as errors that name the file."""
    name = path.name
    if path.stat().st_size == 0:
        raise InputError("empty-file", f"{name}: the file is empty", "copy or export it again")
    try:
        raster = _PARSERS[path.suffix.lower()](path)
    except HeaderError as error:
        raise _refused(name, str(error), error.code) from error
    except KeyError as error:
        raise _refused(name, f"lacks the field {error.args[0]}") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise _refused(name, "holds text where numbers should be") from error
    if not raster.data.is_file():
        raise InputError(
            "file-missing",
            f"{name}: its voxel file {raster.data.name} is missing",
            "keep both files in one folder",
        )
    return raster


def _refused(name: str, what: str, code: str = "file-damaged") -> InputError:
    return InputError(code, f"{name}: the header {what}", _REMEDIES[code])
