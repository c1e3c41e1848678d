"""Reading: any scan or label file in, a Volume on a RAS+ grid out.

Knows the formats' names only; each is read by its own module. Every failure is a SpineKitError
of one line that names the file.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinekit.core.errors import GeometryError, InputError, Notice, SpineKitError, UsageError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.io.discovery import (
    DICOM_ENDINGS,
    FETCH,
    FILE_ENDINGS,
    ending_of,
    name_of,
    stem_of,
    tell_foreign,
    tell_missing,
)
from spinekit.io.header import HeaderInfo
from spinekit.io.voxels import (
    check_slices,
    check_volume_index,
    clean_image,
    grid_notices,
    make_grid,
    mean_volume,
    volume_notice,
)

_REAL = "buif"
"""Kinds of numpy's types that are real numbers."""
_POINTERS = (b"/annex/objects/", b"version https://git-lfs")
"""How files begin that git-annex and Git LFS leave in place of those they have not fetched."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan ready to be worked on."""

    volume: Volume
    """(I, J, K) finite float32 image that is not constant."""
    header: HeaderInfo
    """What results carry on from the input's header."""
    notices: tuple[Notice, ...]
    """What was assumed, repaired or chosen while reading."""
    stem: str
    """File name without its extensions, or the DICOM folder's name."""
    source: dict[str, Any]
    """``file`` (name only), ``sha256``, ``shape``, ``spacing_mm``, ``orientation``."""


def read_scan(
    path: str | Path,
    *,
    volume_index: int | None = None,
    series: str | int | None = None,
    force: bool = False,
    strict: bool = False,
) -> Scan:
    """Read a NIfTI, mha, mhd, nrrd or DICOM scan.

    Args:
        path: A file, or a folder holding one DICOM series.
        volume_index: Which volume of a 4-D scan, from 0; None takes their mean.
        series: Number or UID of the DICOM series where the folder holds several.
        force: Read more than 2 GiB, and interpolate missing or uneven DICOM slices.
        strict: Refuse implausible spacing instead of noting it.

    Returns:
        The scan.

    Raises:
        InputError: If the file is missing, damaged, empty or of a kind that cannot be used.
        GeometryError: If its affine makes no sense.
        UsageError: If a volume or series must be chosen, or the one chosen is not there.
    """
    path = Path(path)
    with _file_errors(path):
        _check_there(path)
        if _is_dicom(path):
            from spinekit.io.dicom import read_dicom

            stack = read_dicom(path, series=series, volume_index=volume_index, force=force)
            array, header, notices, files = stack.array, stack.header, stack.notices, stack.files
        else:
            array, header, notices, files = _read_file(path, volume_index, force=force)
        name = name_of(path)
        image, repairs = clean_image(name, array)
        doubts = grid_notices(name, header.grid, strict=strict, known=notices)
        found = (*notices, *doubts, *repairs)
        source = _describe(name, hash_files(files), header.grid)
    return Scan(Volume(image, header.grid), header, found, stem_of(path), source)


def check_there(path: str | Path) -> None:
    """Refuse what is not there, before anything is done.

    Raises:
        InputError: If there is no file or folder of this name, or it may not be looked at.
    """
    path = Path(path)
    with _file_errors(path):
        _check_there(path)


def read_labels(path: str | Path) -> Volume:
    """Read a label map; values must be whole numbers.

    Args:
        path: A NIfTI, mha, mhd or nrrd file (``.seg.nrrd`` with a single layer too).

    Returns:
        (I, J, K) integer array, unsigned 8-bit where the values allow it, else int32 or int64.

    Raises:
        InputError: If the file cannot be read, or holds fractions, NaN or infinities.
        GeometryError: If its affine makes no sense.
    """
    return read_label_file(path)[0]


def read_label_file(path: str | Path) -> tuple[Volume, HeaderInfo]:
    """Read a label map and what results on its grid carry on; else as `read_labels`."""
    path = Path(path)
    with _file_errors(path):
        _check_there(path)
        array, header, _, _ = _read_file(path, 0, force=True, label_map=True)
    return Volume(_whole_numbers(path.name, array), header.grid), header


def scan_from_array(
    array: ArrayLike,
    *,
    affine: ArrayLike | None = None,
    spacing_mm: Sequence[float] | None = None,
    volume_index: int | None = None,
    strict: bool = False,
) -> Scan:
    """Make a scan of a numpy array.

    Args:
        array: (I, J, K) real values; (J, K) is one sagittal slice; (I, J, K, T) volumes, of
            which the mean or ``volume_index`` is taken.
        affine: (4, 4) voxel → RAS+ mm.
        spacing_mm: Distances along i → R, j → A, k → S in mm, or along j, k for a 2-D array,
            where no affine is given.
        volume_index: Which volume of a 4-D array; None takes their mean.
        strict: Refuse implausible spacing instead of noting it.

    Returns:
        The scan, called ``array``.

    Raises:
        UsageError: If both or neither of affine and spacing are given, or of a wrong size.
        InputError: If the array is empty, constant, not real, or of a wrong number of axes.
        GeometryError: If the affine makes no sense.
    """
    name = "array"
    image = _plain(name, array)
    if image.dtype.kind not in _REAL:
        raise InputError(
            "wrong-type",
            f"{name}: the values are {image.dtype}, not real numbers",
            "convert it; of an image object give the voxels, such as image.get_fdata()",
        )
    shape = image.shape[:3]
    if image.ndim not in (2, 3, 4) or image.size == 0:
        raise InputError(
            "wrong-shape", f"{name}: shape {image.shape} is no scan", "give (I, J, K) voxels"
        )
    notices = []
    if image.ndim == 2:
        image = image[None]
    check_volume_index(name, volume_index, image.shape[3] if image.ndim == 4 else 1)
    if image.ndim == 4:
        if image.shape[3] > 1:
            notices.append(volume_notice(volume_index, image.shape[3]))
        if volume_index is None:
            image, more = mean_volume(image)
            notices += more
        else:
            image = image[..., volume_index]
    check_slices(name, image.shape)
    grid = make_grid(name, image.shape, _array_affine(len(shape), affine, spacing_mm))
    clean, repairs = clean_image(name, image)
    found = (*notices, *grid_notices(name, grid, strict=strict), *repairs)
    digest = hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()
    header = HeaderInfo(grid.shape, grid)
    return Scan(Volume(clean, grid), header, found, name, _describe(name, digest, grid))


def _plain(name: str, array: ArrayLike) -> NDArray[Any]:
    """An array of numbers; what a masked array hides is NaN.

    Raises:
        InputError: Its rows are of several lengths.
    """
    if isinstance(array, np.ma.MaskedArray) and array.dtype.kind in _REAL:
        is_hiding = np.ma.is_masked(array)
        return np.asarray(np.ma.filled(array.astype(np.float64), np.nan) if is_hiding else array)
    try:
        return np.asarray(array)
    except ValueError as error:
        raise InputError("wrong-shape", f"{name}: {error}", "give (I, J, K) voxels") from error


def hash_scan(path: str | Path, *, series: str | int | None = None, force: bool = False) -> str:
    """What `read_scan` gives as the scan's ``sha256``, without reading its voxels.

    Args:
        path: A file, or a folder holding one DICOM series.
        series: Number or UID of the DICOM series where the folder holds several.
        force: Pass over DICOM files that cannot be read.

    Raises:
        InputError: If a file is missing or damaged in its header.
        UsageError: If a series must be chosen, or the one chosen is not there.
    """
    path = Path(path)
    with _file_errors(path):
        _check_there(path)
        if _is_dicom(path):
            from spinekit.io.dicom import series_files

            return hash_files(series_files(path, series, force=force))
        if ending_of(path) in (".mha", ".mhd", ".nrrd"):
            from spinekit.io.itk import scan_files

            return hash_files(scan_files(path))
        return hash_files([path])


def hash_files(files: Iterable[Path]) -> str:
    """SHA-256 in hex of a file's bytes, or of the sorted digests of several files."""
    digests = []
    for path in files:
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _array_affine(
    dims: int, affine: ArrayLike | None, spacing_mm: Sequence[float] | None
) -> NDArray[np.float64]:
    """Affine of an array from whichever of the two was given."""
    if (affine is None) == (spacing_mm is None):
        raise UsageError(
            "array-without-grid", "an array needs either an affine or a spacing", "give one of them"
        )
    if affine is not None:
        try:
            return np.asarray(affine, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise GeometryError(
                "affine-invalid", "array: the affine is no matrix of numbers", "give (4, 4) numbers"
            ) from error
    assert spacing_mm is not None
    try:
        spacing = [float(mm) for mm in spacing_mm]
    except (TypeError, ValueError):
        spacing = []
    if not spacing or min(spacing) < 0:
        raise UsageError(
            "wrong-spacing",
            f"a spacing of {spacing_mm!r}",
            "give a length in mm per axis, such as (4, 1, 1); an affine says where axes point",
        )
    if dims == 2 and len(spacing) == 2:
        spacing = [1.0, *spacing]
    if len(spacing) != 3:
        raise UsageError(
            "wrong-spacing", f"a spacing of {len(spacing)} numbers", "give one number per axis"
        )
    return np.diag([*spacing, 1.0])


def _read_file(
    path: Path, volume_index: int | None, *, force: bool, label_map: bool = False
) -> tuple[NDArray[Any], HeaderInfo, tuple[Notice, ...], list[Path]]:
    """Voxels, header, notices and the files that were read, by the file's extension."""
    ending = ending_of(path)
    if ending in (".nii", ".nii.gz"):
        from spinekit.io.nifti import read_nifti

        scan = read_nifti(path, volume_index=volume_index, force=force, label_map=label_map)
        return scan.array, scan.header, scan.notices, [path]
    if ending in FILE_ENDINGS:
        from spinekit.io.itk import read_itk

        return read_itk(path, volume_index=volume_index, force=force, label_map=label_map)
    raise InputError("wrong-type", *tell_foreign(path))


def _is_dicom(path: Path) -> bool:
    """Whether ``path`` is a folder, a file called DICOM, or one that bears its mark."""
    if path.is_dir() or ending_of(path) in DICOM_ENDINGS:
        return True
    if ending_of(path) in FILE_ENDINGS:
        return False
    with path.open("rb") as file:
        file.seek(128)
        return file.read(4) == b"DICM"


def _check_there(path: Path) -> None:
    """Refuse a path that does not exist, or whose content was not fetched, with a remedy."""
    path.stat()
    if path.is_dir():
        return
    if not path.is_file():
        raise InputError("wrong-type", f"{path.name}: not a file", "give a scan file or a folder")
    with path.open("rb") as file:
        if file.read(max(map(len, _POINTERS))).startswith(_POINTERS):
            text = f"{path.name}: a pointer to a file that is not here"
            raise InputError("file-missing", text, FETCH)


def _describe(name: str, digest: str, grid: Grid) -> dict[str, Any]:
    """The sidecar's ``input``."""
    return {
        "file": name,
        "sha256": digest,
        "shape": list(grid.shape),
        "spacing_mm": [round(mm, 6) for mm in grid.spacing_mm],
        "orientation": grid.orientation,
    }


def _whole_numbers(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """The array in the smallest of uint8, int32 and int64; fractions are refused."""
    if array.dtype.kind == "f":
        if not (np.isfinite(array).all() and (array == np.rint(array)).all()):
            raise InputError(
                "not-labels", f"{name}: not a label map (values are not whole)", "give a label map"
            )
        if np.abs(array).max() > 2**53:
            raise InputError("not-labels", f"{name}: label values are too large", "renumber them")
        array = array.astype(np.int64)
    low, high = int(array.min()), int(array.max())
    if high > np.iinfo(np.int64).max:
        raise InputError("not-labels", f"{name}: label values are too large", "renumber them")
    for kind in (np.uint8, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return np.ascontiguousarray(array, dtype=kind)
    return np.ascontiguousarray(array, dtype=np.int64)


@contextmanager
def _file_errors(path: Path) -> Iterator[None]:
    """Turn what the system or a library raises into an error that names the file."""
    name = name_of(path)
    try:
        yield
    except SpineKitError:
        raise
    except FileNotFoundError as error:
        raise InputError("file-missing", *tell_missing(path)) from error
    except PermissionError as error:
        raise InputError(
            "no-permission", f"{name}: no permission to read it", "ask for read access"
        ) from error
    except MemoryError as error:
        raise InputError(
            "out-of-memory", f"{name}: too large for this computer's memory", "crop the scan"
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise InputError("file-missing", f"{name}: no such file", "check the path") from error
        raise InputError(
            "unreadable", f"{name}: cannot be read ({error.strerror or error})", "check the disk"
        ) from error
    except (np.linalg.LinAlgError, FloatingPointError) as error:
        raise GeometryError(
            "affine-invalid", f"{name}: the affine cannot be used", "repair the header"
        ) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise InputError("file-missing", f"{name!r}: no such file", "check the path") from error
