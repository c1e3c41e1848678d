"""Structures that a user says every case should hold.

It knows names; what the rest of a set makes likely is a comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import Finding


def find_absent(examinations: Sequence[Examination], expect: Sequence[str]) -> Iterator[Finding]:
    """Report, once per case, the expected structures that it does not hold.

    Args:
        examinations: Cases; those without a readable mask are passed over, since that is said.
        expect: Names.
    """
    for examination in examinations:
        absent = [name for name in expect if name not in examination.structures]
        if absent and examination.structures:
            text = f"expected and not marked: {', '.join(absent)}"
            name = examination.case.name
            yield Finding("structure-missing", name, text, structures=tuple(absent))
