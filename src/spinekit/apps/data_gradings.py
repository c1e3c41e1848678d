"""`spinekit data gradings`: SPIDER's radiological gradings under the names of discs, as CSV.

It joins table, series and, when asked, masks and results; the numbering's meaning is
`datasets.gradings`' knowledge.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spinekit.datasets.case import Case
    from spinekit.datasets.gradings import Grading


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("folder", type=Path, metavar="SPIDER", help="folder of the set")
    parser.add_argument("out", type=Path, metavar="OUT", help="table to write (.csv)")
    parser.add_argument(
        "--masks", action="store_true", help="check the numbering against every mask"
    )
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="results of `spinekit segment` on the set's images: adds volume and probability",
    )


def run(args: argparse.Namespace) -> int:
    """Read, check, join and write."""
    from spinekit.core.errors import UsageError
    from spinekit.datasets.gradings import check_gradings, read_gradings
    from spinekit.datasets.registry import find_cases

    if args.results is not None and not args.results.is_dir():
        what = f"--results {args.results}: no such folder"
        raise UsageError("file-missing", what, "name the folder that `spinekit segment` wrote to")
    gradings = read_gradings(args.folder)
    cases = find_cases(args.folder, "spider") if (args.folder / "images").is_dir() else []
    discs = {
        case.subject: int(case.facts["discs"])
        for case in cases
        if case.facts.get("discs", "").isdigit()
    }
    found = check_gradings(gradings, discs)
    if args.masks:
        found += _check_masks(cases, gradings)
    rows = _rows(gradings, cases, args.results)
    _write(args.out, rows)
    for line in found:
        print(f"spinekit: {line}", file=sys.stderr)
    patients = len({row.patient for row in gradings})
    print(f"{len(rows)} rows of {patients} patients in {args.out}; {len(found)} findings")
    return 0


def _check_masks(cases: "list[Case]", gradings: "list[Grading]") -> list[str]:
    """Findings of every mask; one that cannot be read is a finding too."""
    from tqdm import tqdm

    from spinekit.core.errors import SpineKitError
    from spinekit.datasets.gradings import check_numbering
    from spinekit.io.reading import read_labels

    numbers: dict[str, list[int]] = {}
    for row in gradings:
        numbers.setdefault(row.patient, []).append(row.number)
    found = []
    for case in tqdm(cases, unit="mask", disable=not sys.stderr.isatty()):
        for mask in case.masks:
            try:
                volume = read_labels(mask.path)
            except SpineKitError as error:
                found.append(f"{case.name}: {error}")
                continue
            up = volume.grid.affine[2, :3].tolist()
            said = check_numbering(volume.array, up, numbers.get(case.subject, ()))
            found += [f"{case.name}: {text}" for text in said]
    return found


def _rows(
    gradings: "list[Grading]", cases: "list[Case]", results: Path | None
) -> list[dict[str, Any]]:
    """One row per disc, or per disc and result when there are results."""
    series: dict[str, list[str]] = {}
    for case in cases:
        series.setdefault(case.subject, []).append(case.name)
    rows = []
    for grading in gradings:
        row: dict[str, Any] = {
            "patient": grading.patient,
            "disc": grading.disc,
            "above": grading.above,
            "below": grading.below,
            "number_from_below": grading.number,
            **grading.grades,
            "series": " ".join(series.get(grading.patient, [])),
        }
        if results is None:
            rows.append(row)
            continue
        of_result = {
            name: measured
            for name in series.get(grading.patient, [])
            if (measured := _discs(results, name)) is not None
        }
        # What a person graded stays, also of a patient without a result.
        for name, measured in (of_result or {row["series"]: {}}).items():
            disc = measured.get(grading.number) or measured.get(grading.disc) or {}
            told = {key: disc.get(key) for key in ("volume_mm3", "probability")}
            rows.append(row | {"series": name} | told)
    return rows


def _discs(results: Path, name: str) -> dict[int | str, dict[str, Any]] | None:
    """Discs of a result: by number from the lowest where that is the last one, else by name.

    A column with six lumbar vertebrae has other names for the same numbers, and a disc that was
    missed has its number all the same. None where the series has no result.
    """
    from spinekit.datasets.gradings import number_discs
    from spinekit.io.reports import StoredReport

    path = results / f"{name}_dseg.json"
    if not path.is_file():
        return None
    rows = [row for row in StoredReport.read(path).structures if row["part"] == "disc"]
    discs = {row["name"]: row for row in rows}
    numbers = number_discs(discs)
    return {numbers.get(name, name): row for name, row in discs.items()}


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    import csv
    import io

    from spinekit.datasets.gradings import COLUMNS
    from spinekit.io.writing import write_bytes

    columns = ["patient", "disc", "above", "below", "number_from_below"]
    columns += [name for name, _ in COLUMNS.values()] + ["series"]
    columns += [name for name in ("volume_mm3", "probability") if any(name in r for r in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode("utf-8"))
