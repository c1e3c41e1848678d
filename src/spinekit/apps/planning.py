"""Which scans a command is to do and where their files go, decided before anything runs.

It looks at names only; no scan is opened.
"""

import dataclasses
import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from spinekit.adoption import MaskOptions
from spinekit.apps.grouping import Localizers, group_series
from spinekit.apps.job import Job
from spinekit.apps.masks import find_masks, name_results
from spinekit.apps.options import RunOptions
from spinekit.core.errors import UsageError
from spinekit.io.discovery import ScanSource, find_scans, is_single, name_of
from spinekit.io.results import is_result
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.wanted import Wanted
from spinekit.options import SegmentOptions


@dataclass(frozen=True)
class ScanRequest:
    """What `spinekit segment` is asked for."""

    source: Path
    """INPUT: a scan, a DICOM folder or a folder of scans."""
    options: SegmentOptions
    """How every scan is segmented; planning adds threads, localizer and study."""
    localizers: Localizers
    """Where their localizers lie, and which scans of a folder are meant."""
    together: bool = False
    """The scans of a folder, and the series of a DICOM folder, are one study."""
    layout: str = "spinekit"
    """How the files are laid out, one of `LAYOUTS`."""
    fmt: str = "nii.gz"
    """Ending of the volumes."""
    step1: bool = False
    """Only the first of the two steps, in a layout that has steps."""
    keep: tuple[str, ...] = ()
    """The only folders to write, in a layout that has folders of one kind; empty for all."""


def plan_jobs(request: ScanRequest, run: RunOptions) -> list[Job]:
    """Find the scans and decide where their files go, before anything runs.

    Args:
        request: Which scans, and what to make of them.
        run: Where to, and how.

    Raises:
        SpineKitError: Nothing could start: no scan, a clash of names, a wrong option.
    """
    from spinekit.anatomy.scheme import load_scheme
    from spinekit.labelling.methods import check_method

    options, localizers = request.options, request.localizers
    load_scheme(options.scheme)
    check_method(options.labeller, options.min_probability)
    if localizers.loc_suffix and localizers.place is None:
        raise UsageError(
            "localizer-option",
            "--loc-suffix says what localizers are called, and there is no --loc",
            "add --loc, or leave it out",
        )
    _check_places(request.source, run.out)
    _tell_of_out(request.source, run)
    layout = LAYOUTS[request.layout]
    options = dataclasses.replace(options, threads=run.share_threads(), **layout.OPTIONS)
    found = _find_foreign(request.source, run)
    found = _with_suffix(found, request.source, localizers.suffixes)
    alone = is_single(found, request.source)
    if options.series is not None and not any(scan.path.is_dir() for scan in found):
        raise UsageError(
            "no-such-series",
            f"{request.source}: no DICOM folder, so --series {options.series} chooses nothing",
            "leave it out, or give the folder of the DICOM files",
        )
    located = {scan.path: localizers.find(scan.stem, scan.relative_dir) for scan in found}
    jobs = [
        Job(
            source=scan.path,
            shown=name_of(scan.path) if alone else str(scan.path.relative_to(request.source)),
            wanted=_wanted(scan, located[scan.path], request, run.out),
            layout=request.layout,
            options=dataclasses.replace(options, localizer=located[scan.path]),
            overwrite=run.overwrite,
            debug=run.debug,
            alone=alone,
        )
        for scan in layout.select(found)
    ]
    layout.check(jobs[0].wanted)
    if request.together:
        jobs = group_series(jobs, localizers, request.source)
    check_collisions(jobs)
    return jobs


def _find_foreign(source: Path, run: RunOptions) -> list[ScanSource]:
    """The scans of INPUT without results of this program in it, of which a line says how many.

    Raises:
        UsageError: There is none.
    """
    own: list[Path] = []

    def leave_out(path: Path) -> bool:
        if is_result(path, source):
            own.append(path)
        return own[-1:] == [path]

    try:
        return find_scans(source, exclude=run.out, leave_out=leave_out)
    finally:
        if own and not run.quiet:
            text = f"{len(own)} files in {source} are results of this program; passed over"
            print(f"spinekit: {text}", file=sys.stderr)


def _tell_of_out(source: Path, run: RunOptions, *, masks: bool = False) -> None:
    """Say how many scans, or masks, lie in an OUT inside INPUT, where none is looked for."""
    if run.quiet or not run.out.is_dir() or source.resolve() not in run.out.resolve().parents:
        return
    try:
        with warnings.catch_warnings(action="ignore"):
            found = find_scans(
                run.out, leave_out=lambda path: is_result(path, run.out), masks=masks
            )
    except UsageError:
        return
    what = ("mask" if masks else "scan") + ("s" if len(found) > 1 else "")
    text = f"{len(found)} {what} in OUT ({run.out}) passed over"
    print(f"spinekit: {text}; give another OUT to do them", file=sys.stderr)


def plan_masks(
    source: Path,
    options: MaskOptions,
    run: RunOptions,
    *,
    image: Path | None = None,
    suffixes: tuple[str, ...] = (),
    fmt: str = "nii.gz",
) -> list[Job]:
    """Find the masks and their scans, and decide where files go, before anything runs.

    Args:
        source: MASK: a label map, or a folder of them.
        options: How every mask is read and named; planning adds its scan.
        run: Where to, and how.
        image: The scan, or a folder of scans.
        suffixes: Ends of the names of the masks meant; empty for all.
        fmt: Ending of the volumes.

    Raises:
        SpineKitError: Nothing could start: no mask, a clash of names, a wrong option.
    """
    from spinekit.anatomy.scheme import load_scheme

    if options.scheme is not None:
        load_scheme(options.scheme)
    _check_places(source, run.out)
    _tell_of_out(source, run, masks=True)
    kind = "parts" if options.meaning == "parts" else "dseg"
    found = find_masks(source, exclude=run.out, quiet=run.quiet, kind=kind)
    found = _with_suffix(found, source, suffixes)
    stems = name_results(found, run.out)
    alone = is_single(found, source)
    taken = frozenset(os.path.realpath(mask.path) for mask in found)
    look_into = functools.cache(functools.partial(_scans_in, taken=taken))
    jobs = [
        Job(
            source=mask.path,
            shown=mask.path.name if alone else str(mask.path.relative_to(source)),
            wanted=Wanted(mask.path, stems[mask.path], run.out, mask.relative_dir, fmt),
            layout="spinekit",
            options=dataclasses.replace(
                options, image=_image_of(mask, image, look_into, alone=alone)
            ),
            overwrite=run.overwrite,
            debug=run.debug,
            alone=alone,
            threads=run.share_threads(),
        )
        for mask in found
    ]
    check_collisions(jobs)
    return jobs


def _image_of(
    mask: ScanSource,
    image: Path | None,
    look_into: Callable[[Path], list[ScanSource]],
    *,
    alone: bool,
) -> str | None:
    """Path of the scan a mask was drawn on; of several masks, one without gets a path that fails.

    Raises:
        UsageError: There is no such scan for the only mask, no such file or folder for any, or
            more than one scan that it may be.
    """
    if image is None:
        return None
    if not image.exists():
        raise UsageError("file-missing", f"{image}: no such file or folder", "check --image")
    found = _find_scan(mask, image, look_into) if image.is_dir() else image
    if found is None and not alone:
        return str(image / mask.relative_dir / mask.stem)
    if found is None:
        raise UsageError(
            "file-missing",
            f"{image}: no scan for {mask.path.name}",
            "check --image; a mask's name begins with its scan's",
        )
    return str(found)


def _scans_in(folder: Path, *, taken: frozenset[str]) -> list[ScanSource]:
    """The scans of a folder, neither results of this program nor what is taken for masks.

    None where it is empty, so that only its own masks fail.
    """

    def leave_out(path: Path) -> bool:
        return os.path.realpath(path) in taken or is_result(path, folder)

    try:
        return find_scans(folder, leave_out=leave_out)
    except UsageError as error:
        if error.code != "no-scans":
            raise
        return []


def _find_scan(
    mask: ScanSource, top: Path, look_into: Callable[[Path], list[ScanSource]]
) -> Path | None:
    """The scan with the longest name that a mask's begins with, in the same folder or below it.

    Where that folder is not there, only what lies in `top` itself counts: the other folders are
    other patients. A DICOM folder is the scan itself, unless another scan in it bears such a name.

    Raises:
        UsageError: Several scans bear the name.
    """
    same = top / mask.relative_dir
    folder = same if same.is_dir() else top
    scans = [scan for scan in look_into(folder) if folder == same or scan.relative_dir == Path()]
    fitting = [scan for scan in scans if _begins_with(mask.stem, scan.stem)]
    longest = max((len(scan.stem) for scan in fitting), default=0)
    fitting = [scan for scan in fitting if len(scan.stem) == longest]
    fitting = [scan for scan in fitting if scan.relative_dir == Path()] or fitting
    if len(fitting) > 1:
        names = " and ".join(str(scan.path.relative_to(top)) for scan in fitting[:2])
        raise UsageError(
            "scan-twice",
            f"{top}: {names} may both be the scan of {mask.path.name}",
            "put masks and scans into folders of the same names, or name each mask after its scan",
        )
    itself = [scan for scan in scans if scan.path == folder]
    return next((scan.path for scan in [*fitting, *itself]), None)


def _begins_with(stem: str, name: str) -> bool:
    """Whether a stem is a name, or goes on behind it with neither letter nor digit."""
    return stem.startswith(name) and not stem[len(name) :][:1].isalnum()


def _with_suffix(
    found: list[ScanSource], source: Path, suffixes: tuple[str, ...]
) -> list[ScanSource]:
    """The scans of a folder whose names end as asked; a single scan is never left out.

    Raises:
        UsageError: No name does.
    """
    if not suffixes or is_single(found, source):
        return found
    kept = [scan for scan in found if scan.stem.endswith(suffixes)]
    if not kept:
        raise UsageError(
            "no-scans",
            f"{source}: no scan whose name ends in {' or '.join(suffixes)}",
            "check --suffix; names are compared without extensions",
        )
    return kept


def check_collisions(jobs: Sequence[Job]) -> None:
    """Refuse two jobs that would write the same file.

    Raises:
        UsageError: Two would.
    """
    writers: dict[Path, Job] = {}
    for job in jobs:
        for path in job.files.values():
            other = writers.setdefault(path, job)
            if other is not job:
                raise UsageError(
                    "same-output",
                    f"{other.shown} and {job.shown} would write the same files",
                    "rename one of them, or segment them into different folders",
                )


def _wanted(scan: ScanSource, localizer: str | None, request: ScanRequest, out: Path) -> Wanted:
    there = localizer is not None and Path(localizer).is_file()
    options = request.options
    return Wanted(
        source=scan.path,
        stem=scan.stem,
        out=out,
        inside=scan.relative_dir,
        fmt=request.fmt,
        scheme=options.scheme,
        iso=options.iso,
        levels=options.levels,
        soft=options.soft,
        localizer=Path(localizer) if localizer and there else None,
        step1=request.step1,
        keep=request.keep,
    )


def _check_places(source: Path, out: Path) -> None:
    """Refuse an OUT that is, or lies in, the input itself."""
    inside = out.resolve()
    scan = source.resolve()
    if scan == inside or (scan.is_file() and scan in inside.parents):
        raise UsageError(
            "out-is-input", f"OUT ({out}) is the input or lies in it", "choose another folder"
        )
    if os.path.exists(out) and not os.path.isdir(out):
        raise UsageError("out-is-file", f"OUT ({out}) is a file", "choose a folder")
