"""What an earlier run left where a job's files go: whether that is the job's result already.

It reads files and reports; nothing is segmented or written here.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import Any

from spinekit.adoption import MaskOptions
from spinekit.apps.job import Job
from spinekit.core.errors import OutputError, UsageError
from spinekit.io.locks import alone
from spinekit.io.reading import hash_scan
from spinekit.io.reports import StoredReport
from spinekit.io.staging import remove_abandoned
from spinekit.layouts.registry import LAYOUTS
from spinekit.prediction.predictor import Predictor, load_predictor
from spinekit.segmentation import Segmentation

_ANOTHER_SERIES = "choose another OUT for each series, or do all with --together and no --series"


def find_earlier(job: Job) -> StoredReport | None:
    """As `find_done`, at a time when no other run may be moving files into their place.

    One that was killed while it did that left files without their report.

    Raises:
        SpineKitError: As there.
    """
    try:
        return find_done(job)
    except UsageError as error:
        if error.code != "results-exist":
            raise
        try:
            with alone(job.files["json"]):
                remove_abandoned(job.place.root)
                return find_done(job)
        except OutputError:
            raise error from None


def find_done(job: Job) -> StoredReport | None:
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
    """The options that differ and can have changed the result, what is read beside the scan too."""
    options = job.options
    if isinstance(options, MaskOptions):
        return report.other_options(options.recorded(job.source))
    return report.other_options(options.recorded())


def _has_other_model(job: Job, report: StoredReport) -> bool:
    """Whether another model has looked at the scan than would now; of a mask's scan none need."""
    made = report.model_sha256
    if made is None and isinstance(job.options, MaskOptions):
        return False
    return bool(made != predictor_of(job).card["sha256"])


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
    corrected = _find_correction(job, report)
    if corrected is not None:
        raise _refuse("results-exist", corrected)


def _find_correction(job: Job, report: StoredReport) -> str | None:
    """What of a job's result a person has corrected; None for nothing."""
    reach = [place.files for place in LAYOUTS[job.layout].reach(job.wanted)]
    return report.find_correction(job.place.root, reach)


def _refuse(code: str, what: str) -> UsageError:
    return UsageError(code, what, "add --overwrite, or choose another OUT")


def is_outdated(job: Job, result: Segmentation | Exception) -> bool:
    """Whether the study now says otherwise than a result there that nobody has corrected.

    So it is where a series is read that could not be read before.
    """
    if not job.study or isinstance(result, Exception):
        return False
    report = StoredReport.find(job.files["json"])
    if report is None or _told(report.whole) == _told(result.report):
        return False
    return _find_correction(job, report) is None


def _told(report: Mapping[str, Any]) -> str:
    """What a report says of the names."""
    names = [item["name"] for item in report["evidence"]["items"]]
    return json.dumps([names, report["column"]])


def predictor_of(job: Job) -> Predictor:
    """What looks at a job's scan; a mask has no model of its own."""
    options = job.options
    if isinstance(options, MaskOptions):
        return shared_predictor(None, job.threads)
    return shared_predictor(options.model, options.threads)


@functools.lru_cache(maxsize=1)
def shared_predictor(model: str | None, threads: int) -> Predictor:
    """The predictor of a model, loaded once for all scans of a process."""
    return load_predictor(model, threads=threads)
