"""Rounds over a set: case by case, then the comparison of all, then statistics.

It knows how cases are shared among processes; what is looked for, it does not know. Memory holds
one opened case per process, and of the others only their measures.
"""

from __future__ import annotations

import contextlib
import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from spinekit.core.parallel import each
from spinekit.curation.doctor.comparisons.registry import COMPARISONS
from spinekit.curation.doctor.examination import (
    FAILED,
    Examination,
    ExamineOptions,
    attempt_case,
    lose_case,
    picture_of,
)
from spinekit.curation.doctor.expected import find_absent
from spinekit.curation.doctor.findings import SEVERITIES, Finding
from spinekit.datasets.case import Case

MOST_PICTURES = 300
"""Pictures kept; those of later cases are dropped."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found in a set."""

    examinations: tuple[Examination, ...]
    """In the order of the cases."""
    findings: tuple[Finding, ...]
    """Of cases and set: worst first, then by code and case."""

    @cached_property
    def counts(self) -> dict[str, int]:
        """Severity → number of findings."""
        found = Counter(finding.kind.severity for finding in self.findings)
        return {severity: found[severity] for severity in SEVERITIES}


def diagnose(
    cases: Sequence[Case],
    options: ExamineOptions,
    *,
    expect: Sequence[str] = (),
    jobs: int = 1,
    progress: Callable[[Examination], None] | None = None,
) -> Diagnosis:
    """Examine every case of a set and compare them.

    Args:
        cases: Of the set.
        options: How cases are examined.
        expect: Names of structures that every case should hold.
        jobs: Cases at the same time.
        progress: Called with every examination as it is done.

    Returns:
        The diagnosis; empty for no cases.
    """
    done: dict[str, Examination] = {}
    pictures = 0
    examine = functools.partial(attempt_case, options=options)
    processes = max(1, min(jobs, len(cases)))
    # Closed at once whatever happens here, so that no process outlives an interrupt.
    work = each(examine, cases, lost=lose_case, processes=processes)
    with contextlib.closing(work) as examinations:
        for examination in examinations:
            if examination.picture is not None:
                pictures += 1
                if pictures > MOST_PICTURES:
                    examination = replace(examination, picture=None)
            done[examination.case.name] = examination
            if progress is not None:
                progress(examination)
    diagnosis = compare_cases([done[case.name] for case in cases], expect=expect)
    return _with_pictures(diagnosis) if options.pictures else diagnosis


def compare_cases(examinations: Sequence[Examination], *, expect: Sequence[str] = ()) -> Diagnosis:
    """Compare examined cases and collect all findings.

    Args:
        examinations: Of a set.
        expect: Names of structures that every case should hold.

    Returns:
        The diagnosis.
    """
    findings = [finding for examination in examinations for finding in examination.findings]
    findings += find_absent(examinations, expect)
    for compare in COMPARISONS:
        findings += compare(examinations)
    order = {severity: n for n, severity in enumerate(SEVERITIES)}
    findings.sort(key=lambda f: (order[f.kind.severity], f.code, f.case, f.text))
    return Diagnosis(tuple(examinations), tuple(findings))


def _with_pictures(diagnosis: Diagnosis) -> Diagnosis:
    """Draw the cases in which only the comparison found something.

    Those whose examination failed are not opened again. A picture that cannot be drawn is left
    out: the findings are what is asked for.
    """
    failed = {finding.case for finding in diagnosis.findings if finding.code == FAILED}
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in diagnosis.findings:
        if finding.kind.severity != "note" and finding.case not in failed:
            found[finding.case].append(finding)
    room = MOST_PICTURES - sum(e.picture is not None for e in diagnosis.examinations)
    examinations = list(diagnosis.examinations)
    for index, examination in enumerate(examinations):
        if room > 0 and examination.picture is None and found[examination.case.name]:
            with contextlib.suppress(Exception):
                picture = picture_of(examination.case, found[examination.case.name])
                examinations[index] = replace(examination, picture=picture)
            room -= 1
    return replace(diagnosis, examinations=tuple(examinations))
