"""Options that several commands share.

It knows words and their help, not what they do.
"""

import argparse


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
