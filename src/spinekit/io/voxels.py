"""Checks on voxel values and sizes that every format shares.

Knows no format: a header's numbers and an array come in, a clean float32 image goes out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import GeometryError, InputError, Notice, UsageError
from spinekit.core.grid import Grid

MOST_BYTES = 2**31
"""2 GiB: larger scans are refused without ``force``."""
LEAST_IN_PLANE = 32
"""A single slice needs at least this many voxels along one of its axes."""
_LEAST_RANGE = 1e-4
"""Values that differ by a smaller share of themselves are few steps apart as 32-bit floats."""
_LEAST_FLOAT = 1e-30
"""Smaller ranges are too near the least number that a 32-bit float can hold."""
_LARGEST = float(np.finfo(np.float32).max)
_OUTLIERS = 0.01
"""Share of voxels that may be beyond that."""
_FILL_SHARE = 0.01
"""A value that so many voxels share, far from all others, was filled in."""
_FILL_AMONG = 32
"""What was filled lies among more values than these, or it is the background of a label map."""
SPINE_MM = (20.0, 2000.0)
"""The longest side of a scan of a spine lies within this range."""


def check_size(name: str, shape: Sequence[int], itemsize: int, *, force: bool) -> None:
    """Refuse empty shapes and, without ``force``, more than 2 GiB of voxels.

    Args:
        name: File name for the message.
        shape: Sizes as the header states them, time axis included.
        itemsize: Bytes per voxel in the file.
        force: Read large scans all the same.

    Raises:
        InputError: If a size is zero or negative, or the scan is too large.
    """
    if not shape or min(shape) < 1:
        raise InputError(
            "empty-image",
            f"{name}: the image is empty (shape {_times(shape)})",
            "export the scan again",
        )
    stored = math.prod(shape) * itemsize
    working = math.prod(shape[:3]) * 4
    if max(stored, working) > MOST_BYTES and not force:
        raise InputError(
            "too-large",
            f"{name}: {_times(shape)} voxels are {max(stored, working) / 2**30:.1f} GiB, "
            "more than 2 GiB",
            "crop the scan, or use --force if the computer has the memory",
        )


def check_slices(name: str, shape: Sequence[int]) -> None:
    """Accept a volume, or a single slice that has 32 voxels along one axis.

    Raises:
        InputError: If fewer than two axes have several voxels, or the slice is too small.
    """
    long_axes = [n for n in shape if n > 1]
    if len(long_axes) >= 3 or (len(long_axes) == 2 and max(long_axes) >= LEAST_IN_PLANE):
        return
    raise InputError(
        "too-few-voxels",
        f"{name}: an image of {_times(shape)} voxels is neither a volume nor a usable slice",
        f"give a slice with at least {LEAST_IN_PLANE} voxels along one side, or a volume",
    )


def check_layers(name: str, count: int) -> None:
    """Refuse label maps in several layers, of which reading one would lose the others.

    Raises:
        InputError: If ``count`` is more than 1.
    """
    if count > 1:
        raise InputError(
            "several-layers",
            f"{name}: the label map has {count} layers",
            "merge them into one, since no voxel may have two labels",
        )


def check_volume_index(name: str, index: int | None, count: int) -> None:
    """Refuse a volume that is not there.

    Raises:
        UsageError: If ``index`` is not within 0 … count - 1.
    """
    if index is not None and not 0 <= index < count:
        raise UsageError(
            "no-such-volume",
            f"{name}: volume {index} was asked for but the scan has {count}",
            f"choose a volume from 0 to {count - 1}",
        )


def volume_notice(index: int | None, count: int) -> Notice:
    """Say which of several volumes is used."""
    if index is None:
        return Notice("volumes-averaged", f"the mean of {count} volumes was used")
    return Notice("volume-chosen", f"volume {index} of {count} was used (counted from 0)")


class VolumeMean:
    """The mean of volumes that come one after the other.

    Of each voxel it is the mean over the volumes in which its value is finite; where it is in none,
    the value stays as one of them has it.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        """Begin without a volume.

        Args:
            shape: (I, J, K) of each.
        """
        self._total = np.zeros(shape, np.float64, order="F")
        self._count = 0
        self._missing: NDArray[np.int64] | None = None
        self._other = np.zeros(0)

    def add(self, volume: NDArray[Any]) -> None:
        """Add (I, J, K) real values."""
        self._count += 1
        with np.errstate(over="ignore", invalid="ignore"):
            if volume.dtype.kind != "f" or np.isfinite(volume).all():
                self._total += volume
                return
            finite = np.isfinite(volume)
            if self._missing is None:
                self._missing = np.zeros(volume.shape, np.int64, order="F")
                self._other = np.zeros(volume.shape, np.float64, order="F")
            self._missing += ~finite
            np.copyto(self._other, volume, where=~finite)
            self._total += np.where(finite, volume, 0)

    def result(self) -> tuple[NDArray[np.float64], list[Notice]]:
        """(I, J, K) mean, and a notice where values were left out of it."""
        if self._missing is None:
            return self._total / self._count, []
        counts = self._count - self._missing
        mean = np.where(counts > 0, self._total / np.maximum(counts, 1), self._other)
        left_out = int(self._missing[counts > 0].sum())
        text = f"{left_out} values that are NaN or infinite were left out of the mean"
        return mean, [Notice("not-finite", text)] if left_out else []


def mean_volume(array: NDArray[Any]) -> tuple[NDArray[np.float64], list[Notice]]:
    """(I, J, K, T) volumes → what `VolumeMean` makes of them; T is at least 1."""
    mean = VolumeMean(array.shape[:-1])
    for index in range(array.shape[-1]):
        mean.add(array[..., index])
    return mean.result()


def make_grid(name: str, shape: Sequence[int], affine: NDArray[np.float64]) -> Grid:
    """Grid of a file; its errors name the file.

    An axis with a single voxel may state no length; it gets 1 mm at right angles to the others.

    Raises:
        GeometryError: If the affine is unusable.
    """
    affine = np.array(affine, dtype=np.float64)
    if affine.shape == (4, 4) and np.isfinite(affine).all():
        for axis in range(3):
            if shape[axis] == 1 and not affine[:3, axis].any():
                normal = np.cross(affine[:3, (axis + 1) % 3], affine[:3, (axis + 2) % 3])
                length = float(np.linalg.norm(normal))
                affine[:3, axis] = normal / length if length > 0 else 0
    try:
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
    except GeometryError as error:
        raise GeometryError(error.code, f"{name}: {error.message}", error.remedy) from error


def make_grid_in_mm(
    name: str,
    shape: Sequence[int],
    stated: NDArray[np.float64],
    converted: NDArray[np.float64],
    unit: str,
) -> tuple[Grid, list[Notice]]:
    """Grid of a file that states its unit of length, and a notice about it.

    Args:
        name: File name for messages.
        shape: (I, J, K).
        stated: (4, 4) affine with the header's numbers taken for mm.
        converted: (4, 4) affine in mm by the header's unit.
        unit: What it is called.

    Returns:
        The grid in mm; where only the numbers as they stand fit a spine, that of these.

    Raises:
        GeometryError: If an affine is unusable.
    """
    plain, grid = make_grid(name, shape, stated), make_grid(name, shape, converted)
    if is_plausible(plain) and not is_plausible(grid):
        text = (
            f"the header is in {unit}, by which the scan measures {max(grid.size_mm):.4g} mm; "
            "its numbers were taken for mm"
        )
        return plain, [Notice("units-doubtful", text)]
    return grid, [Notice("units-converted", f"the header is in {unit}, not mm")]


def is_plausible(grid: Grid) -> bool:
    """Whether a scan of a spine can be as large as this."""
    return SPINE_MM[0] <= max(grid.size_mm) <= SPINE_MM[1]


def grid_notices(
    name: str, grid: Grid, *, strict: bool, known: Sequence[Notice] = ()
) -> list[Notice]:
    """Notices about a sheared grid and an implausible size.

    Args:
        name: File name for messages.
        grid: Of the scan.
        strict: Refuse instead.
        known: What was found about it already; `units-doubtful` is refused too.

    Raises:
        GeometryError: If ``strict`` and the scan is smaller than 2 cm or larger than 2 m, or would
            be by the unit its header states.
    """
    notices = []
    if not is_plausible(grid):
        text = (
            f"the scan measures {_times(grid.size_mm)} mm by its header "
            f"(spacing {_times(grid.spacing_mm)} mm), which is no spine{_fitting_unit(grid)}"
        )
        notices.append(Notice("implausible-spacing", text))
    for notice in (*known, *notices) if strict else ():
        if notice.code in ("implausible-spacing", "units-doubtful"):
            raise GeometryError(
                "implausible-spacing", f"{name}: {notice.text}", "correct the header"
            )
    if grid.is_sheared:
        notices.append(
            Notice("sheared", "the axes are not at right angles; resampled for the model")
        )
    return notices


def _fitting_unit(grid: Grid) -> str:
    """Half a sentence about the unit in which the same numbers would fit a spine, or nothing."""
    for unit, scale in (("metres", 1000.0), ("micrometres", 0.001)):
        if SPINE_MM[0] <= max(grid.size_mm) * scale <= SPINE_MM[1]:
            return f" (the numbers would fit one in {unit}: does the header lack its unit?)"
    return ""


def clean_image(name: str, array: NDArray[Any]) -> tuple[NDArray[np.float32], list[Notice]]:
    """Finite float32 image: NaN, -Inf and fill become the minimum, +Inf the maximum.

    Fill is the lowest or highest value where a hundredth of the voxels shares it and it lies
    farther from the next value than all others span, such as -32768 around an image.

    Args:
        name: File name for messages.
        array: Real values of any dtype and shape.

    Returns:
        The image and the notices.

    Raises:
        InputError: If no voxel is finite, or all finite voxels have one value.
    """
    array, filled = _without_fill(array)
    array, notices = _in_range(array)
    with np.errstate(over="ignore", invalid="ignore"):
        image = np.ascontiguousarray(array, dtype=np.float32)
    low, high = float(image.min()), float(image.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        finite = np.isfinite(image)
        count = image.size - int(np.count_nonzero(finite))
        if count == image.size:
            raise InputError(
                "no-finite-voxels", f"{name}: every voxel is NaN or infinite", "export it again"
            )
        low, high = float(image[finite].min()), float(image[finite].max())
        image = np.nan_to_num(image, nan=low, posinf=high, neginf=low)
        text = f"{count} voxels that are NaN or infinite were replaced"
        notices.append(Notice("not-finite", text))
    if low == high:
        raise InputError(
            "constant-image", f"{name}: every voxel has the value {low:g}", "export the scan again"
        )
    return image, [*filled, *notices]


def _without_fill(array: NDArray[Any]) -> tuple[NDArray[Any], list[Notice]]:
    """The array with fill as dark as the darkest of the rest, and a notice for each value of it."""
    notices = []
    while (found := _find_fill(array)) is not None:
        is_fill, value, lowest = found
        array = np.where(is_fill, lowest, array)
        text = f"{np.count_nonzero(is_fill)} voxels of {value:g}, far from all others, became dark"
        notices.append(Notice("fill-replaced", text))
    return array, notices


def _find_fill(array: NDArray[Any]) -> tuple[NDArray[np.bool_], float, Any] | None:
    """Where the lowest or highest value is fill, that value, and the lowest of the rest."""
    for fill in _finite_ends(array):
        is_fill = array == fill
        if np.count_nonzero(is_fill) < _FILL_SHARE * array.size:
            continue
        rest = array[~is_fill & np.isfinite(array)]
        if rest.size == 0:
            return None
        lowest, (low, high) = rest.min(), (float(rest.min()), float(rest.max()))
        gap = max(low - float(fill), float(fill) - high)
        if gap > high - low and len(np.unique(rest)) > _FILL_AMONG:
            return is_fill, float(fill), lowest
    return None


def _finite_ends(array: NDArray[Any]) -> tuple[Any, Any]:
    """The lowest and the highest finite value; infinite, the wrong way round, without one."""
    low, high = array.min(), array.max()
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    is_finite = np.isfinite(array)
    return (
        array.min(where=is_finite, initial=np.inf),
        array.max(where=is_finite, initial=-np.inf),
    )


def _in_range(array: NDArray[Any]) -> tuple[NDArray[Any], list[Notice]]:
    """The array as it is, or from 0 to 1 where 32-bit floats cannot tell its values apart.

    A few voxels beyond their range are outliers, which count as infinite.
    """
    if array.dtype.itemsize < 4 or array.dtype == np.float32:
        return array, []
    low, high = map(float, _finite_ends(array))
    if low >= high or _are_told_apart(low, high):
        return array, []
    finite = array[np.isfinite(array)].astype(np.float64)
    usual = finite[np.abs(finite) <= _LARGEST]
    if usual.size >= (1 - _OUTLIERS) * finite.size:
        low, high = float(usual.min()), float(usual.max())
    if low == high or _are_told_apart(low, high):
        return array, []
    scaled = (array.astype(np.float64) / 2 - low / 2) / (high / 2 - low / 2)
    text = f"the values, {low:.7g} to {high:.7g}, were brought to 0 to 1"
    return scaled, [Notice("values-scaled", text)]


def _are_told_apart(low: float, high: float) -> bool:
    """Whether many 32-bit floats lie between two values, neither of which is beyond them."""
    largest, span = max(abs(low), abs(high)), high - low
    return largest <= _LARGEST and span >= max(_LEAST_RANGE * largest, _LEAST_FLOAT)


def hash_voxels(array: NDArray[Any]) -> str:
    """SHA-256 in hex of a label map's values, the first axis fastest.

    Axes of one voxel make no difference, nor does the format it was written in.

    Args:
        array: Integers; unsigned 8-bit wherever the values allow it, as `read_labels` gives them.
    """
    return hashlib.sha256(array.tobytes(order="F")).hexdigest()


def _times(numbers: Sequence[float]) -> str:
    return "×".join(f"{n:.4g}" if isinstance(n, float) else str(n) for n in numbers) or "none"
