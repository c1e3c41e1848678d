"""Structures and regions that a set has too few of.

It counts names over cases; what is rare is said once, for the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import WHOLE_SET, Finding
from spinekit.curation.doctor.meaning import rank_of

LEAST_CASES = 10
RARE_SHARE = 0.1
"""Of the cases: a structure or region marked in fewer is rare."""
REGIONS = {"C": "cervical", "T": "thoracic", "L": "lumbar", "s": "sacral"}


def compare(examinations: Sequence[Examination]) -> Iterator[Finding]:
    """Report rare structures, and regions that few cases show."""
    marked = [e for e in examinations if e.structures]
    if len(marked) < LEAST_CASES:
        return
    counts = Counter(name for e in marked for name in e.structures if rank_of(name) is not None)
    rare = sorted(
        (name for name, count in counts.items() if count < RARE_SHARE * len(marked)),
        key=lambda name: rank_of(name) or 0.0,
    )
    if rare:
        shown = ", ".join(f"{name} ({counts[name]})" for name in rare)
        text = f"marked in fewer than {RARE_SHARE:.0%} of {len(marked)} cases: {shown}"
        yield Finding("class-imbalance", WHOLE_SET, text, structures=tuple(rare))
    regions = count_regions(marked)
    few = [name for name, count in regions.items() if 0 < count < RARE_SHARE * len(marked)]
    if few:
        shown = ", ".join(f"{name} {count}" for name, count in regions.items())
        yield Finding("region-imbalance", WHOLE_SET, f"cases by region: {shown}")


def count_regions(examinations: Sequence[Examination]) -> dict[str, int]:
    """How many cases mark a vertebra of each region, or a disc below one.

    Args:
        examinations: Cases.

    Returns:
        Region to cases; all four regions, from the top.
    """
    found: Counter[str] = Counter()
    for examination in examinations:
        letters = {name[0] for name in examination.structures if rank_of(name) is not None}
        found.update(REGIONS[letter] for letter in letters if letter in REGIONS)
    return {name: found[name] for name in REGIONS.values()}
