"""How many planted faults the doctor finds, and how often clean scans raise an alarm.

    python benchmarks/doctor.py                  # 200 clean phantoms, 40 of every fault
    python benchmarks/doctor.py --clean 20 --each 4 --csv /tmp/quick.csv

Draws small phantoms. The clean ones are a set; for every fault, phantoms of other seeds that hold
it join them, and the doctor (without the model) looks at the whole. Prints a row per fault: cases
that hold it, cases where a finding of the right kind was raised, and cases with any other error or
warning; in the row of the clean set every error or warning is a false alarm. The table goes to
benchmarks/results/doctor.csv.
"""

from __future__ import annotations

import argparse
import csv
import resource
import shutil
import time
from collections import defaultdict
from pathlib import Path

from doctor_faults import FAULTS, Fault, write_faulty
from doctor_scans import write_clean
from spinekit.curation.doctor.examination import Examination, ExamineOptions, examine_case
from spinekit.curation.doctor.findings import Finding
from spinekit.curation.doctor.rounds import compare_cases

TABLE = Path(__file__).parent / "results" / "doctor.csv"
CLEAN = "(clean)"
FIRST_SEED = 100_000
"""Of scans with faults, far from those of clean ones."""
OPTIONS = ExamineOptions(image_axes=False, pictures=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clean", type=int, default=200)
    parser.add_argument("--each", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path(".spinekit/doctor"))
    parser.add_argument("--only", nargs="*", help="names of faults")
    parser.add_argument("--csv", type=Path, default=TABLE)
    args = parser.parse_args()
    started = time.process_time()
    clean = [
        examine_case(write_clean(args.work, f"clean{seed:04d}", seed), OPTIONS)
        for seed in range(args.clean)
    ]
    findings = compare_cases(clean).findings
    for finding in findings:
        tell(finding)
    found = alarms(findings)
    false = sum(bool(found[e.case.name]) for e in clean)
    rows = [row(CLEAN, "", len(clean), None, false)]
    for fault in FAULTS:
        if not args.only or fault.name in args.only:
            rows.append(score(fault, clean, args.work, args.each))
            write(args.csv, rows)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.process_time() - started:.0f} s of one core, at most {memory:.0f} MB")


def score(fault: Fault, clean: list[Examination], work: Path, each: int) -> dict[str, object]:
    """Plant a fault in scans of their own and look at them among the clean ones."""
    planted = [
        examine_case(case, OPTIONS)
        for n in range(each)
        for case in write_faulty(work / fault.name, f"{fault.name}_{n:04d}", FIRST_SEED + n, fault)
    ]
    names = [examination.case.name for examination in planted]
    findings = compare_cases([*clean, *planted]).findings
    raised = alarms(findings)
    hits = sum(bool(raised[name] & fault.expected) for name in names)
    others = sum(bool(raised[name] - fault.expected - fault.also) for name in names)
    for finding in findings:
        if finding.case in names and finding.code not in fault.expected | fault.also:
            tell(finding)
    for name in names:
        if not raised[name] & fault.expected:
            print(f"    {name}: not found")
    shutil.rmtree(work / fault.name)
    return row(fault.name, " ".join(sorted(fault.expected)), len(names), hits, others)


def alarms(findings: tuple[Finding, ...]) -> dict[str, set[str]]:
    """Case to the codes of its errors and warnings."""
    raised: dict[str, set[str]] = defaultdict(set)
    for finding in findings:
        if finding.kind.severity != "note":
            raised[finding.case].add(finding.code)
    return raised


def tell(finding: Finding) -> None:
    if finding.kind.severity != "note":
        print(f"    {finding.case}: {finding.code}: {finding.text}")


def row(fault: str, expected: str, cases: int, found: int | None, others: int) -> dict[str, object]:
    share = "" if found is None else rate(found, cases)
    print(
        f"{fault:22} {cases:4} cases  found {'' if found is None else found!s:>4} {share!s:>7}  "
        f"other alarms {others:3}  {expected}",
        flush=True,
    )
    return {
        "fault": fault,
        "expected": expected,
        "cases": cases,
        "found": "" if found is None else found,
        "found_rate": share,
        "other_alarms": others,
        "other_rate": rate(others, cases),
    }


def write(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def rate(count: int, of: int) -> float:
    return round(count / max(of, 1), 4)


if __name__ == "__main__":
    main()
