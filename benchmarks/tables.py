"""Tables as CSV files whose first lines, behind a `#`, say how they came about.

It knows scores, and flat dataclasses of texts and numbers; not how they are measured.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from spinekit.evaluation.scoring import NAN, CaseScores, InstanceScore, MaskScore, PointScore
from spinekit.evaluation.summary import INSTANCES, POINTS, WHOLE
from spinekit.evaluation.table import EXTRA, to_csv
from spinekit.io.writing import write_bytes

Record = TypeVar("Record")
MASK_NUMBERS = ("dice", "assd_mm", "hd95_mm")
"""Columns of what a whole mask is given."""


def write_records(
    path: Path, kind: type[Record], records: Iterable[Record], comments: Mapping[str, object]
) -> None:
    """Write one line per record, with the comments above, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(record) for record in records)  # type: ignore[call-overload]
    write_bytes(path, _top(comments) + text.getvalue().encode("utf-8"))


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read back what `write_records` wrote; fields are of type int, float or str.

    A table without a column of a field that has a default gets the default.
    """
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
    converts = {f.name: kinds[str(f.type)] for f in fields(kind)}  # type: ignore[arg-type]
    return [
        kind(**{name: to(row[name]) for name, to in converts.items() if name in row})
        for row in _read_rows(path)
    ]


def write_scores(path: Path, cases: Sequence[CaseScores], comments: Mapping[str, object]) -> None:
    """Write the CSV of `spinekit evaluate` with the comments above, whole or not at all."""
    write_bytes(path, _top(comments) + to_csv(cases))


def read_scores(path: Path) -> list[CaseScores]:
    """Read back what `write_scores` wrote, in the file's order; numbers have four decimals."""
    scans: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in _read_rows(path):
        scans.setdefault((row["dataset"], row["subject"], row["scan"]), []).append(row)
    return [_case(owner, rows) for owner, rows in scans.items()]


def spoken_command(script: str, words: Sequence[str]) -> str:
    """The command line that made a table, files by their names alone: no folder of a machine."""
    names = [Path(word).name if "/" in word else word for word in words]
    return " ".join([f"python benchmarks/{script}", *names])


def print_comments(path: Path) -> None:
    """Print a CSV's name and the comments at its top."""
    print(f"\n== {path.stem}")
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        print(line)


def _top(comments: Mapping[str, object]) -> bytes:
    text = "".join(f"# {key}: {value}\n" for key, value in comments.items())
    return text.encode("utf-8", "backslashreplace")


def _read_rows(path: Path) -> list[dict[str, str]]:
    """Column → cell of each line below the comments."""
    lines = io.StringIO(path.read_bytes().decode("utf-8"), newline="")
    return list(csv.DictReader(itertools.dropwhile(lambda line: line.startswith("#"), lines)))


def _case(owner: tuple[str, str, str], rows: Sequence[Mapping[str, str]]) -> CaseScores:
    dataset, subject, scan = owner
    mine: dict[str, list[Mapping[str, str]]] = {
        scope: [] for scope in (INSTANCES, WHOLE, POINTS, EXTRA)
    }
    for row in rows:
        mine[row["scope"]].append(row)
    return CaseScores(
        name=scan,
        dataset=dataset,
        subject=subject,
        instances=tuple(_instance(row) for row in mine[INSTANCES]),
        masks=tuple(
            MaskScore(row["structure"], *(_number(row[key]) for key in MASK_NUMBERS))
            for row in mine[WHOLE]
        ),
        points=tuple(PointScore(row["name"], row["predicted"]) for row in mine[POINTS]),
        extra=tuple((row["structure"], int(row["count"])) for row in mine[EXTRA]),
    )


def _instance(row: Mapping[str, str]) -> InstanceScore:
    return InstanceScore(
        kind=row["structure"],
        name=row["name"],
        volume_mm3=_number(row["volume_mm3"]),
        partial=row["partial"] == "1",
        predicted=row["predicted"],
        iou=_number(row["iou"]),
        dice=_number(row["dice"]),
        assd_mm=_number(row["assd_mm"]),
        hd95_mm=_number(row["hd95_mm"]),
        split=row["split"] == "1",
        merged=row["merged"] == "1",
    )


def _number(text: str) -> float:
    return float(text) if text else NAN
