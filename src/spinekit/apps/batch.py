"""Scans one after the other, or several at a time: a failure does not stop the rest.

It knows jobs and outcomes; how a scan is segmented is the pipeline's business.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spinekit.apps.duration import expect_seconds
from spinekit.apps.interruption import heed_interrupt
from spinekit.apps.job import Job, Outcome
from spinekit.apps.jobs import lose, process
from spinekit.apps.options import RunOptions
from spinekit.apps.summary import (
    FILE,
    describe_names,
    is_summary,
    is_told,
    merge_rows,
    place_in,
    set_aside,
    write_rows,
)
from spinekit.core.errors import SpineKitError
from spinekit.core.parallel import each
from spinekit.io.locks import alone
from spinekit.io.staging import check_writable, remove_abandoned
from spinekit.io.writing import write_json

FAILURES = "failures.json"
ABSENT = "no-such-series"
"""What a DICOM folder fails with that has not the series asked for."""
LONG_RUN_S = 30.0
"""Runs expected to take longer say so first."""


def run_command(plan: Callable[[], list[Job]], run: RunOptions) -> int:
    """Plan, do, and sum up what a command was given.

    Args:
        plan: Finds the jobs.
        run: How they are done.

    Returns:
        0 all done, 1 some failed.

    Raises:
        SpineKitError: None could start; its exit code is 2.
    """
    try:
        jobs = plan()
        many = not jobs[0].alone
        outcomes = run_jobs(jobs, run, many=many)
    except SpineKitError as error:
        # What one scan lacks is in its outcome; this means that none could start.
        error.exit_code = 2
        raise
    done = [outcome for outcome in outcomes if outcome.status != "failed"]
    if many or (done and is_summary(run.out / FILE)):
        write_summary(run.out, outcomes, jobs, quiet=run.quiet)
    if run.json:
        print(json.dumps([outcome.to_dict() for outcome in outcomes], indent=1))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if many and not run.quiet:
        print(f"{len(done)} of {len(outcomes)} scans done; {run.out / FILE}", file=sys.stderr)
    return 1 if failed else 0


def run_jobs(jobs: Sequence[Job], run: RunOptions, *, many: bool) -> list[Outcome]:
    """Do all jobs and report each as it ends; an interrupted run sums up those that have.

    Of several DICOM folders those without the series asked for are passed over, where one has it.

    Args:
        jobs: What is to be done.
        run: How they are done.
        many: Show a bar over scans rather than over the per cent of one.

    Returns:
        One outcome per job that was not passed over, in the order of the jobs.
    """
    for folder in {job.place.root for job in jobs}:
        remove_abandoned(folder)
    _announce(jobs, run)
    outcomes: dict[str, Outcome] = {}
    try:
        with _bar(len(jobs) if many else None, run) as bar:
            for outcome in _outcomes(jobs, run.jobs, None if many else bar):
                outcomes[outcome.input] = outcome
                if many:
                    bar.update(1)
                if outcome.code != ABSENT:
                    _report(outcome, run)
                heed_interrupt()
    except KeyboardInterrupt:
        if many and outcomes:
            ended = [outcomes[job.shown] for job in jobs if job.shown in outcomes]
            if there := [outcome for outcome in ended if outcome.code != ABSENT]:
                write_summary(run.out, there, jobs, quiet=run.quiet)
        raise
    return _leave_absent(jobs, [outcomes[job.shown] for job in jobs], run)


def _leave_absent(
    jobs: Sequence[Job], outcomes: Sequence[Outcome], run: RunOptions
) -> list[Outcome]:
    """The outcomes but those for want of the series; a line counts them. All where none has it."""
    absent = [outcome for outcome in outcomes if outcome.code == ABSENT]
    is_there = any(
        job.source.is_dir() and outcome.status != "failed"
        for job, outcome in zip(jobs, outcomes, strict=True)
    )
    if not is_there:
        for outcome in absent:
            _report(outcome, run)
        return list(outcomes)
    if absent and not run.quiet:
        many = f"{len(absent)} DICOM folder{'s' if len(absent) > 1 else ''}"
        print(f"spinekit: {many} without the series; passed over", file=sys.stderr)
    return [outcome for outcome in outcomes if outcome.code != ABSENT]


def _outcomes(jobs: Sequence[Job], processes: int, bar: Any) -> Iterator[Outcome]:
    groups = _group(jobs)
    if processes == 1 or len(groups) == 1:
        for group in groups:
            yield from process(group, bar)
        return
    several = min(processes, len(groups))
    with contextlib.closing(each(process, groups, lost=lose, processes=several)) as done:
        for outcomes in done:
            yield from outcomes


def _group(jobs: Sequence[Job]) -> list[tuple[Job, ...]]:
    """Jobs of one study together, all others by themselves, in the order of the first of each."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        name = f"study {job.study}" if job.study else f"scan {job.shown}"
        groups.setdefault(name, []).append(job)
    return [tuple(group) for group in groups.values()]


def write_summary(
    folder: Path, outcomes: Sequence[Outcome], jobs: Sequence[Job], *, quiet: bool = False
) -> None:
    """Write `summary.csv` and `failures.json` of a run over several scans.

    What earlier runs into the folder wrote of other scans stays, where it is not out of date. A
    file of such a name that is another program's gets another name. Paths of results are told
    from the folder.

    Args:
        folder: Where to.
        outcomes: One row each; the failures go into the JSON.
        jobs: What was to be done; it tells where the result of each scan lies, or would.
        quiet: Do not say on the terminal that a file got another name.

    Raises:
        OutputError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    reports = {job.shown: job.files["json"] for job in jobs}
    rows = [
        {
            **outcome.to_dict(),
            "preview": place_in(folder, outcome.preview),
            "report": place_in(folder, reports[outcome.input]),
        }
        for outcome in outcomes
    ]
    failures = [
        {"input": outcome.input, "code": outcome.code, "message": outcome.message}
        for outcome in outcomes
        if outcome.status == "failed"
    ]
    with alone(folder / FILE):
        merged, replaced = merge_rows(folder, rows)
        told = replaced.union(outcome.input for outcome in outcomes)
        before = _read_failures(folder / FAILURES)
        if not is_summary(folder / FILE):
            _set_aside(folder / FILE, quiet=quiet)
        if before is None:
            _set_aside(folder / FAILURES, quiet=quiet)
        # A folder that lacked an earlier run's series and lacks this one's is no failure.
        passed = {job.shown for job in jobs}.difference(outcome.input for outcome in outcomes)

        def is_left(row: Mapping[str, Any]) -> bool:
            return row["code"] != ABSENT or row["input"] not in passed

        write_rows(folder / FILE, rows[0], filter(is_left, merged))
        earlier = [
            failure
            for failure in filter(is_left, before or [])
            if not is_told(failure["input"], told)
        ]
        write_json(folder / FAILURES, earlier + failures)


def _set_aside(path: Path, *, quiet: bool) -> None:
    """Keep another program's file, if there is one, and say so."""
    kept = set_aside(path)
    if kept is not None and not quiet:
        text = f"{path} was not written by this program; it is now called {kept.name}"
        print(_one_line(f"spinekit: warning: {text}"), file=sys.stderr)


def _read_failures(path: Path) -> list[dict[str, str]] | None:
    """The failures of earlier runs; None where there is no such file of this program."""
    try:
        read = json.loads(path.read_bytes())
        rows = [{key: row[key] for key in ("input", "code", "message")} for row in read]
        return rows if isinstance(read, list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _announce(jobs: Sequence[Job], run: RunOptions) -> None:
    """Say how long a long run is going to take.

    Raises:
        OutputError: Its results could not be written.
    """
    todo = [job for job in jobs if job.overwrite or not os.path.exists(job.files["json"])]
    if todo:
        check_writable(run.out)
    expected = expect_seconds([job.source for job in todo], run.threads, run.jobs)
    if expected > LONG_RUN_S and not run.quiet:
        number = f"{len(todo)} scans" if len(todo) > 1 else "one scan"
        print(f"{number} to do, about {expected / 60:.1f} minutes", file=sys.stderr)


def _bar(total: int | None, run: RunOptions) -> Any:
    silent = run.quiet or run.json or not sys.stderr.isatty()
    unit = "%" if total is None else "scan"
    return tqdm(total=total or 100, unit=unit, leave=False, disable=silent)


def _report(outcome: Outcome, run: RunOptions) -> None:
    """Print what became of a scan: a line, and one for each warning or the error."""
    if outcome.status == "failed":
        named, _, rest = outcome.message.partition(": ")
        text = rest if Path(named).name == Path(outcome.input).name else outcome.message
        tqdm.write(_one_line(f"spinekit: error: {outcome.input}: {text}"), file=sys.stderr)
        return
    if run.quiet:
        return
    for text in (*outcome.anomalies, *outcome.warnings):
        tqdm.write(_one_line(f"spinekit: warning: {outcome.input}: {text}"), file=sys.stderr)
    if not run.json:
        tqdm.write(describe(outcome))


def describe(outcome: Outcome) -> str:
    """Put a good outcome into one line."""
    found = describe_names(outcome.to_dict())
    when = "done before" if outcome.status == "skipped" else f"{outcome.seconds:.1f} s"
    return _one_line(f"{outcome.input}: {found} ({when}) → {outcome.preview}")


def _one_line(text: str) -> str:
    """The text without the line breaks that a file name may have."""
    return " ".join(text.splitlines())
