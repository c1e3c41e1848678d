"""Numbers of the points that mark levels on the canal, as the Spinal Cord Toolbox counts them.

It knows which number belongs to which name, and nothing of where the points lie.

The toolbox and TotalSpineSeg number a point after the vertebra below it, counted from C1: 1 lies
at the top of C1, 2 between C1 and C2, 3 at C2-C3, 8 at C7-T1, 20 above L1, 25 above the sacrum.
Neither has a number for a thirteenth thoracic or a sixth lumbar vertebra. The disc above such a
vertebra takes that vertebra's label value, 33 or 46, so that no other number ever moves.
"""

from __future__ import annotations

from spinekit.anatomy.column import CERVICAL, LUMBAR, SACRUM, THORACIC, ends_of
from spinekit.anatomy.scheme import VALUES

ABOVE_C1 = "above-C1"
"""Name of the uppermost point, number 1."""
ABOVE_C2 = "C1-C2"
"""Name of the point between C1 and C2, which have no disc, number 2."""
USUAL = (*CERVICAL, *THORACIC[:12], *LUMBAR[:5], SACRUM)
"""The vertebrae that have a number of their own, from the top."""


def point_number(name: str) -> int | None:
    """The number of a point.

    Args:
        name: A disc such as `L4-L5`, or one of ABOVE_C1, ABOVE_C2.

    Returns:
        1 to 25, or 33 or 46 above T13 or L6; None for a disc without a name.
    """
    if name == ABOVE_C1:
        return 1
    below = ends_of(name)[-1] if "-" in name else ""
    if below in USUAL:
        return USUAL.index(below) + 1
    return VALUES.get(below)
