"""`spinekit evaluate PRED REF`: a table to read, and CSV and JSON to keep.

It knows options and where results go; how scores are made, it does not know.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinekit.evaluation.files import Evaluation


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("pred", metavar="PRED", type=Path, help="labels, or a folder of them")
    parser.add_argument("ref", metavar="REF", type=Path, help="reference labels, or a folder")
    parser.add_argument(
        "--bodies", action="store_true", help="compare vertebral bodies, not whole vertebrae"
    )
    parser.add_argument(
        "--annotated-only",
        action=argparse.BooleanOptionalAction,
        help="ignore predictions away from what is annotated (default: for partial masks)",
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write one line per structure")
    parser.add_argument(
        "--json",
        metavar="FILE",
        type=Path,
        nargs="?",
        const=Path("-"),
        help="write summary and scores as JSON; without FILE, instead of the table",
    )


def run(args: argparse.Namespace) -> int:
    """Score PRED against REF, print the scores and keep them."""
    from spinekit.evaluation.files import evaluate_files
    from spinekit.evaluation.summary import summarise
    from spinekit.evaluation.table import format_table, to_json, write_csv
    from spinekit.io.writing import write_json

    found = evaluate_files(
        args.pred, args.ref, bodies=args.bodies, annotated_only=args.annotated_only
    )
    rows = summarise(found.cases)
    if args.csv is not None:
        write_csv(args.csv, found.cases)
    if args.json == Path("-"):
        print(json.dumps(to_json(rows, found.cases), indent=1))
    else:
        if args.json is not None:
            write_json(args.json, to_json(rows, found.cases))
        print(format_table(rows))
    return report_rest(found)


def report_rest(found: "Evaluation") -> int:
    """Say what is in no figure and what is in doubt; returns the command's number.

    It is 1 where a scan failed, and where none has a score.
    """
    for name in found.without_prediction:
        print(f"spinekit: warning: {name}: no prediction, not in any figure", file=sys.stderr)
    for name in found.unmarked:
        text = "nothing that could be compared is marked in its reference, not in any figure"
        print(f"spinekit: warning: {name}: {text}", file=sys.stderr)
    if found.without_parts:
        print(f"spinekit: warning: {describe_without_parts(found)}", file=sys.stderr)
    if found.whole:
        print(f"spinekit: warning: {describe_whole(found)}", file=sys.stderr)
    if found.foreign:
        print(f"spinekit: warning: {describe_foreign(found.foreign)}", file=sys.stderr)
    for name, error in found.failed.items():
        print(f"spinekit: error: {name}: {error}; not in any figure", file=sys.stderr)
    return 1 if found.failed or not found.cases else 0


def describe_without_parts(found: "Evaluation") -> str:
    """Say in one line of how many scans the bodies are in no figure, and why."""
    return (
        f"{_scans(found.without_parts)}: bodies are not compared, for no _parts beside the "
        "prediction tells them from arches; give it, or call a label map of bodies alone "
        "<stem>_bodies"
    )


def describe_whole(found: "Evaluation") -> str:
    """Say in one line of how many scans bodies may have been compared with whole vertebrae."""
    return (
        f"{_scans(found.whole)}: arches that the prediction may have count as bodies, for no "
        "_parts beside it tells them apart; give it, or call a label map of bodies alone "
        "<stem>_bodies"
    )


def _scans(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} scans ({names[0]}, …)"


def describe_foreign(foreign: Mapping[Path, Sequence[int]]) -> str:
    """Say in one line how many files hold values of another scheme, with one of them."""
    path, values = next(iter(foreign.items()))
    shown = ", ".join(map(str, values[:4])) + (", …" if len(values) > 4 else "")
    files = "1 file holds" if len(foreign) == 1 else f"{len(foreign)} files hold"
    return (
        f"{files} values that mean nothing in SpineKit's scheme ({path.name}: {shown}); put masks "
        "of another tool into it first with `spinekit labels convert --from SCHEME`"
    )
