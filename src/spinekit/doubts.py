"""What about a scan, or what was found in it, is unlike what the model knows.

It looks at numbers only, and stops nothing: it says what there is to doubt.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance
from spinekit.core.errors import Notice

CT_AIR = -500.0
"""Hounsfield units below which there is air; MRI has no such values."""
CT_AIR_SHARE = 0.05
"""A scan with more air than this share of its voxels is taken for a CT."""
CT_LOWEST = -900.0
"""Air reaches at least this low in a CT, Hounsfield units."""
LEAST_CONFIDENCE = 0.75
"""Mean probability of the chosen part over all that is not background, below which we doubt."""


def doubt_image(image: NDArray[np.floating]) -> tuple[Notice, ...]:
    """Tell whether a scan looks like no MRI at all.

    Args:
        image: (I, J, K) intensities as read.

    Returns:
        A notice `not-mri`, or nothing.
    """
    if image.size and float(image.min()) <= CT_LOWEST:
        air = np.count_nonzero(image < CT_AIR) / image.size
        if air > CT_AIR_SHARE:
            text = "this looks like a CT, not an MRI; it is labelled only with --force"
            return (Notice("not-mri", text),)
    return ()


def doubt_prediction(
    parts_probs: NDArray[np.floating], parts: NDArray[np.uint8], items: Sequence[Instance]
) -> tuple[Notice, ...]:
    """Tell whether a spine was found, and whether the model was sure of what it saw.

    Args:
        parts_probs: (7, I, J, K) probabilities.
        parts: (I, J, K) uint8, the parts taken.
        items: The instances found.

    Returns:
        `no-spine`, `contrast-unlike-training`, or nothing.
    """
    if not any(item.kind != "sacrum" for item in items):
        rest = "only the sacrum was" if items else "the labels are empty"
        return (Notice("no-spine", f"no vertebra and no disc was found; {rest}"),)
    where = np.nonzero(parts)
    taken = parts_probs[(parts[where], *where)]
    confidence = float(taken.mean(dtype=np.float64))
    if confidence < LEAST_CONFIDENCE:
        text = (
            f"the model is unsure of what it sees (mean confidence {confidence:.2f}): contrast "
            "or anatomy unlike its training; check the preview with care"
        )
        return (Notice("contrast-unlike-training", text),)
    return ()
