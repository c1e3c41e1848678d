"""One scan to do, and what became of it.

It knows a scan's files and its outcome; which scans there are, and in what order they are done, is
planned elsewhere.
"""

import functools
import json
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spinekit.adoption import MaskOptions, adopt_mask
from spinekit.apps.cli import explain
from spinekit.apps.summary import describe_report
from spinekit.core.errors import ModelError, OutputError, UsageError
from spinekit.core.parallel import LOST
from spinekit.io.locks import alone
from spinekit.io.reading import hash_scan
from spinekit.io.reports import StoredReport
from spinekit.io.staging import remove_abandoned
from spinekit.layouts.listed import find_changed
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.replacing import replace_result
from spinekit.layouts.wanted import Place, Wanted
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment
from spinekit.prediction.predictor import Predictor, load_predictor
from spinekit.segmentation import Segmentation
from spinekit.study import segment_study

_MATTERS_WITH = {
    "force": {"not-mri", "no-spine", "uneven-slices", "uneven-volumes", "mixed-orientation"},
    "strict": {"implausible-spacing", "units-doubtful"},
}
"""Option → warnings of a result that it would have changed, or kept from being."""
_ANOTHER_SERIES = "choose another OUT for each series, or do all with --together and no --series"


@dataclass(frozen=True)
class Job:
    """One scan to do."""

    source: Path
    """File or DICOM folder."""
    shown: str
    """How the scan is called in messages: its name, or its path in the folder given."""
    wanted: Wanted
    """Its files."""
    layout: str
    """How they are laid out."""
    options: SegmentOptions | MaskOptions
    """How the scan is segmented, or the mask named."""
    overwrite: bool
    """Do it although its files are there."""
    debug: bool
    """Show the traceback of an error."""
    alone: bool
    """The only scan: its wrong use is wrong use of the command."""
    study: str = ""
    """Jobs with the same word here are named together; empty for a scan by itself."""
    threads: int = 1
    """Threads of the network, where it looks at a mask's scan."""
    frame: str = ""
    """What the scanner calls its frame; series of other frames are not compared with it."""

    @property
    def place(self) -> Place:
        """Where its files go."""
        return LAYOUTS[self.layout].plan(self.wanted)

    @property
    def files(self) -> dict[str, Path]:
        """Kind of file → path, for every file the job writes."""
        place = self.place
        return {kind: place.path(kind) for kind in place.files}

    @property
    def reach(self) -> set[Path]:
        """Every file that the job's result may have, whatever else it was made with."""
        places = LAYOUTS[self.layout].reach(self.wanted)
        return {place.path(kind) for place in places for kind in place.files}


@dataclass(frozen=True)
class Outcome:
    """What became of a job; a row of the summary."""

    input: str
    status: str
    """`done`, `skipped` (its files were there already) or `failed`."""
    seconds: float = 0.0
    vertebrae: tuple[str, ...] = ()
    discs: int = 0
    probability: float | None = None
    """Of the least certain name of a vertebra."""
    ambiguous: bool = False
    anomalies: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    preview: str = ""
    code: str = ""
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values."""
        return asdict(self)


def process(jobs: Sequence[Job], bar: Any = None) -> list[Outcome]:
    """Do what belongs together: one scan, or the series of one study.

    Args:
        jobs: What is to be done; several only where they are to be named together.
        bar: Progress in per cent; None for none.

    Returns:
        The outcomes; failures come as outcomes too.

    Raises:
        ModelError: The model cannot be used, so no scan can be done.
        UsageError: A choice must be made, and it is the only scan.
    """
    return _process_study(jobs, bar) if jobs[0].study else _process_one(jobs[0], bar)


def _process_study(jobs: Sequence[Job], bar: Any) -> list[Outcome]:
    started = time.perf_counter()
    settled = [_settle(job, started) for job in jobs]
    known = [outcome for outcome in settled if outcome is not None]
    if len(known) == len(jobs):
        return known
    results = _segment_series(jobs, [outcome is None for outcome in settled], bar)
    return [
        _finish(job, result, started)
        if before is None or (before.status == "skipped" and _is_outdated(job, result))
        else before
        for job, before, result in zip(jobs, settled, results, strict=True)
    ]


def _segment_series(
    jobs: Sequence[Job], lacking: Sequence[bool], bar: Any
) -> Sequence[Segmentation | Exception]:
    """The results of a study, or what they failed with."""
    series = [(j.source, j.options) for j in jobs if isinstance(j.options, SegmentOptions)]
    first = series[0][1]
    try:
        return segment_study(
            series,
            names=[job.shown for job in jobs],
            frames=[job.frame for job in jobs],
            lacking=lacking,
            predictor=_predictor(first.model, first.threads),
            progress=None if bar is None else functools.partial(_advance, bar),
        )
    except ModelError:
        raise
    except Exception as error:
        return [error] * len(jobs)


def _finish(job: Job, result: Segmentation | Exception, started: float) -> Outcome:
    try:
        if isinstance(result, Exception):
            raise result
        return _save(job, result, started)
    except Exception as error:
        return _failure(job, error, started)


def _settle(job: Job, started: float) -> Outcome | None:
    """What became of a series before, or why it may not be done; None where it is to be done."""
    try:
        report = _find_earlier(job)
        return None if report is None else _before(job, report)
    except ModelError:
        raise
    except Exception as error:
        return _failure(job, error, started)


def _is_outdated(job: Job, result: Segmentation | Exception) -> bool:
    """Whether the study now says otherwise than a result there that nobody has corrected.

    So it is where a series is read that could not be read before.
    """
    if not job.study or isinstance(result, Exception):
        return False
    report = StoredReport.find(job.files["json"])
    if report is None or report.provenance or _told(report.whole) == _told(result.report):
        return False
    return not _find_painted(job, report)


def _told(report: Mapping[str, Any]) -> str:
    """What a report says of the names."""
    names = [item["name"] for item in report["evidence"]["items"]]
    return json.dumps([names, report["column"]])


def _process_one(job: Job, bar: Any) -> list[Outcome]:
    started = time.perf_counter()
    try:
        if (report := _find_earlier(job)) is not None:
            return [_before(job, report)]
        return [_save(job, _work(job, bar), started)]
    except ModelError:
        raise
    except Exception as error:
        return [_failure(job, error, started)]


def _work(job: Job, bar: Any) -> Segmentation:
    """Segment the scan, or name the mask."""
    options = job.options
    if isinstance(options, MaskOptions):
        looks = options.image is not None and not options.rules_only
        return adopt_mask(
            job.source, options, predictor=_predictor(None, job.threads) if looks else None
        )
    return segment(
        job.source,
        options,
        predictor=_predictor(options.model, options.threads),
        progress=None if bar is None else functools.partial(_advance, bar),
    )


def _before(job: Job, report: StoredReport) -> Outcome:
    """The outcome of a job whose files are there already."""
    return _outcome(job, report, "skipped", report.seconds)


def _save(job: Job, result: Segmentation, started: float) -> Outcome:
    """Write a result, unless another process has written one there meanwhile.

    Raises:
        UsageError: It has, of another scan or with other options.
        OutputError: The files cannot be written.
    """
    layout = LAYOUTS[job.layout]
    with alone(job.files["json"]):
        remove_abandoned(job.place.root)
        before = _find_done(job)
        if before is not None and not _is_outdated(job, result):
            return _before(job, before)
        report = replace_result(layout, result, job.wanted, beside=not job.overwrite)
    return _outcome(job, report, "done", time.perf_counter() - started)


def _failure(job: Job, error: Exception, started: float) -> Outcome:
    """The outcome of a job that failed.

    Raises:
        UsageError: It is the only scan, so that the choice it lacks is the command's.
    """
    if job.alone and isinstance(error, UsageError):
        raise error
    if job.debug:
        traceback.print_exception(error)
    code, message = explain(error)
    seconds = round(time.perf_counter() - started, 2)
    return Outcome(job.shown, "failed", seconds=seconds, code=code, message=message)


def lose(jobs: Sequence[Job]) -> list[Outcome]:
    """The outcomes of what belongs together and whose process the system has ended."""
    return [Outcome(job.shown, "failed", code="process-ended", message=LOST) for job in jobs]


@functools.lru_cache(maxsize=1)
def _predictor(model: str | None, threads: int) -> Predictor:
    return load_predictor(model, threads=threads)


def _find_earlier(job: Job) -> StoredReport | None:
    """As `_find_done`, at a time when no other run may be moving files into their place.

    One that was killed while it did that left files without their report.

    Raises:
        SpineKitError: As there.
    """
    try:
        return _find_done(job)
    except UsageError as error:
        if error.code != "results-exist":
            raise
        try:
            with alone(job.files["json"]):
                remove_abandoned(job.place.root)
                return _find_done(job)
        except OutputError:
            raise error from None


def _find_done(job: Job) -> StoredReport | None:
    """The report, where all files are there and what the job would make, or a correction of it.

    Returns:
        None where the job is to be done, whatever is there.

    Raises:
        UsageError: Files are there that the job would replace by something else.
        InputError: Files are there, and the scan cannot be read.
    """
    files = job.files
    there = [path for path in files.values() if os.path.exists(path)]
    if job.overwrite or not there:
        return None
    if (report := StoredReport.find(files["json"])) is None:
        raise _refuse("results-exist", f"{there[0]} is there, but no report of this program")
    if other := _other_options(job, report):
        text = f"{files['json']} was made with other options ({', '.join(other)})"
        raise _refuse("other-options", text)
    if _has_other_model(job, report):
        raise _refuse("other-options", f"{files['json']} was made with another model")
    if report.input_sha256 != _hash_of(job):
        made, wanted = report.options.get("series"), getattr(job.options, "series", None)
        if job.source.is_dir() and made != wanted:
            was, now = ("its only series" if s is None else f"series {s}" for s in (made, wanted))
            text = f"{files['json']} was made of {was}, not {now}"
            raise UsageError("other-scan", text, _ANOTHER_SERIES)
        raise _refuse("other-scan", f"{files['json']} was made of another scan of this name")
    if len(there) == len(files):
        return report
    _keep_corrected(job, report)
    return None


def _other_options(job: Job, report: StoredReport) -> list[str]:
    """The options that differ and can have changed the result, what is read beside the scan too.

    Which series was taken shows in the scan's content. `force` and `strict` matter only where the
    result says that there was something to put up with.
    """
    told = {warning["code"] for warning in report.warnings}
    idle = {"series"} | {name for name, codes in _MATTERS_WITH.items() if not codes & told}
    made, options = report.options, job.options
    if isinstance(options, MaskOptions):
        wanted = options.recorded(job.source)
    else:
        wanted = options.recorded()
    keys = sorted({*made, *wanted} - idle)
    return [key for key in keys if made.get(key) != wanted.get(key)]


def _has_other_model(job: Job, report: StoredReport) -> bool:
    """Whether another model has looked at the scan than would now; of a mask's scan none need."""
    options, made = job.options, report.model_sha256
    if isinstance(options, SegmentOptions):
        return bool(made != _predictor(options.model, options.threads).card["sha256"])
    return made is not None and bool(made != _predictor(None, job.threads).card["sha256"])


def _hash_of(job: Job) -> str:
    """The scan's content, as reports state it."""
    options = job.options
    if isinstance(options, MaskOptions):
        return hash_scan(job.source)
    return hash_scan(job.source, series=options.series, force=options.force)


def _keep_corrected(job: Job, report: StoredReport) -> None:
    """Refuse to replace a result that a person has corrected.

    Raises:
        UsageError: Names in it were corrected, or voxels.
    """
    if report.provenance:
        raise _refuse("results-exist", f"names in {job.files['json']} were corrected by hand")
    for path in _find_painted(job, report):
        raise _refuse("results-exist", f"{path} was changed since it was written, by hand")


def _find_painted(job: Job, report: StoredReport) -> list[Path]:
    """The label volumes of a result that were changed since they were written."""
    return find_changed(LAYOUTS[job.layout].reach(job.wanted), report)


def _refuse(code: str, what: str) -> UsageError:
    return UsageError(code, what, "add --overwrite, or choose another OUT")


def _outcome(job: Job, report: StoredReport, status: str, seconds: float) -> Outcome:
    return Outcome(
        input=job.shown,
        status=status,
        seconds=round(seconds, 2),
        **describe_report(report.whole),
        preview=str(job.place.path(job.place.shown)),
    )


def _advance(bar: Any, share: float) -> None:
    bar.update(round(100 * share) - bar.n)
