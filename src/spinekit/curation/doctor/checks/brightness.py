"""Slices without content, and windows too narrow.

It looks at the image alone; brightness unlike other cases' is a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding

CONTENT = 0.25
"""Of the image's range, that the brightest voxel of a slice with content reaches."""
CLIPPED_SHARE = 0.02
"""Scanners clip next to nothing; windows saved as pictures clip several per cent."""


def check(evidence: Evidence) -> Iterator[Finding]:
    """Report blank slices inside the image, and a share of voxels at the highest value."""
    scan = evidence.specimen.scan
    if scan is None:
        return
    image = scan.volume.array
    axis = int(np.argmax(scan.volume.spacing_mm))
    blank = _blank_slices(image, axis)
    if blank:
        spot = [float(n // 2) for n in image.shape]
        spot[axis] = float(blank[0])
        text = f"slices {', '.join(map(str, blank[:8]))} along {'ijk'[axis]} hold one value"
        yield evidence.finding("blank-slices", text, spot=spot)
    top = float(image.max())
    share = float((image == top).mean())
    if share > CLIPPED_SHARE and top > float(np.median(image)):
        text = f"{share:.1%} of the voxels have the highest value, {top:g}"
        yield evidence.finding("clipped", text, facts={"share": round(share, 4)})


def _blank_slices(image: NDArray[np.floating], axis: int) -> list[int]:
    """Slices of one value between slices with content; padding at the ends is harmless."""
    others = tuple(n for n in range(3) if n != axis)
    low, high = image.min(axis=others), image.max(axis=others)
    floor = float(image.min())
    content = np.flatnonzero(high - floor >= CONTENT * (float(high.max()) - floor))
    return [n for n in range(int(content[0]), int(content[-1]) + 1) if low[n] == high[n]]
