"""`spinekit label MASK OUT`: a mask made elsewhere in, named vertebrae out.

It knows options; which masks there are, and how they are named, is told elsewhere.
"""

import argparse
from pathlib import Path

EPILOG = """\
Examples:
  spinekit label bodies.nii.gz results/                     # bodies, all of one value
  spinekit label numbered.nii.gz results/ --as instances    # one value per vertebra
  spinekit label spider.mha results/ --from spider          # values of a known scheme
  spinekit label masks/ results/ --image scans/             # a folder, with the scans

OUT gets the files of `spinekit segment`; a folder also gives summary.csv and failures.json.

Exit: 0 all done, 1 some masks failed, 2 wrong use.
Research use; not a medical device."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from spinekit.apps.options import add_format, add_running

    parser.epilog = EPILOG
    parser.add_argument(
        "input", metavar="MASK", type=Path, help="a label map of vertebrae, or a folder of them"
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the results")
    parser.add_argument(
        "--as",
        dest="meaning",
        choices=("bone", "parts", "instances"),
        help="values are all vertebral bodies, parts 1-6, or one per vertebra "
        "(default: bone for a single value)",
    )
    parser.add_argument(
        "--from",
        dest="scheme",
        metavar="SCHEME",
        help="values are of this label scheme; the names they give count as evidence",
    )
    parser.add_argument(
        "--image",
        metavar="PATH",
        type=Path,
        help="the scan, a file or a DICOM folder, or a folder of scans: evidence for the names, "
        "and for the preview",
    )
    parser.add_argument(
        "--rules-only",
        action="store_true",
        help="keep the network out: the scan is for the preview alone",
    )
    parser.add_argument(
        "--suffix", metavar="S", nargs="+", default=[], help="only masks whose names end in S"
    )
    add_format(parser)
    add_running(parser)


def run(args: argparse.Namespace) -> int:
    """Split and name what MASK names."""
    from spinekit.adoption import MaskOptions
    from spinekit.apps.batch import run_command
    from spinekit.apps.options import RunOptions
    from spinekit.apps.planning import plan_masks

    options = MaskOptions(args.meaning, args.scheme, rules_only=args.rules_only)
    running = RunOptions.from_args(args)
    asked = {"image": args.image, "suffixes": tuple(args.suffix), "fmt": args.fmt}
    return run_command(lambda: plan_masks(args.input, options, running, **asked), running)
