"""What a mask marks and its result does not show or name, and the words for it.

It compares what was marked with what came of it, and knows nothing of how that was decided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import PARTIAL_BELOW_MM3
from spinekit.core.errors import Notice
from spinekit.labelling.numbers import Given, list_some


def tell_off_column(
    is_marked: NDArray[np.bool_], labels: NDArray[np.uint8], voxel_mm3: float
) -> list[Notice]:
    """A warning of bone that was taken for none of the column.

    Args:
        is_marked: (I, J, K) what the mask says of bones and discs.
        labels: (I, J, K) what came of it, 0 for nothing.
        voxel_mm3: volume of a voxel.

    Returns:
        One notice, or none where no piece is left that is as large as a vertebra in view.
    """
    pieces, _ = ndimage.label(is_marked & (labels == 0), structure=np.ones((3, 3, 3)))
    size_mm3 = np.bincount(pieces.ravel())[1:] * voxel_mm3
    large = size_mm3[size_mm3 >= PARTIAL_BELOW_MM3]
    if not len(large):
        return []
    pieces_text = "1 piece" if len(large) == 1 else f"{len(large)} pieces"
    text = (
        f"{pieces_text} of what is marked, {large.sum() / 1000:.1f} cm³, taken for no part of the "
        "column and left out: too far from the rest, or no bone"
    )
    return [Notice("voxels-left-out", f"{text}; look at the preview")]


def tell_nameless(told: Sequence[str | None], given: Sequence[str | None]) -> list[Notice]:
    """A warning of bones and discs that bear a name in the mask and none in the result.

    Args:
        told: (n,) what the mask calls the items, None where it says nothing.
        given: (n,) what they are called, None without a name.

    Returns:
        One notice, or none where all names have one in their place.
    """
    lost = [name for name, now in zip(told, given, strict=True) if name and not now]
    if not lost:
        return []
    text = f"named in the mask, without a name here: {list_some(lost)}"
    return [Notice("names-left-out", f"{text}; look at the preview")]


def tell_too_small(given: Given, bore: Sequence[int]) -> list[Notice]:
    """A warning of values that are none of the items.

    Args:
        given: the map.
        bore: (n,) the number that each item bore.

    Returns:
        One notice, or none where each value is one.
    """
    count = np.bincount(given.numbers.ravel(), minlength=256)
    lost = np.setdiff1d(np.flatnonzero(count[1:]) + 1, bore).tolist()
    if not lost:
        return []
    shown = list_some([f"{given.values[number]} ({count[number]} voxels)" for number in lost])
    return [Notice("values-left-out", f"too small for a bone or disc, left out: {shown}")]
