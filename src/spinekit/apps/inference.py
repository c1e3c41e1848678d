"""The interface of the `spine-segmentation` package over this one's pipeline.

A thin adapter: it turns arrays without a header into scans, and names into that package's
numbers (odd vertebrae, even discs). It segments nothing itself.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinekit.anatomy.scheme import VALUES, load_scheme
from spinekit.core.errors import InputError, UsageError
from spinekit.pipeline import segment
from spinekit.prediction.predictor import load_predictor

Device = Literal["CPU", "GPU"] | int

_DIRECTIONS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
"""Letter → axis of RAS and sign."""


@dataclass(frozen=True)
class SegmentationResult:
    """What `SegmentationInference.segment` gives."""

    semantic_segmentation: NDArray[np.uint8]
    """The volume's shape: 0 background, 1 vertebra, 2 disc."""
    instance_segmentation: NDArray[np.uint8] | None
    """The volume's shape: one number for each structure; None when only classes were asked for."""
    id_to_label: Mapping[int, str]
    """Number → name, for the numbers that occur: `{1: "C2", 2: "C2-C3", …, 49: "S1"}`."""


class SegmentationInference:
    """Segments arrays of sagittal slices.

    Unlike the original it resamples by the spacing, keeps every component, accepts single
    slices and scans without discs, stores nothing on disk, and gives the input's shape always.

    Args:
        segmentation_device: "CPU"; "GPU" or a device number warn and run on the CPU.
        instance_segmentation_device: As above; there is one network for both.
        output_same_shape_as_input: Accepted for its callers; the shape is always the input's.
        spacing_mm: Of slices, width and height. An array has no header: give the scan's own.
        orientation: Where slices, width and height point to; by default height runs downwards
            and width backwards, as a sagittal picture is stored.
    """

    def __init__(
        self,
        segmentation_device: Device = "CPU",
        instance_segmentation_device: Device = "CPU",
        *,
        output_same_shape_as_input: bool = True,
        spacing_mm: tuple[float, float, float] = (4.0, 1.0, 1.0),
        orientation: str = "LPI",
    ) -> None:
        for device in (segmentation_device, instance_segmentation_device):
            if device != "CPU":
                warnings.warn(f"device {device!r}: running on the CPU", stacklevel=2)
                break
        self._affine = affine_for(orientation, spacing_mm)
        self._predictor = load_predictor()

    def segment(
        self, volume: ArrayLike, only_2class_segmentation: bool = False
    ) -> SegmentationResult:
        """Segment one volume.

        Args:
            volume: (slices, width, height), or (width, height) for a single slice.
            only_2class_segmentation: Leave out the instances and their names.

        Returns:
            Classes, instances and names; all zeros and no name where there is no spine.

        Raises:
            InputError: The array is neither 2-D nor 3-D, or holds no image.
        """
        stack, shape = _stacked(volume)
        found = segment(stack, affine=self._affine, predictor=self._predictor)
        classes = np.array([0, 1, 1, 2, 0, 0, 1], np.uint8)[found.parts].reshape(shape)
        if only_2class_segmentation:
            return SegmentationResult(classes, None, {})
        scheme = load_scheme("gliwa")
        numbers, _ = scheme.convert(found.labels)
        names = {
            scheme.values[row.name]: row.name.replace("sacrum", "S1")
            for row in found.structures
            if row.name in scheme.values and row.value in VALUES.values()
        }
        return SegmentationResult(classes, numbers.reshape(shape), dict(sorted(names.items())))


def _stacked(volume: ArrayLike) -> tuple[NDArray[Any], tuple[int, ...]]:
    """(slices, width, height) of an array, which may be a masked one, and the shape it had.

    Raises:
        InputError: It is neither 2-D nor 3-D.
    """
    try:
        array = np.asanyarray(volume)
    except ValueError as error:
        raise InputError("wrong-shape", f"the array: {error}", "give equally long rows") from error
    if array.ndim not in (2, 3):
        raise InputError(
            "array-dimensions",
            f"the array has {array.ndim} dimensions",
            "give (slices, width, height) or (width, height)",
        )
    return (array if array.ndim == 3 else array[None]), array.shape


def affine_for(orientation: str, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Voxel → RAS+ mm for an array of which only directions and spacing are known.

    Args:
        orientation: Three letters, where i, j and k point to, such as `RAS` or `LPI`.
        spacing_mm: Along i, j and k.

    Returns:
        (4, 4), with the origin at the first voxel.

    Raises:
        UsageError: The letters do not name three different axes, or there are not three lengths.
    """
    found = [_DIRECTIONS.get(letter) for letter in str(orientation).upper()]
    axes = [entry for entry in found if entry is not None]
    if sorted(axis for axis, _ in axes) != [0, 1, 2] or len(found) != 3:
        raise UsageError(
            "orientation", f"{orientation!r} is no orientation", "use three letters such as LPI"
        )
    if np.shape(spacing_mm) != (3,):
        raise UsageError(
            "wrong-spacing",
            f"a spacing of {spacing_mm!r}",
            "give those of slices, width and height",
        )
    affine = np.eye(4)
    affine[:3, :3] = 0
    for column, ((axis, sign), step) in enumerate(zip(axes, spacing_mm, strict=True)):
        affine[axis, column] = sign * step
    return affine
