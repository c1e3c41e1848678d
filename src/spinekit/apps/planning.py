"""Which scans a command is to do and where their files go, decided before anything runs.

It looks at names only; no scan is opened.
"""

import argparse
from pathlib import Path

from spinekit.apps.jobs import Job
from spinekit.core.errors import UsageError
from spinekit.io.discovery import find_scans
from spinekit.pipeline import SegmentOptions, available_cores


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
    _check_places(args.input, args.out)
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
