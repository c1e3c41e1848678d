"""The table of a run over several scans: a row for each, kept true when names are corrected.

It knows reports and rows, and nothing of how scans are done.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spinekit.io.writing import write_bytes
from spinekit.preview.outlines import UNSURE_BELOW

FILE = "summary.csv"
LIKELY = 0.5
"""Anomalies at least as probable, or of no known probability, are told; the report holds all."""
FARTHEST = 4
"""A summary lies at most so many folders above a result: patient, visit and two more."""


def describe_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of a result.

    Args:
        report: Its sidecar.

    Returns:
        `vertebrae` (the sacrum last), `discs` (their number), `probability` (of the least certain
        name of a vertebra, None without any), `ambiguous`, likely `anomalies` and `warnings`
        (texts).
    """
    kinds: dict[str, list[str]] = {"vertebra": [], "disc": [], "sacrum": []}
    for structure in report["structures"]:
        kinds.setdefault(structure["part"], []).append(structure["name"])
    sure = [
        structure["probability"]
        for structure in report["structures"]
        if structure["part"] == "vertebra" and structure["probability"] is not None
    ]
    return {
        "vertebrae": (*kinds["vertebra"], *kinds["sacrum"]),
        "discs": len(kinds["disc"]),
        "probability": min(sure, default=None),
        "ambiguous": bool(report["column"]["ambiguous"]),
        "anomalies": tuple(
            anomaly["text"]
            for anomaly in report["column"]["anomalies"]
            if anomaly["probability"] is None or anomaly["probability"] >= LIKELY
        ),
        "warnings": tuple(warning["text"] for warning in report["warnings"]),
    }


def describe_names(row: Mapping[str, Any]) -> str:
    """Put what a row says of the names into some words, `T9 to L3, 7 discs, names unsure (66%)`.

    Names are called unsure where the picture does so, where nothing in view decides, and where
    some were left out.

    Args:
        row: From `describe_report`.
    """
    bones, discs, sure = row["vertebrae"], row["discs"], row["probability"]
    found = f"{discs} disc{'' if discs == 1 else 's'}"
    if not bones:
        return f"{found} without a vertebra" if discs else "no spine found"
    ends = dict.fromkeys((bones[0], bones[-1]))
    text = f"{' to '.join(ends)}, {found}"
    if row["ambiguous"] or (sure is not None and sure < UNSURE_BELOW):
        return f"{text}, names unsure" + ("" if sure is None else f" ({sure:.0%})")
    if nameless := sum(bone.startswith("vertebra_") for bone in bones):
        return f"{text}, {nameless} without a name"
    return text


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table; several values in one cell are parted by a blank.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow(
            {key: " ".join(cell) if isinstance(cell, tuple) else cell for key, cell in row.items()}
        )
    write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def refresh_row(preview: Path, report: Mapping[str, Any]) -> Path | None:
    """Bring the row of a result up to date, in the nearest summary above it that lists it.

    Args:
        preview: Path of the result's picture, by which rows know it.
        report: Its sidecar as it is now.

    Returns:
        The summary; None where none lists the result, and nothing is written.

    Raises:
        OutputError: It cannot be written.
    """
    place = preview.resolve()
    for folder in list(place.parents)[: FARTHEST + 1]:
        path = folder / FILE
        if not path.is_file():
            continue
        try:
            with path.open(newline="", encoding="utf-8") as file:
                table = csv.DictReader(file)
                columns, rows = list(table.fieldnames or []), list(table)
        except (UnicodeDecodeError, csv.Error):
            # A table of this name that another program wrote.
            continue
        inside = place.relative_to(folder).parts
        mine = [
            row for row in rows if Path(row.get("preview") or "").parts[-len(inside) :] == inside
        ]
        if len(mine) == 1:
            mine[0].update(
                {key: cell for key, cell in describe_report(report).items() if key in columns}
            )
            write_rows(path, columns, rows)
            return path
    return None
