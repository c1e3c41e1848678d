"""Scans one after the other, or several at a time: a failure does not stop the rest.

It knows jobs and outcomes; how a scan is segmented is the pipeline's business.
"""

import argparse
import contextlib
import csv
import functools
import io
import json
import multiprocessing
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spinekit.apps.cli import explain
from spinekit.core.errors import ModelError, UsageError
from spinekit.io.discovery import find_scans
from spinekit.io.writing import write_bytes, write_json
from spinekit.pipeline import (
    Predictor,
    SegmentOptions,
    available_cores,
    load_predictor,
    segment,
)
from spinekit.segmentation import output_names

LONG_RUN_S = 30.0
"""Runs expected to take longer say so first."""
SECONDS_PER_MIB = 6.0
"""Of one core for a MiB of compressed scan, the mean of clinical lumbar scans: a first guess."""


@dataclass(frozen=True)
class Job:
    """One scan to do."""

    source: Path
    """File or DICOM folder."""
    shown: str
    """How the scan is called in messages: its name, or its path in the folder given."""
    stem: str
    """First part of the names of its files."""
    out: Path
    """Folder for its files."""
    fmt: str
    """Ending of its volumes."""
    options: SegmentOptions
    """How it is segmented."""
    overwrite: bool
    """Do it although its files are there."""
    debug: bool
    """Show the traceback of an error."""
    alone: bool
    """The only scan: its wrong use is wrong use of the command."""

    @property
    def files(self) -> dict[str, Path]:
        """Kind of file → path, for every file the job writes."""
        names = output_names(self.stem, self.fmt, image=self.options.iso)
        return {kind: self.out / name for kind, name in names.items()}


@dataclass(frozen=True)
class Outcome:
    """What became of a job; a row of the summary."""

    input: str
    status: str
    """`done`, `skipped` (its files were there already) or `failed`."""
    seconds: float = 0.0
    vertebrae: tuple[str, ...] = ()
    discs: int = 0
    ambiguous: bool = False
    warnings: tuple[str, ...] = ()
    preview: str = ""
    code: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return asdict(self)


def plan_jobs(args: argparse.Namespace) -> list[Job]:
    """Find the scans and decide where their files go, before anything runs.

    Args:
        args: What `spinekit segment` was given.

    Raises:
        SpineKitError: Nothing could start: no scan, a clash of names, a wrong option.
    """
    from spinekit.anatomy.scheme import load_scheme

    load_scheme(args.scheme)
    _check_places(args.input, args.out)
    options = SegmentOptions(
        iso=args.iso,
        model=None if args.model is None else str(args.model),
        scheme=args.scheme,
        threads=args.threads or max(1, available_cores() // args.jobs),
        force=args.force,
        strict=args.strict,
        volume=args.volume,
        series=args.series,
    )
    found = find_scans(args.input, exclude=args.out)
    alone = found[0].path == args.input
    return [
        Job(
            source=scan.path,
            shown=scan.path.name if alone else str(scan.path.relative_to(args.input)),
            stem=scan.stem,
            out=args.out / scan.relative_dir,
            fmt=args.fmt,
            options=options,
            overwrite=args.overwrite,
            debug=args.debug,
            alone=alone,
        )
        for scan in found
    ]


def _check_places(source: Path, out: Path) -> None:
    """Refuse an OUT that is, or lies in, the input itself."""
    inside = out.resolve()
    scan = source.resolve()
    if scan == inside or (scan.is_file() and scan in inside.parents):
        raise UsageError(
            "out-is-input", f"OUT ({out}) is the input or lies in it", "choose another folder"
        )
    if out.exists() and not out.is_dir():
        raise UsageError("out-is-file", f"OUT ({out}) is a file", "choose a folder")


def run_jobs(jobs: Sequence[Job], args: argparse.Namespace, *, many: bool) -> list[Outcome]:
    """Do all jobs and report each as it ends.

    Args:
        jobs: What is to be done.
        args: What the command was given: `jobs`, `quiet`, `json`, `threads`.
        many: Show a bar over scans rather than over the per cent of one.

    Returns:
        One outcome per job, in the order of the jobs.
    """
    _announce(jobs, args)
    outcomes: dict[str, Outcome] = {}
    with _bar(len(jobs) if many else None, args) as bar:
        for outcome in _outcomes(jobs, args.jobs, None if many else bar):
            outcomes[outcome.input] = outcome
            if many:
                bar.update(1)
            _report(outcome, args)
    return [outcomes[job.shown] for job in jobs]


def _outcomes(jobs: Sequence[Job], processes: int, bar: Any) -> Iterator[Outcome]:
    if processes == 1 or len(jobs) == 1:
        for job in jobs:
            yield process(job, bar)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(jobs)), context, initializer=_quiet_worker)
    try:
        for future in as_completed([pool.submit(process, job) for job in jobs]):
            yield future.result()
        pool.shutdown()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in multiprocessing.active_children():
            child.terminate()
            child.join(timeout=LONG_RUN_S)


def _quiet_worker() -> None:
    """Let an interrupt unwind the worker, so that its half-written files go, in silence."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(1))


def process(job: Job, bar: Any = None) -> Outcome:
    """Segment one scan and write its files.

    Args:
        job: What is to be done.
        bar: Its progress in per cent; None for none.

    Returns:
        The outcome; failures come as outcomes too.

    Raises:
        ModelError: The model cannot be used, so no scan can be done.
        UsageError: A choice must be made, and it is the only scan.
    """
    started = time.perf_counter()
    try:
        if not job.overwrite and _is_done(job):
            return _outcome(job, json.loads(job.files["json"].read_bytes()), "skipped", 0.0)
        result = segment(
            job.source,
            job.options,
            predictor=_predictor(job.options.model, job.options.threads),
            progress=None if bar is None else functools.partial(_advance, bar),
        )
        result.save(job.out, fmt=job.fmt, stem=job.stem)
        return _outcome(job, result.report, "done", time.perf_counter() - started)
    except ModelError:
        raise
    except Exception as error:
        if job.alone and isinstance(error, UsageError):
            raise
        if job.debug:
            traceback.print_exc()
        code, message = explain(error)
        seconds = round(time.perf_counter() - started, 2)
        return Outcome(job.shown, "failed", seconds=seconds, code=code, message=message)


@functools.lru_cache(maxsize=1)
def _predictor(model: str | None, threads: int) -> Predictor:
    return load_predictor(model, threads=threads)


def _is_done(job: Job) -> bool:
    """Whether all files are there and were made with the same options.

    Raises:
        UsageError: They were made with other options.
    """
    files = job.files
    if not all(path.exists() for path in files.values()):
        return False
    report = json.loads(files["json"].read_bytes())
    if report["options"] != job.options.recorded():
        raise UsageError(
            "other-options",
            f"{files['json']} was made with other options",
            "add --overwrite, or choose another OUT",
        )
    return True


def _outcome(job: Job, report: Any, status: str, seconds: float) -> Outcome:
    kinds: dict[str, list[str]] = {"vertebra": [], "disc": []}
    for structure in report["structures"]:
        kinds.setdefault(structure["part"], []).append(structure["name"])
    return Outcome(
        input=job.shown,
        status=status,
        seconds=round(seconds, 2),
        vertebrae=(*kinds["vertebra"], *kinds.get("sacrum", ())),
        discs=len(kinds["disc"]),
        ambiguous=bool(report["column"]["ambiguous"]),
        warnings=tuple(warning["text"] for warning in report["warnings"]),
        preview=str(job.files["preview"]),
    )


def write_summary(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write `summary.csv` and `failures.json` of a run over several scans.

    Args:
        folder: Where to.
        outcomes: One row each; the failures go into the JSON.

    Raises:
        OutputError: They cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    table = csv.DictWriter(text, list(Outcome.__dataclass_fields__), lineterminator="\n")
    table.writeheader()
    for outcome in outcomes:
        row = outcome.to_dict()
        table.writerow(
            {key: " ".join(cell) if isinstance(cell, tuple) else cell for key, cell in row.items()}
        )
    write_bytes(folder / "summary.csv", text.getvalue().encode())
    failures = [
        {"input": outcome.input, "code": outcome.code, "message": outcome.message}
        for outcome in outcomes
        if outcome.status == "failed"
    ]
    write_json(folder / "failures.json", failures)


def _announce(jobs: Sequence[Job], args: argparse.Namespace) -> None:
    """Say how long a long run is going to take."""
    todo = [job for job in jobs if job.overwrite or not job.files["json"].exists()]
    expected = expect_seconds([job.source for job in todo], args.threads, args.jobs)
    if expected > LONG_RUN_S and not args.quiet:
        number = f"{len(todo)} scans" if len(todo) > 1 else "one scan"
        print(f"{number} to do, about {expected / 60:.1f} minutes", file=sys.stderr)


def expect_seconds(scans: Sequence[Path], threads: int | None, jobs: int) -> float:
    """Guess how long scans take from the size of their files, within a factor of two or so.

    Args:
        scans: Files, or DICOM folders.
        threads: Of each scan; None for every core.
        jobs: Scans at the same time.

    Returns:
        Seconds; 0 for no scan or when they cannot be looked at.
    """
    size = 0
    for scan in scans:
        with contextlib.suppress(OSError):
            files = [scan] if scan.is_file() else list(scan.iterdir())
            packed = scan.name.endswith(".gz")
            size += sum(path.stat().st_size for path in files) // (1 if packed else 2)
    cores = available_cores()
    used = min(cores, (threads or cores) * min(jobs, max(1, len(scans))))
    return SECONDS_PER_MIB * size / 2**20 / used


@contextlib.contextmanager
def _bar(total: int | None, args: argparse.Namespace) -> Iterator[Any]:
    silent = args.quiet or args.json or not sys.stderr.isatty()
    unit = "%" if total is None else "scan"
    with tqdm(total=total or 100, unit=unit, leave=False, disable=silent) as bar:
        yield bar


def _advance(bar: Any, share: float) -> None:
    bar.update(round(100 * share) - bar.n)


def _report(outcome: Outcome, args: argparse.Namespace) -> None:
    """Print what became of a scan: a line, and one for each warning or the error."""
    if outcome.status == "failed":
        text = outcome.message.removeprefix(f"{Path(outcome.input).name}: ")
        tqdm.write(f"spinekit: error: {outcome.input}: {text}", file=sys.stderr)
        return
    if args.quiet:
        return
    for text in outcome.warnings:
        tqdm.write(f"spinekit: warning: {outcome.input}: {text}", file=sys.stderr)
    if not args.json:
        tqdm.write(describe(outcome))


def describe(outcome: Outcome) -> str:
    """Put a good outcome into one line."""
    if outcome.vertebrae:
        found = f"{outcome.vertebrae[0]} to {outcome.vertebrae[-1]}, {outcome.discs} discs"
    else:
        found = "no spine found"
    unsure = ", names unsure" if outcome.ambiguous else ""
    when = "done before" if outcome.status == "skipped" else f"{outcome.seconds:.1f} s"
    return f"{outcome.input}: {found}{unsure} ({when}) → {outcome.preview}"
