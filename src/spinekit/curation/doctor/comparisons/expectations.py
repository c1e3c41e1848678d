"""Structures that most other cases mark and that this one should show too.

It knows names, counts and how much of the scan lies beyond the levels marked; no voxels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import MISLEADING, Finding
from spinekit.curation.doctor.meaning import kind_of, rank_of

USUAL_SHARE = 0.8
"""Of the cases of a set that would have room for it: a structure marked so often is expected."""
LEAST_CASES = 5
CONUS_LEVEL = "T12"
"""The cord ends about L1: a scan whose highest level lies below this need not show it."""
LEAST_LEVEL = 0.3
"""Of the median volume of the case's vertebrae: less of one is a sliver at the edge."""
MARGIN = 0.7
"""In usual distances beyond a level's middle, so that all of it is in view."""


def compare(examinations: Sequence[Examination]) -> Iterator[Finding]:
    """Report structures that are expected by the rest of the set, in view, and not marked."""
    by_set: dict[str, list[Examination]] = defaultdict(list)
    for examination in examinations:
        known = {finding.code for finding in examination.findings}
        if examination.structures and not known & MISLEADING:
            by_set[examination.case.dataset].append(examination)
    for members in by_set.values():
        counts = Counter(name for e in members for name in e.structures)
        for name, count in counts.items():
            absent = [e for e in members if name not in e.structures and _in_view(name, e)]
            together = count + len(absent)
            if together >= LEAST_CASES and count >= USUAL_SHARE * together:
                for examination in absent:
                    text = f"{name} is not marked, as it is in {count} of {together} like cases"
                    yield Finding(
                        "structure-missing", examination.case.name, text, structures=(name,)
                    )


def _in_view(name: str, examination: Examination) -> bool:
    """Whether the scan reaches far enough beyond the marked levels to show all of a structure."""
    rank = rank_of(name)
    ranks = [r for r in map(rank_of, examination.structures) if r is not None]
    if rank is None:
        kind = kind_of(name)
        if kind == "cord":
            conus = rank_of(CONUS_LEVEL)
            return conus is not None and _highest(examination) < conus
        return kind == "canal" or not ranks
    if not ranks or examination.step_mm is None or examination.room_mm is None:
        return False
    above, below = examination.room_mm
    steps = max(min(ranks) - rank, rank - max(ranks))
    if steps <= 0:
        # Between others: `order` says so with the place. At another's place: T13 is where T12-L1
        # is in other people.
        return False
    room = above if rank < min(ranks) else below
    return room >= (steps + MARGIN) * examination.step_mm


def _highest(examination: Examination) -> float:
    """Rank of the highest vertebra that is more than a sliver; infinity for none."""
    sizes = {
        rank: facts.volume_mm3
        for name, facts in examination.structures.items()
        if kind_of(name) == "vertebra" and (rank := rank_of(name)) is not None
    }
    usual = float(np.median(list(sizes.values()))) if sizes else 0.0
    return min((r for r, mm3 in sizes.items() if mm3 >= LEAST_LEVEL * usual), default=float("inf"))
