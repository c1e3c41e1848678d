"""`spinekit demo`: a scan in, names and a picture out, in one word.

It knows no way of segmenting: it hands over to the command that does.
"""

import argparse
import sys
from pathlib import Path

DEMO_SEED = 7
"""Of the phantom that is drawn when no scan is given."""
DEMO_PHANTOM = {"fov": "lumbar", "contrast": "T2", "spacing_mm": (4.0, 1.0, 1.0), "anomalies": ()}
"""An ordinary lumbar spine as a clinic would scan it."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    from spinekit.apps.options import add_knowledge, add_reading, add_running

    _set_usual(parser)
    parser.add_argument("--scan", metavar="PATH", type=Path, help="a scan instead of a phantom")
    parser.add_argument(
        "--out", metavar="OUT", type=Path, default=Path("demo_out"), help="folder (demo_out)"
    )
    parser.add_argument("--model", metavar="FILE", type=Path, help="another model than the shipped")
    parser.add_argument("--seed", type=int, default=DEMO_SEED, help="of the phantom")
    add_knowledge(parser)
    add_reading(parser)
    add_running(parser)


def _set_usual(parser: argparse.ArgumentParser) -> None:
    """All options of `spinekit segment` at what they are there when they are not given."""
    from spinekit.apps import segment

    whole = argparse.ArgumentParser()
    segment.configure(whole)
    usual = vars(whole.parse_args(["SCAN", "OUT"]))
    parser.set_defaults(**{key: usual[key] for key in usual.keys() - {"input", "out"}})


def run(args: argparse.Namespace) -> int:
    """Draw a phantom unless a scan was given, segment it, and say where the picture is."""
    from spinekit.apps import segment
    from spinekit.apps.phantom import check_place, draw_one
    from spinekit.io.discovery import stem_of

    args.input = args.scan
    if args.input is None:
        check_place(args.out)
        args.input = draw_one(args.out / "phantom", args.seed, DEMO_PHANTOM)
        if not args.quiet:
            print(f"phantom drawn: {args.input}", file=sys.stderr)
    code = segment.run(args)
    # Of several scans each has a line that ends with its picture.
    picture = args.out / f"{stem_of(args.input)}_preview.png"
    if code == 0 and picture.is_file() and not (args.quiet or args.json):
        print(f"picture: {picture.resolve()}")
    return code
