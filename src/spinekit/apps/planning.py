"""Which scans a command is to do and where their files go, decided before anything runs.

It looks at names only; no scan is opened.
"""

import argparse
import dataclasses
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from spinekit.adoption import MaskOptions
from spinekit.apps.grouping import group_series, localizer_of
from spinekit.apps.jobs import Job
from spinekit.apps.masks import find_masks, name_results
from spinekit.core.errors import UsageError
from spinekit.io.discovery import ScanSource, find_scans, is_single, name_of
from spinekit.io.results import is_result
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.wanted import Wanted
from spinekit.options import SegmentOptions
from spinekit.prediction.predictor import available_cores


def plan_jobs(args: argparse.Namespace) -> list[Job]:
    """Find the scans and decide where their files go, before anything runs.

    Args:
        args: What `spinekit segment` was given.

    Raises:
        SpineKitError: Nothing could start: no scan, a clash of names, a wrong option.
    """
    from spinekit.anatomy.scheme import load_scheme
    from spinekit.labelling.methods import check_method

    load_scheme(args.scheme)
    check_method(args.labeller, args.min_probability)
    if args.loc_suffix and args.loc is None:
        raise UsageError(
            "localizer-option",
            "--loc-suffix says what localizers are called, and there is no --loc",
            "add --loc, or leave it out",
        )
    _check_places(args.input, args.out)
    layout = LAYOUTS[args.layout]
    options = SegmentOptions(
        iso=args.iso,
        model=None if args.model is None else str(args.model),
        scheme=args.scheme,
        levels=args.levels,
        soft=args.soft,
        labeller=args.labeller,
        min_probability=args.min_probability,
        threads=args.threads or max(1, available_cores() // args.jobs),
        force=args.force,
        strict=args.strict,
        volume=args.volume,
        series=args.series,
    )
    options = dataclasses.replace(options, **layout.OPTIONS)
    found = _with_suffix(_find_foreign(args), args)
    alone = is_single(found, args.input)
    localizers = {scan.path: localizer_of(scan.stem, scan.relative_dir, args) for scan in found}
    jobs = [
        Job(
            source=scan.path,
            shown=name_of(scan.path) if alone else str(scan.path.relative_to(args.input)),
            wanted=_wanted(scan, localizers[scan.path], args),
            layout=args.layout,
            options=dataclasses.replace(options, localizer=localizers[scan.path]),
            overwrite=args.overwrite,
            debug=args.debug,
            alone=alone,
        )
        for scan in layout.select(found)
    ]
    layout.check(jobs[0].wanted)
    if args.together:
        jobs = group_series(jobs, args)
    check_collisions(jobs)
    return jobs


def _find_foreign(args: argparse.Namespace) -> list[ScanSource]:
    """The scans of INPUT without results of this program in it, of which a line says how many.

    Raises:
        UsageError: There is none.
    """
    own: list[Path] = []

    def leave_out(path: Path) -> bool:
        if is_result(path, args.input):
            own.append(path)
        return own[-1:] == [path]

    try:
        return find_scans(args.input, exclude=args.out, leave_out=leave_out)
    finally:
        if own and not args.quiet:
            text = f"{len(own)} files in {args.input} are results of this program; passed over"
            print(f"spinekit: {text}", file=sys.stderr)


def plan_masks(args: argparse.Namespace) -> list[Job]:
    """Find the masks and their scans, and decide where files go, before anything runs.

    Args:
        args: What `spinekit label` was given.

    Raises:
        SpineKitError: Nothing could start: no mask, a clash of names, a wrong option.
    """
    from spinekit.anatomy.scheme import load_scheme

    options = MaskOptions(args.meaning, args.scheme, rules_only=args.rules_only)
    if args.scheme is not None:
        load_scheme(args.scheme)
    _check_places(args.input, args.out)
    kind = "parts" if args.meaning == "parts" else "dseg"
    found = find_masks(args.input, exclude=args.out, quiet=args.quiet, kind=kind)
    found = _with_suffix(found, args)
    stems = name_results(found, args.out)
    alone = is_single(found, args.input)
    taken = frozenset(os.path.realpath(mask.path) for mask in found)
    look_into = functools.cache(functools.partial(_scans_in, taken=taken))
    jobs = [
        Job(
            source=mask.path,
            shown=mask.path.name if alone else str(mask.path.relative_to(args.input)),
            wanted=Wanted(mask.path, stems[mask.path], args.out, mask.relative_dir, args.fmt),
            layout="spinekit",
            options=dataclasses.replace(
                options, image=_image_of(mask, args, look_into, alone=alone)
            ),
            overwrite=args.overwrite,
            debug=args.debug,
            alone=alone,
            threads=args.threads or max(1, available_cores() // args.jobs),
        )
        for mask in found
    ]
    check_collisions(jobs)
    return jobs


def _image_of(
    mask: ScanSource,
    args: argparse.Namespace,
    look_into: Callable[[Path], list[ScanSource]],
    *,
    alone: bool,
) -> str | None:
    """Path of the scan a mask was drawn on; of several masks, one without gets a path that fails.

    Raises:
        UsageError: There is no such scan for the only mask, no such file or folder for any, or
            more than one scan that it may be.
    """
    if args.image is None:
        return None
    if not args.image.exists():
        raise UsageError("file-missing", f"{args.image}: no such file or folder", "check --image")
    found: Path | None = args.image
    if args.image.is_dir():
        found = _find_scan(mask, args.image, look_into)
    if found is None and not alone:
        return str(args.image / mask.relative_dir / mask.stem)
    if found is None:
        raise UsageError(
            "file-missing",
            f"{args.image}: no scan for {mask.path.name}",
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


def _with_suffix(found: list[ScanSource], args: argparse.Namespace) -> list[ScanSource]:
    """The scans of a folder whose names end as asked; a single scan is never left out.

    Raises:
        UsageError: No name does.
    """
    if not args.suffix or is_single(found, args.input):
        return found
    kept = [scan for scan in found if scan.stem.endswith(tuple(args.suffix))]
    if not kept:
        raise UsageError(
            "no-scans",
            f"{args.input}: no scan whose name ends in {' or '.join(args.suffix)}",
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


def _wanted(scan: ScanSource, localizer: str | None, args: argparse.Namespace) -> Wanted:
    there = localizer is not None and Path(localizer).is_file()
    return Wanted(
        source=scan.path,
        stem=scan.stem,
        out=args.out,
        inside=scan.relative_dir,
        fmt=args.fmt,
        scheme=args.scheme,
        iso=args.iso,
        levels=args.levels,
        soft=args.soft,
        localizer=Path(localizer) if localizer and there else None,
        step1=args.step1,
        keep=tuple(args.keep_only),
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
