"""The table of a run over several scans: a row for each, kept true when names are corrected.

It knows reports and rows, and nothing of how scans are done.
"""

import csv
import io
import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spinekit.anatomy.column import SACRUM, is_nameless
from spinekit.io.locks import alone
from spinekit.io.writing import output_errors, write_bytes
from spinekit.preview.outlines import UNSURE_BELOW

FILE = "summary.csv"
LIKELY = 0.5
"""Anomalies at least as probable, or of no known probability, are told; the report holds all."""
IN_THE_WAY = ("other-scan", "other-options", "results-exist")
"""Failures because of a result that lies there; it is left as it is."""
FARTHEST = 4
"""A summary lies at most so many folders above a result: patient, visit and two more."""
_SENTENCES = ("anomalies", "warnings")
"""Columns whose cells hold texts; all other cells with several values hold words."""


def describe_report(report: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of a result.

    Args:
        report: Its sidecar.

    Returns:
        `vertebrae` (the sacrum last), `discs` (their number), `probability` (of the least certain
        name of a vertebra, None without any), `ambiguous` (as the sidecar says, or no vertebra
        bears a name), likely `anomalies` and `warnings` (texts), `warning_codes`.
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
        "ambiguous": bool(report["column"]["ambiguous"])
        or all(map(is_nameless, kinds["vertebra"])),
        "anomalies": tuple(
            anomaly["text"]
            for anomaly in report["column"]["anomalies"]
            if anomaly["probability"] is None or anomaly["probability"] >= LIKELY
        ),
        "warnings": tuple(warning["text"] for warning in report["warnings"]),
        "warning_codes": tuple(warning["code"] for warning in report["warnings"]),
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
    nameless = sum(map(is_nameless, bones))
    is_named = nameless < len([bone for bone in bones if bone != SACRUM])
    if is_named and (row["ambiguous"] or (sure is not None and sure < UNSURE_BELOW)):
        return f"{text}, names unsure" + ("" if sure is None else f" ({sure:.0%})")
    return f"{text}, {nameless} without a name" if nameless else text


def write_rows(path: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the table; several words in one cell are parted by a blank, several texts by ` | `.

    Raises:
        OutputError: It cannot be written.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, list(columns), lineterminator="\n")
    table.writeheader()
    for row in rows:
        cells = {
            key: (" | " if key in _SENTENCES else " ").join(cell) if type(cell) is tuple else cell
            for key, cell in row.items()
        }
        table.writerow(cells)
    write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def merge_rows(
    folder: Path, rows: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], set[str]]:
    """The rows of a run with those of earlier runs into one folder that it says nothing of.

    Of these, failures stay and all others whose result is still there: of other scans, and of the
    same ones where it lies elsewhere, as on another grid. A row is known by its `report`, since
    what a scan is called depends on the folder that was given. What was done before keeps the
    seconds it took. Where a run failed because a result lay in its way, the row of that result
    stays; the failure is told in `failures.json`.

    Args:
        folder: Where the summary is.
        rows: Of the run.

    Returns:
        The rows, earlier ones first, and what the replaced ones called their scans.
    """
    told = {_as_written(row["input"]) for row in rows}
    places = {row["report"] for row in rows}
    earlier: dict[str, dict[str, str]] = {}
    kept: dict[str, dict[str, str]] = {}
    for old in _read_rows(folder / FILE)[1] if is_summary(folder / FILE) else ():
        place = old["report"]
        if place in places:
            earlier[place] = old
        elif _stands(folder, old) and not (_has_failed(old) and is_told(old["input"], told)):
            kept[place] = old
    merged: list[dict[str, Any]] = [
        {key: old.get(key, "") for key in rows[0]} for old in kept.values()
    ]
    for row in rows:
        before = earlier.get(row["report"])
        if before is None:
            merged.append({**row})
        elif row["code"] in IN_THE_WAY and not _has_failed(before) and _stands(folder, before):
            merged.append({key: before.get(key, "") for key in rows[0]})
        else:
            took = before["seconds"] if row["status"] == "skipped" else ""
            merged.append({**row, "seconds": took or row["seconds"]})
    return merged, {old["input"] for old in earlier.values()}


def is_told(failed: str, told: Collection[str]) -> bool:
    """Whether a run says what became of a scan that failed in an earlier one.

    A folder of several series fails as one scan, and is done as several.

    Args:
        failed: The scan's name in the earlier run.
        told: Names of all scans of the run.
    """
    return failed in told or any(name.startswith(f"{failed}/") for name in told)


def _has_failed(row: Mapping[str, str]) -> bool:
    return row["status"] == "failed"


def _stands(folder: Path, row: Mapping[str, str]) -> bool:
    """Whether an earlier row still tells something: a failure, or a result that is there."""
    return _has_failed(row) or (folder / row["report"]).is_file()


def is_summary(path: Path) -> bool:
    """Whether a file is a summary of ours."""
    return {"input", "status", "report"} <= set(_read_rows(path)[0])


def _as_written(text: str) -> str:
    """A cell as it is read back: bytes of a file name that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of a summary; nothing of a missing one, or of another program's table.

    One that a spreadsheet has saved since may begin with a byte order mark or a line `sep=;`, have
    semicolons or tabs between its cells, and be in the spreadsheet's own code page.
    """
    try:
        text = _decode(path.read_bytes())
        first, _, rest = text.partition("\n")
        if first.startswith("sep="):
            first, text = rest.partition("\n")[0], rest
        parting = max(",;\t", key=first.count)
        lines = io.StringIO(text, newline="")
        table = csv.DictReader(lines, restval="", restkey="", delimiter=parting)
        columns = list(table.fieldnames or [])
        return columns, [{key: row[key] for key in columns} for row in table]
    except (OSError, csv.Error):
        return [], []


def _decode(content: bytes) -> str:
    """Text in UTF-8, or in the code page that spreadsheets use in Western Europe."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def set_aside(path: Path) -> Path | None:
    """Rename a file that is in the way of a summary and not to be lost.

    Args:
        path: The file.

    Returns:
        Its new name, which ends in `.before`, with a number where there is such a file already;
        None where there is nothing to lose.

    Raises:
        OutputError: It cannot be renamed.
    """
    if not path.is_file() or path.stat().st_size == 0:
        return None
    names = (path.with_name(f"{path.name}.before{n or ''}") for n in itertools.count())
    kept = next(name for name in names if not os.path.lexists(name))
    with output_errors(path):
        path.rename(kept)
    return kept


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
        inside = place_in(folder, place)
        # A table that does not list the result may be another program's, where none may write.
        if not _find_rows(inside, _read_rows(path)[1]):
            continue
        with alone(path):
            columns, rows = _read_rows(path)
            mine = _find_rows(inside, rows)
            told = describe_report(report).items()
            for row in mine:
                row.update({key: cell for key, cell in told if key in columns})
            if mine:
                write_rows(path, columns, rows)
                return path
    return None


def place_in(folder: Path, path: str | Path) -> str:
    """A path from the folder of a summary, as rows have it; an empty one stays empty."""
    inside = Path(os.path.relpath(path, folder)).as_posix() if path else ""
    return _as_written(inside)


def _find_rows(inside: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows whose picture lies at a place in the folder of their summary."""
    return [row for row in rows if row.get("preview") == inside]
