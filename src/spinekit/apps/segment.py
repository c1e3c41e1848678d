"""`spinekit segment INPUT OUT`: options in, one line per scan out.

It knows neither scans nor files: jobs are planned and done elsewhere.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinekit.apps.planning import ScanRequest

EPILOG = """\
OUT gets, for each scan, <stem>_dseg (named labels), <stem>_parts, <stem>_dseg.json
and <stem>_preview.png. A folder also gives OUT/summary.csv and OUT/failures.json,
and goes on where it stopped when it is run again.

Exit: 0 all done, 1 some scans failed, 2 wrong use.
Research use; not a medical device."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from spinekit.apps.options import (
        add_format,
        add_knowledge,
        add_layout,
        add_reading,
        add_running,
        add_totalspineseg,
    )

    parser.epilog = EPILOG
    parser.add_argument(
        "input",
        metavar="INPUT",
        type=Path,
        help="a scan (.nii, .nii.gz, .mha, .mhd, .nrrd), a DICOM folder or a folder of scans",
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the results")
    parser.add_argument("--iso", action="store_true", help="results on a 1 mm isotropic grid")
    parser.add_argument("--model", metavar="FILE", type=Path, help="another model than the shipped")
    parser.add_argument(
        "--scheme", metavar="NAME", default="spinekit", help="values of another label scheme"
    )
    parser.add_argument(
        "--labeller",
        metavar="NAME",
        default="chain",
        help="how levels are named: chain (default), landmarks, shift",
    )
    parser.add_argument(
        "--min-probability",
        metavar="P",
        type=float,
        default=0.0,
        help="leave out names less probable than P (0 to 1); the bones stay, numbered",
    )
    add_format(parser)
    add_knowledge(parser)
    add_layout(parser)
    add_reading(parser)
    add_running(parser)
    add_totalspineseg(parser)


def run(args: argparse.Namespace) -> int:
    """Segment what INPUT names."""
    from spinekit.apps.batch import run_command
    from spinekit.apps.options import RunOptions, tell_unused
    from spinekit.apps.planning import plan_jobs

    tell_unused(args.unused, args.layout, quiet=args.quiet)
    request, running = from_args(args), RunOptions.from_args(args)
    return run_command(lambda: plan_jobs(request, running), running)


def from_args(args: argparse.Namespace) -> "ScanRequest":
    """What the options of the command ask for."""
    from spinekit.apps.grouping import Localizers
    from spinekit.apps.planning import ScanRequest
    from spinekit.options import SegmentOptions

    return ScanRequest(
        source=args.input,
        options=SegmentOptions(
            iso=args.iso,
            model=args.model,
            scheme=args.scheme,
            levels=args.levels,
            soft=args.soft,
            labeller=args.labeller,
            min_probability=args.min_probability,
            force=args.force,
            strict=args.strict,
            volume=args.volume,
            series=args.series,
        ),
        localizers=Localizers.from_args(args),
        together=args.together,
        layout=args.layout,
        fmt=args.fmt,
        step1=args.step1,
        keep=tuple(args.keep_only),
    )
