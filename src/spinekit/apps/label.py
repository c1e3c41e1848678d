"""`spinekit label MASK OUT`: a mask made elsewhere in, named vertebrae out.

It knows options and what to print; splitting and naming are done elsewhere.
"""

import argparse
import sys
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("mask", metavar="MASK", type=Path, help="label map of vertebral bodies")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the results")
    parser.add_argument(
        "--as",
        dest="meaning",
        choices=("bone", "parts"),
        help="values are all vertebral bodies, or parts 1-6 (default: bone for a single value)",
    )
    parser.add_argument(
        "--image", metavar="FILE", type=Path, help="the scan, to draw the preview on"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Split and name MASK."""
    from spinekit.adoption import adopt_mask
    from spinekit.core.errors import UsageError
    from spinekit.segmentation import output_names

    result = adopt_mask(args.mask, meaning=args.meaning, image=args.image)
    files = [args.out / name for name in output_names(result.stem, "nii.gz", image=False).values()]
    there = [path.name for path in files if path.exists()]
    if there and (not args.overwrite or args.mask.resolve() in [path.resolve() for path in files]):
        raise UsageError(
            "results-exist", f"{there[0]} is in OUT already", "add --overwrite, or another OUT"
        )
    picture = result.save(args.out)["preview"]
    if args.quiet:
        return 0
    column = result.report["column"]
    bones = [row.name for row in result.structures if row.part in ("vertebra", "sacrum")]
    found = f"{bones[0]} to {bones[-1]}" if bones else "no spine found"
    unsure = ", names unsure" if column["ambiguous"] else ""
    print(f"{args.mask.name}: {len(bones)} bones, {found}{unsure} → {picture}")
    if column["ambiguous"]:
        print(f"spinekit: warning: {args.mask.name}: {column['reason']}", file=sys.stderr)
    return 0
