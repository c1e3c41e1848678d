"""Scores as a CSV of instances, a JSON document and a table to read.

Knows scores, not arrays. The CSV holds every single score, so that a summary can be computed
again from it.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spinekit.evaluation.scoring import CaseScores
from spinekit.evaluation.summary import INSTANCES, POINTS, WHOLE, SummaryRow
from spinekit.io.writing import write_bytes

EXTRA = "extra"
COLUMNS = (
    "dataset", "subject", "scan", "scope", "structure", "name", "predicted", "volume_mm3",
    "partial", "iou", "dice", "assd_mm", "hd95_mm", "split", "merged", "count",
)  # fmt: skip
HEADINGS = (
    "structure", "scans", "Dice", "95 % interval", "worst", "worst scan", "ASSD mm", "HD95 mm",
    "n", "missed %", "split", "merged", "extra", "partial", "names right %", "all right",
)  # fmt: skip


def write_csv(path: str | Path, cases: Sequence[CaseScores]) -> None:
    """Write `to_csv` of any number of scans, whole or not at all; an older file is replaced.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes(path, to_csv(cases))


def to_csv(cases: Sequence[CaseScores]) -> bytes:
    """One line per scored instance, mask and point, in UTF-8; the header alone for no scan.

    Bytes of a file name that are no text are written as escapes of what Python takes them for.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for case in cases:
        owner = {"dataset": case.dataset, "subject": case.subject, "scan": case.name}
        for row in _rows(case):
            writer.writerow(owner | {key: _cell(value) for key, value in row.items()})
    return text.getvalue().encode("utf-8", "backslashreplace")


def to_json(rows: Sequence[SummaryRow], cases: Sequence[CaseScores]) -> dict[str, Any]:
    """Summary and single scores as plain values; what is not a number becomes None."""
    summary = []
    for row in rows:
        shares = {
            "missed_pct": row.missed_pct,
            "named_right_pct": row.named_right_pct,
            "scans_all_right_pct": row.scans_all_right_pct,
        }
        summary.append(asdict(row) | shares)
    document = {"schema_version": 1, "summary": summary, "scans": [asdict(c) for c in cases]}
    plain: dict[str, Any] = _plain(document)
    return plain


def format_table(rows: Sequence[SummaryRow]) -> str:
    """The summary as text, one block per dataset; a line that says so for no rows.

    Body, vertebra and disc as instances come as means over instances; "all …" are whole
    structures.
    """
    if not rows:
        return "nothing to score"
    cells = [_table_cells(row) for row in rows]
    widths = [
        max(len(heading), *(len(line[column]) for line in cells))
        for column, heading in enumerate(HEADINGS)
    ]
    lines: list[str] = []
    for dataset in dict.fromkeys(row.dataset for row in rows):
        lines += ["", dataset or "scores", _join(HEADINGS, widths)]
        lines += [
            _join(line, widths)
            for row, line in zip(rows, cells, strict=True)
            if row.dataset == dataset
        ]
    return "\n".join(lines[1:])


def _rows(case: CaseScores) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for instance in case.instances:
        fields = asdict(instance)
        rows.append({"scope": INSTANCES, "structure": fields.pop("kind")} | fields)
    rows += [{"scope": WHOLE} | asdict(mask) for mask in case.masks]
    rows += [{"scope": POINTS, "structure": "level"} | asdict(point) for point in case.points]
    rows += [{"scope": EXTRA, "structure": kind, "count": n} for kind, n in case.extra]
    return rows


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) else ""
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table_cells(row: SummaryRow) -> tuple[str, ...]:
    scored = (
        row.structure if row.scope != WHOLE else f"all {row.structure}",
        str(row.n_scans),
        _fixed(row.dice.mean, 3),
        "" if math.isnan(row.dice.low) else f"{row.dice.low:.3f}–{row.dice.high:.3f}",
        _fixed(row.worst_dice, 3),
        row.worst_scan,
        _fixed(row.assd_mm, 2),
        _fixed(row.hd95_mm, 2),
    )
    if row.scope == WHOLE:
        return (*scored, *[""] * (len(HEADINGS) - len(scored)))
    counts = [row.split, row.merged, row.extra, row.n_partial]
    return (
        *scored,
        str(row.n_instances),
        _fixed(row.missed_pct, 1),
        *(str(count) if row.scope == INSTANCES else "" for count in counts),
        _fixed(row.named_right_pct, 1),
        f"{row.scans_all_right}/{row.n_scans}",
    )


def _fixed(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


def _join(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if n == 0 else cell.rjust(width)
        for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(["  " + first, *others]).rstrip()
