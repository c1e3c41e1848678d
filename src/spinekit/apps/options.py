"""Options that several commands share.

It knows words and their help, not what they do.
"""

import argparse
from pathlib import Path


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a scan is read."""
    parser.add_argument(
        "--volume", metavar="N", type=int, help="volume N (from 0) of a 4-D scan, not their mean"
    )
    parser.add_argument("--series", metavar="S", help="series of a DICOM folder, number or UID")
    parser.add_argument(
        "--force", action="store_true", help="go on with scans that would be refused"
    )
    parser.add_argument(
        "--strict", action="store_true", help="refuse scans with an implausible header"
    )


def add_knowledge(parser: argparse.ArgumentParser) -> None:
    """Add what is known of the names from elsewhere."""
    parser.add_argument(
        "--loc",
        metavar="PATH",
        type=Path,
        help="labels of a localizer of the same patient as evidence: a file, or a folder of them",
    )
    parser.add_argument(
        "--suffix",
        metavar="S",
        nargs="+",
        default=[],
        help="only scans whose names end in S; taken off to find their localizer",
    )
    parser.add_argument(
        "--loc-suffix", metavar="S", default="", help="put on instead in the localizer's name"
    )
    parser.add_argument(
        "--together",
        action="store_true",
        help="name the series of each study (the scans of one folder) jointly",
    )


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Add what decides which files there are, and how they are laid out."""
    parser.add_argument(
        "--levels", action="store_true", help="a numbered point on the canal for every disc too"
    )
    parser.add_argument(
        "--soft", action="store_true", help="probabilities of cord and canal too, 0 to 1"
    )
    parser.add_argument(
        "--layout",
        choices=("spinekit", "totalspineseg", "bids"),
        default="spinekit",
        help="files as TotalSpineSeg lays them out, or as BIDS derivatives",
    )
    parser.add_argument(
        "--step1", action="store_true", help="layout totalspineseg: files of the first step only"
    )
    parser.add_argument(
        "--keep-only",
        metavar="FOLDER",
        nargs="+",
        default=[],
        help="layout totalspineseg: write these folders only",
    )


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add what decides how a run goes."""
    parser.add_argument(
        "--threads", metavar="N", type=positive, help="threads per scan (default: all cores)"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=positive, default=1, help="scans at the same time (default 1)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing results")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def positive(text: str) -> int:
    """Read a whole number of at least one.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number
