"""`spinekit relabel SEG --set L2=L1`: a person's word in, every name that follows out.

It knows words as they are typed; what follows from them is decided elsewhere.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinekit.relabelling.correction import Corrected

_NEWS = ("lost-in-scheme", "labels-changed")
"""Warnings that a change of names can bring."""

EPILOG = """\
Examples:
  spinekit relabel results/scan_dseg.nii.gz --set L2=L1       # what is called L2 is L1
  spinekit relabel results/scan_dseg.nii.gz --set 42=L1       # the same by its value
  spinekit relabel results/scan_dseg.nii.gz --at -3,20,55=L5  # the bone at R, A, S in mm
  spinekit relabel results/scan_dseg.nii.gz --undo            # as it was before

With the sacrum in view only names that can stand above it are taken: the lowest vertebra is L4,
L5 or L6, unless one was missed below it. A disc's name says what lies beside it, and L6-S1 or
T11-L1 how many vertebrae there are. The picture is drawn on the scan where it lies beside the
result or --image names it, else on the labels alone.

Exit: 0 done, 1 failed, 2 wrong use.
Research use; not a medical device."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.epilog = EPILOG
    parser.add_argument(
        "seg", metavar="SEG", type=Path, help="label map of a result, in any layout"
    )
    parser.add_argument(
        "--set",
        metavar="VALUE=NAME",
        dest="values",
        action="append",
        default=[],
        help="the structure with this value (or name) is NAME; may be repeated",
    )
    parser.add_argument(
        "--at",
        metavar="R,A,S=NAME",
        dest="places",
        action="append",
        default=[],
        help="the structure at this place, RAS mm, is NAME; may be repeated",
    )
    parser.add_argument(
        "--image", metavar="FILE", type=Path, help="the scan, to draw the preview on"
    )
    parser.add_argument("--undo", action="store_true", help="take the last change back")
    parser.add_argument("--quiet", action="store_true", help="print errors only")


def run(args: argparse.Namespace) -> int:
    """Rename, or take the last renaming back."""
    from spinekit.apps.summary import refresh_row
    from spinekit.core.errors import UsageError
    from spinekit.relabelling.correction import relabel, undo
    from spinekit.relabelling.words import Word, split_word

    words = [Word(*split_word(text)) for text in args.values]
    for text in args.places:
        where, name = split_word(text)
        words.append(Word(_place(where), name))
    if args.undo == bool(words):
        raise UsageError(
            "relabel-what", "either names or --undo must be given", "add --set L2=L1, or --undo"
        )
    if args.undo:
        back = undo(args.seg)
        refresh_row(back.shown, back.report)
        if not args.quiet:
            shown = _like(args.seg, back.shown)
            print(f"{args.seg.name}: names are as they were before → {shown}")
        return 0
    if args.image is not None and not args.image.exists():
        raise UsageError("file-missing", f"{args.image}: no such file", "check --image")
    corrected = relabel(args.seg, words, image=args.image)
    refresh_row(corrected.shown, corrected.report)
    if not args.quiet:
        _report(args.seg, corrected)
    return 0


def _report(seg: Path, corrected: "Corrected") -> None:
    """Print the names, and what deserves a look."""
    from spinekit.apps.summary import describe_names, describe_report

    report = corrected.report
    row = describe_report(report)
    print(f"{seg.name}: {describe_names(row)} → {_like(seg, corrected.shown)}")
    told = [*row["anomalies"]]
    told += [warning["text"] for warning in report["warnings"] if warning["code"] in _NEWS]
    study = [
        row["file"] for row in report["column"].get("outside", ()) if row["source"] == "series"
    ]
    if study:
        told.append(f"named together with {', '.join(study)}, whose names stay; relabel them too")
    if not corrected.has_image:
        told.append("the scan was not found; the preview shows the labels alone (--image SCAN)")
    for text in told:
        print(f"spinekit: warning: {seg.name}: {text}", file=sys.stderr)


def _like(given: Path, shown: Path) -> Path:
    """A path written like one that was given: from the working folder, or whole."""
    if given.is_absolute() or not shown.is_absolute():
        return shown
    try:
        return Path(os.path.relpath(shown))
    except ValueError:  # another drive
        return shown


def _place(text: str) -> tuple[float, float, float]:
    """Three numbers.

    Raises:
        UsageError: They are not three, or no numbers.
    """
    from spinekit.core.errors import UsageError

    try:
        right, front, up = (float(number) for number in text.split(","))
    except ValueError:
        raise UsageError(
            "not-a-place", f"{text!r} is no place R,A,S in mm", "write it like --at -3,20,55=L5"
        ) from None
    return right, front, up
