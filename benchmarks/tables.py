"""Tables of measurements as CSV files whose first lines, behind a `#`, say how they came about.

It knows flat dataclasses of texts and numbers; not what is measured.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from spinekit.io.writing import write_bytes

Record = TypeVar("Record")


def write_records(
    path: Path, kind: type[Record], records: Iterable[Record], comments: Mapping[str, object]
) -> None:
    """Write one line per record, with the comments above, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    for key, value in comments.items():
        text.write(f"# {key}: {value}\n")
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    table = csv.DictWriter(text, names, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(record) for record in records)  # type: ignore[call-overload]
    write_bytes(path, text.getvalue().encode("utf-8"))


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read back what `write_records` wrote; fields are of type int, float or str.

    A table without a column of a field that has a default gets the default.
    """
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "str": str}
    converts = {f.name: kinds[str(f.type)] for f in fields(kind)}  # type: ignore[arg-type]
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return [
        kind(**{name: to(row[name]) for name, to in converts.items() if name in row})
        for row in rows
    ]


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
