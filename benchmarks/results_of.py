"""The real scans, and results of `spinekit segment` on them for tables of what no row holds.

It knows the folder of results and the folder of real scans, and scores nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from spinekit.datasets.real import RealCase, list_real_cases, real_data_folder


def find_results(about: str, argv: Sequence[str] | None = None) -> tuple[Path, list[RealCase]]:
    """Read the command line of a table; returns the folder of results and all real scans.

    Without real scans it ends with status 2.

    Args:
        about: What the table is, in a line.
        argv: The words; those of the process by default.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("out", type=Path, help="results of `spinekit segment` on the real scans")
    args = parser.parse_args(argv)
    return args.out, list(list_real_cases(need_real_scans()))


def need_real_scans() -> Path:
    """The folder of the real scans; without any, it says so and ends with status 2."""
    folder = real_data_folder()
    if folder is None:
        print("no real scans found; set SPINEKIT_REAL_DATA", file=sys.stderr)
        sys.exit(2)
    return folder
