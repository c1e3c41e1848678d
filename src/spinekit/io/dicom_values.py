"""Values of DICOM tags: found wherever a header keeps them, as numbers that can be used.

Knows no file and no pixels; damaged values raise whatever pydicom raises on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

_KINDS = {
    "in phase": {"IN_PHASE", "IP"},
    "water": {"WATER", "W"},
    "out of phase": {"OUT_PHASE", "OPP_PHASE", "OPPOSED_PHASE", "OP"},
    "fat": {"FAT", "F"},
    "real part": {"REAL", "R"},
    "imaginary part": {"IMAGINARY", "I"},
    "phase": {"PHASE", "PHASE MAP", "P"},
}
"""What values may be instead of magnitudes, and how scanners say so; the farther down, the less
they look like what a network learned from."""


def find_value(groups: Sequence[Dataset], keyword: str, sequence: str | None = None) -> Any:
    """Value of a tag in the first group that has it, directly or in its functional group."""
    for group in groups:
        if sequence is not None and group.get(sequence):
            inner = group[sequence].value[0]
            if inner.get(keyword) is not None:
                return inner.get(keyword)
        if group.get(keyword) is not None:
            return group.get(keyword)
    return None


def read_kind(groups: Sequence[Dataset]) -> tuple[int, str]:
    """What a slice's values are, of those that several slices at one place may differ in.

    Args:
        groups: Where its attributes stand.

    Returns:
        A rank, lower for what looks more like a plain image, and a word: `magnitude` unless the
        type of the image (DICOM PS3.3, C.7.6.1.1.2 and C.8.13.3.1) says otherwise.
    """
    sequence = "MRImageFrameTypeSequence"
    told = [find_value(groups, "FrameType", sequence) or find_value(groups, "ImageType")]
    told += [find_value(groups, "ComplexImageComponent", sequence)]
    words = {word for value in told for word in read_words(value)}
    kinds = enumerate(_KINDS.items(), start=1)
    fitting = [(rank, kind) for rank, (kind, known) in kinds if words & known]
    return max(fitting, default=(0, "magnitude"))


def read_words(value: Any) -> set[str]:
    """The words of a tag with one or several, in capitals."""
    several = [value] if isinstance(value, str) else list(value or [])
    return {str(word).strip().upper() for word in several}


def read_numbers(value: Any, count: int) -> NDArray[np.float64] | None:
    """``count`` finite numbers, or None."""
    if value is None or isinstance(value, str) or np.size(value) != count:
        return None
    numbers = np.array([float(n) for n in value])
    return numbers if np.isfinite(numbers).all() else None


def read_number(value: Any) -> float | None:
    """One finite number, or None."""
    numbers = None if value in (None, "") else read_numbers([value], 1)
    return None if numbers is None else float(numbers[0])


def read_padding(header: Dataset) -> tuple[int, int] | None:
    """Least and greatest stored value that stand where nothing was imaged; None for none.

    DICOM PS3.3, C.7.5.1.1.2; either end may be stated first.
    """
    value = header.get("PixelPaddingValue")
    limit = header.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    ends = (value, limit) if isinstance(limit, int) else (value, value)
    return min(ends), max(ends)


def mirror_sum(header: Dataset, slope: float, intercept: float) -> float | None:
    """The sum of the darkest and the brightest value, where low values are bright; else None.

    MONOCHROME1 shows the least stored value as white (DICOM PS3.3, C.7.6.3.1.2). Taken from the
    bits stored and not from the pixels found, so that all slices are turned alike.
    """
    if str(header.get("PhotometricInterpretation") or "").strip() != "MONOCHROME1":
        return None
    levels = 2.0 ** int(header.get("BitsStored") or 16)
    stored = -1.0 if int(header.get("PixelRepresentation") or 0) else levels - 1
    return slope * stored + 2 * intercept
