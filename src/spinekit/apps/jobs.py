"""Doing one scan, or the series of one study, and saving it unless its result is there already.

Which scans there are, and in what order they are done, is planned elsewhere.
"""

import time
import traceback
from collections.abc import Sequence
from typing import Any

from spinekit.adoption import MaskOptions, adopt_mask
from spinekit.apps.cli import explain
from spinekit.apps.earlier import find_done, find_earlier, is_outdated, predictor_of
from spinekit.apps.job import Job, Outcome
from spinekit.apps.summary import describe_report
from spinekit.core.errors import ModelError, SpineKitError, UsageError
from spinekit.core.parallel import LOST
from spinekit.io.discovery import ending_of
from spinekit.io.header import HeaderInfo
from spinekit.io.locks import alone
from spinekit.io.nifti import read_extent
from spinekit.io.reports import StoredReport
from spinekit.io.staging import remove_abandoned
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.replacing import replace_result
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment
from spinekit.prediction.predictor import Progress
from spinekit.segmentation import Segmentation
from spinekit.study import segment_study


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
    started = time.perf_counter()
    settled = [_settle(job, started) for job in jobs]
    known = [outcome for outcome in settled if outcome is not None]
    if len(known) == len(jobs):
        return known
    results = _work_all(jobs, [outcome is None for outcome in settled], bar)
    return [
        _finish(job, result, started)
        if before is None or (before.status == "skipped" and is_outdated(job, result))
        else before
        for job, before, result in zip(jobs, settled, results, strict=True)
    ]


def _settle(job: Job, started: float) -> Outcome | None:
    """What became of a scan before, or why it may not be done; None where it is to be done."""
    try:
        report = find_earlier(job)
        if report is not None:
            return _before(job, report)
        _check_format(job)
        return None
    except Exception as error:
        return _failure(job, error, started)


def _check_format(job: Job) -> None:
    """Refuse what a NIfTI scan's results could not be written as, before a network looks at it.

    Raises:
        GeometryError: The format cannot hold a sheared grid.
    """
    is_nifti = ending_of(job.source) in (".nii", ".nii.gz") and job.source.is_file()
    if not is_nifti or job.wanted.iso or job.wanted.fmt in ("nii", "nii.gz"):
        return
    try:
        grid, _ = read_extent(job.source)
    except (OSError, SpineKitError):
        # Reading tells what is wrong.
        return
    HeaderInfo.of_grid(grid).itk_geometry()


def _work_all(
    jobs: Sequence[Job], lacking: Sequence[bool], bar: Any
) -> Sequence[Segmentation | Exception]:
    """The results of a scan or a study, or what they failed with."""
    try:
        if not jobs[0].study:
            return [_work(jobs[0], bar)]
        return segment_study(
            [(j.source, j.options) for j in jobs if isinstance(j.options, SegmentOptions)],
            names=[job.shown for job in jobs],
            frames=[job.frame for job in jobs],
            lacking=lacking,
            predictor=predictor_of(jobs[0]),
            progress=_progress(bar),
        )
    except Exception as error:
        return [error] * len(jobs)


def _work(job: Job, bar: Any) -> Segmentation:
    """Segment the scan, or name the mask."""
    options = job.options
    if isinstance(options, MaskOptions):
        looks = options.image is not None and not options.rules_only
        return adopt_mask(job.source, options, predictor=predictor_of(job) if looks else None)
    return segment(job.source, options, predictor=predictor_of(job), progress=_progress(bar))


def _finish(job: Job, result: Segmentation | Exception, started: float) -> Outcome:
    if isinstance(result, Exception):
        return _failure(job, result, started)
    try:
        return _save(job, result, started)
    except Exception as error:
        return _failure(job, error, started)


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
        before = find_done(job)
        if before is not None and not is_outdated(job, result):
            return _before(job, before)
        report = replace_result(layout, result, job.wanted, beside=not job.overwrite)
    return _outcome(job, report, "done", time.perf_counter() - started)


def _failure(job: Job, error: Exception, started: float) -> Outcome:
    """The outcome of a job that failed.

    Raises:
        ModelError: It failed with this, so no other scan can be done.
        UsageError: It is the only scan, so that the choice it lacks is the command's.
    """
    if isinstance(error, ModelError) or (job.alone and isinstance(error, UsageError)):
        raise error
    if job.debug:
        traceback.print_exception(error)
    code, message = explain(error)
    seconds = round(time.perf_counter() - started, 2)
    return Outcome(job.shown, "failed", seconds=seconds, code=code, message=message)


def lose(jobs: Sequence[Job]) -> list[Outcome]:
    """The outcomes of what belongs together and whose process the system has ended."""
    return [Outcome(job.shown, "failed", code="process-ended", message=LOST) for job in jobs]


def _outcome(job: Job, report: StoredReport, status: str, seconds: float) -> Outcome:
    return Outcome(
        input=job.shown,
        status=status,
        seconds=round(seconds, 2),
        **describe_report(report.whole),
        preview=str(job.place.path(job.place.shown)),
    )


def _progress(bar: Any) -> Progress | None:
    """What moves a bar in per cent; None without one."""
    return None if bar is None else lambda share: bar.update(round(100 * share) - bar.n)
