"""Patients on both sides of a split.

It reads what the set's layout says of splits; sets without any are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import Finding


def compare(examinations: Sequence[Examination]) -> Iterator[Finding]:
    """Report every case of a patient whose cases lie in more than one split."""
    sides: dict[tuple[str, str], dict[str, list[Examination]]] = defaultdict(dict)
    for examination in examinations:
        split = examination.case.facts.get("split")
        if split:
            key = (examination.case.dataset, examination.case.subject)
            sides[key].setdefault(split, []).append(examination)
    for (_, subject), by_split in sides.items():
        if len(by_split) < 2:
            continue
        for split, members in by_split.items():
            other = "; ".join(
                f"{', '.join(e.case.name for e in there[:3])} in {name}"
                for name, there in by_split.items()
                if name != split
            )
            for member in members:
                text = f"patient {subject} is in {split} here, and {other}"
                yield Finding("split-leak", member.case.name, text, facts={"split": split})
