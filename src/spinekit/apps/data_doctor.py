"""`spinekit data doctor PATH`: what is wrong with a training set, as table, JSON and page.

It knows options and what to print; examining is done in `curation.doctor`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinekit.curation.doctor.rounds import Diagnosis
    from spinekit.datasets.case import Case

EPILOG = """\
Nothing in PATH is changed. OUT gets doctor.html (with pictures, for any browser, no network) and
doctor.json (everything, for programs).

  spinekit data doctor my_set
  spinekit data doctor my_set --set values=spider --expect L1-L5,L1-L2..L5-S1 --strict

Exit 0: the doctor ran, whatever was found. With --strict 1 when there are errors. 2: wrong use."""
EXAMPLES = 3
"""Cases named per finding in the table."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the step."""
    from spinekit.apps.options import add_settings, positive

    parser.epilog = EPILOG
    parser.add_argument("path", metavar="PATH", type=Path, help="folder of the set")
    parser.add_argument(
        "--out", metavar="OUT", type=Path, default=Path("doctor_out"), help="folder for the report"
    )
    parser.add_argument("--dataset", metavar="NAME", help="set or layout (default: recognised)")
    add_settings(parser, "a setting of the set, such as values=spider")
    parser.add_argument(
        "--expect",
        metavar="NAMES",
        help="structures that every case should hold, such as L1-L5,L1-L2..L5-S1",
    )
    parser.add_argument(
        "--no-model",
        action="store_true",
        help="do not ask the model where the front is when the masks do not tell: faster",
    )
    parser.add_argument("--no-pictures", action="store_true", help="a page without pictures")
    parser.add_argument("--jobs", metavar="N", type=positive, default=1, help="cases at a time")
    parser.add_argument("--strict", action="store_true", help="exit 1 when there are errors")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--json", action="store_true", help="print doctor.json, not the table")


def run(args: argparse.Namespace) -> int:
    """Examine the set and write the report."""
    from tqdm import tqdm

    from spinekit.curation.doctor.examination import ExamineOptions
    from spinekit.curation.doctor.page import render_page
    from spinekit.curation.doctor.rounds import diagnose
    from spinekit.curation.doctor.statistics import describe_diagnosis
    from spinekit.io.staging import refuse_inside, staged
    from spinekit.io.writing import write_bytes, write_json

    dataset, cases = _find(args.path, args.dataset, args.set)
    refuse_inside(args.out, args.path, "choose another folder with --out")
    expect = _expected(args.expect)
    options = ExamineOptions(image_axes=not args.no_model, pictures=not args.no_pictures)
    silent = args.quiet or args.json or not sys.stderr.isatty()
    with tqdm(total=len(cases), unit="case", leave=False, disable=silent) as bar:
        diagnosis = diagnose(
            cases, options, expect=expect, jobs=args.jobs, progress=lambda _: bar.update(1)
        )
    source = args.path.resolve().name
    content = describe_diagnosis(diagnosis, source=source, dataset=dataset)
    page = render_page(diagnosis, source=source, dataset=dataset)
    with staged(args.out) as folder:
        write_bytes(folder / "doctor.html", page.encode("utf-8"))
        write_json(folder / "doctor.json", content)
    if args.json:
        print(json.dumps(content, indent=2, ensure_ascii=False))
    elif not args.quiet:
        print(table_of(diagnosis))
        print(f"→ {args.out / 'doctor.html'}")
    return 1 if args.strict and diagnosis.counts["error"] else 0


def table_of(diagnosis: Diagnosis) -> str:
    """The findings as a table: how many cases, and which.

    Args:
        diagnosis: Of a set.

    Returns:
        Lines; a last one sums up.
    """
    from spinekit.curation.doctor.findings import KINDS

    cases: dict[str, list[str]] = defaultdict(list)
    for finding in diagnosis.findings:
        if finding.case not in cases[finding.code]:
            cases[finding.code].append(finding.case)
    lines = []
    for code, kind in KINDS.items():
        if code not in cases:
            continue
        shown = ", ".join(cases[code][:EXAMPLES])
        more = len(cases[code]) - EXAMPLES
        shown += f" and {more} more" if more > 0 else ""
        lines.append(f"{kind.severity:8} {code:20} {len(cases[code]):5}  {kind.title}: {shown}")
        lines.append(f"{'':36}→ {kind.remedy}")
    if lines:
        lines.insert(0, f"{'severity':8} {'finding':20} {'cases':>5}  what")
    counts = Counter(diagnosis.counts)
    lines.append(
        f"{len(diagnosis.examinations)} cases: {counts['error']} errors, "
        f"{counts['warning']} warnings, {counts['note']} notes"
    )
    return "\n".join(lines)


def _find(path: Path, dataset: str | None, pairs: Sequence[str]) -> tuple[str, list[Case]]:
    """Layout and cases of the set."""
    from spinekit.core.errors import UsageError
    from spinekit.core.settings import parse_pairs
    from spinekit.datasets.registry import entry_named, find_cases, recognise

    if not path.is_dir():
        raise UsageError("file-missing", f"{path}: no such folder", "check the path")
    settings = parse_pairs(pairs)
    known = dataset or recognise(path) or "folder"
    if dataset is None:
        entry_named(known).check(settings, otherwise="--dataset folder")
    return known, find_cases(path, known, settings)


def _expected(text: str | None) -> tuple[str, ...]:
    from spinekit.curation.selection import expand_labels

    return expand_labels(text.split(",")) if text else ()
