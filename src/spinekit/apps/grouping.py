"""Which scans are one study, and which localizer belongs to each.

It looks at names, and at the headers of DICOM folders that hold several series.
"""

import argparse
import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spinekit.apps.job import Job
from spinekit.core.errors import PassedOver, SpineKitError
from spinekit.io.localizers import PATIENT, find_localizer
from spinekit.options import SegmentOptions


@dataclass(frozen=True)
class Localizers:
    """Where localizers lie, and how their names follow from those of the scans."""

    place: Path | None
    """A label file, or a folder of them; None for no localizer."""
    suffixes: tuple[str, ...]
    """Ends of scans' names: only such scans are done, and the end is taken off."""
    loc_suffix: str
    """What a localizer's name has instead."""

    @classmethod
    def from_args(cls, args: argparse.Namespace) -> "Localizers":
        """What `add_knowledge` adds, but for `--together`."""
        return cls(args.loc, tuple(args.suffix), args.loc_suffix)

    def find(self, stem: str, within: Path) -> str | None:
        """Path of a scan's localizer; the folder where that has none for it.

        Raises:
            UsageError: There is no such file or folder.
        """
        if self.place is None:
            return None
        found = find_localizer(
            self.place, stem, within=within, suffixes=self.suffixes, loc_suffix=self.loc_suffix
        )
        return str(found or self.place)


def group_series(jobs: Sequence[Job], localizers: Localizers, source: Path) -> list[Job]:
    """Make the scans of each folder one study, and the series of a DICOM folder scans.

    Where names begin with patient and visit as in BIDS, those part the scans of one folder too.

    Args:
        jobs: One per scan or DICOM folder.
        localizers: Those of the scans; a series of its own name may have another.
        source: INPUT; a DICOM folder that is INPUT itself gets no folder in OUT.

    Returns:
        One job per series, those of a study marked as such. A DICOM folder whose series cannot be
        told stays as it is.
    """
    series = [part for job in jobs for part in _split_series(job, localizers, source)]
    studies: dict[str, list[Job]] = {}
    homes = _studies_of(series)
    for job, study in zip(series, homes, strict=True):
        studies.setdefault(study, []).append(job)
    return [
        job if len(studies[study]) == 1 else _in_study(job, study, studies[study])
        for job, study in zip(series, homes, strict=True)
    ]


def _studies_of(series: Sequence[Job]) -> list[str]:
    """The study of each series: that of its folder, or of the folder above it.

    Of the folder above where a series there states the same frame: no two patients share one.
    """
    own = [_study_of(job) for job in series]
    framed = {(study, job.frame) for study, job in zip(own, series, strict=True) if job.frame}
    above = [str(Path(study).parent) for study in own]
    return [
        there if (there, job.frame) in framed else study
        for study, there, job in zip(own, above, series, strict=True)
    ]


def _in_study(job: Job, study: str, members: Sequence[Job]) -> Job:
    """A series as one of those that are named together."""
    together = tuple(sorted(other.wanted.stem for other in members))
    options = dataclasses.replace(_of_scan(job), together=together)
    return dataclasses.replace(job, study=study, alone=False, options=options)


def _study_of(job: Job) -> str:
    """What a study is called: its folder and, in names as BIDS has them, patient and visit."""
    named = PATIENT.match(job.wanted.stem)
    return str(job.wanted.inside / named[0] if named else job.wanted.inside)


def _of_scan(job: Job) -> SegmentOptions:
    assert isinstance(job.options, SegmentOptions)
    return job.options


def _split_series(job: Job, localizers: Localizers, source: Path) -> list[Job]:
    """A job for each series of a DICOM folder, called by its number."""
    if not job.source.is_dir():
        return [job]
    from spinekit.io.dicom import choose_series, leave_pictures, list_series

    chosen = _of_scan(job).series
    try:
        found = list_series(job.source, force=_of_scan(job).force)
        scans = leave_pictures(found)
        if chosen is not None:
            scans = [choose_series(job.shown, found, chosen)]
        elif beside := len(found) - len(scans):
            text = f"{beside} series in {job.source} without a scan; passed over"
            warnings.warn(PassedOver(text), stacklevel=2)
    except (SpineKitError, OSError):
        return [job]
    if len(scans) == 1:
        return [dataclasses.replace(job, frame=scans[0].frame)]
    wanted = job.wanted
    inside = wanted.inside if job.source == source else wanted.inside / wanted.stem
    jobs = []
    for n, series in enumerate(scans):
        number = series.number
        before = [other.number for other in scans[:n]].count(number)
        alone = bool(number) and [other.number for other in scans].count(number) == 1
        stem = number or "series"
        stem = f"{stem}_{before + 1}" if before else stem
        options = dataclasses.replace(_of_scan(job), series=number if alone else series.word)
        own = dataclasses.replace(
            job,
            shown=f"{job.shown}/{stem}",
            wanted=dataclasses.replace(wanted, stem=stem, inside=inside),
            options=options,
            alone=False,
            frame=series.frame,
        )
        jobs.append(_with_own_localizer(own, localizers))
    return jobs


def _with_own_localizer(job: Job, localizers: Localizers) -> Job:
    """A series with the localizer of its own name; without one it keeps that of its folder."""
    found = localizers.find(job.wanted.stem, job.wanted.inside)
    if found is None or not Path(found).is_file():
        return job
    options = dataclasses.replace(_of_scan(job), localizer=found)
    wanted = dataclasses.replace(job.wanted, localizer=Path(found))
    return dataclasses.replace(job, options=options, wanted=wanted)
