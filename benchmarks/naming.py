"""The labellers on the same columns: drawn ones, phantoms through the network, real scans.

    python benchmarks/naming.py columns     # 500 + 200 drawn columns, no image
    python benchmarks/naming.py harm        # 1,000 drawn columns, one instance spoiled in each
    python benchmarks/naming.py images      # 60 phantoms through splitting and network
    python benchmarks/naming.py real        # the real scans (SPINEKIT_REAL_DATA)
    python benchmarks/naming.py rates --models H1 H2 H3   # what the drawn columns' errors rest on
    python benchmarks/naming.py table       # every committed table again, and the picture
    python benchmarks/naming.py fit         # the chain's constants on columns kept for fitting

What the network says is kept in `.spinekit/naming`, by the model's hash, so that labellers can be
compared again without it. Rows go to `benchmarks/results/naming/`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from columns import (
    COUNTS,
    Column,
    Drawn,
    Piece,
    build_column,
    draw_column,
    draw_pieces,
    drop,
    merge,
    next_vertebra,
    split,
)
from naming_cases import image_cases, real_cases
from naming_rates import Bone, collect_bones, format_rates
from naming_scores import (
    Row,
    draw_reliability,
    format_anomalies,
    format_names,
    format_offsets,
    format_seconds,
    score,
)
from naming_sizes import format_shared, gather_drawn, gather_real
from shares import share_interval
from spinekit.labelling import observation
from spinekit.labelling.methods import LABELLERS, name_with
from tables import read_records, spoken_command, write_records

RESULTS = Path(__file__).parent / "results" / "naming"
RATES = RESULTS / "rates.csv"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "reliability.png"
VIEWS: tuple[int | None, ...] = (5, 8, 10, 15, None)
PER_VIEW = 100
OFTEN = 0.3
"""Share of deviating counts in the columns that test finding them."""
CHECK, FIT = 1, 0
"""Seeds of the columns that are reported, and of those that constants may be fitted on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one word of the command line; returns the exit status."""
    words: dict[str, Callable[[argparse.Namespace], int]] = {
        "columns": run_columns,
        "harm": run_harm,
        "images": run_images,
        "real": run_real,
        "rates": run_rates,
        "table": run_table,
        "fit": run_fit,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", choices=words)
    parser.add_argument("--model", type=Path, help="another model than the shipped")
    parser.add_argument("--models", type=Path, nargs="+", help="hold-outs, for their rates")
    parser.add_argument("--row", help="name of the CSV, for another model")
    parser.add_argument("--sets", nargs="+", help="real sets; every one when not given")
    parser.add_argument("--per-view", type=int, default=PER_VIEW, help="columns drawn per view")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    return words[args.word](args)


def run_columns(args: argparse.Namespace) -> int:
    """Name drawn columns with measured errors."""
    rows = []
    for view in VIEWS:
        for n in range(args.per_view):
            rows += name_all(_column(CHECK, view, n), "columns", _view(view), f"c{n}")
    for n in range(2 * args.per_view):
        column = _column(CHECK, None, 10_000 + n, often=True)
        rows += name_all(column, f"columns, {OFTEN:.0%} deviating", "all", f"a{n}")
    finish("columns", rows, {})
    return 0


def _column(half: int, view: int | None, n: int, *, often: bool = False) -> Column:
    rng = np.random.default_rng([half, view or 0, n])
    anomalies: tuple[str, ...] | None = None
    if often:
        anomalies = (str(rng.choice(COUNTS)),) if rng.random() < OFTEN else ()
    return draw_column(rng, visible=view, anomalies=anomalies)


def _view(view: int | None) -> str:
    return str(view or "all")


def name_all(column: Column, source: str, view: str, case: str, dataset: str = "") -> list[Row]:
    """Rows of one column, one per labeller."""
    rows = []
    for labeller in LABELLERS:
        started = time.thread_time()
        naming = name_with(labeller, column.instances, column.evidence)
        seconds = time.thread_time() - started
        about = {"source": source, "view": view, "case": case, "dataset": dataset}
        rows.append(score(column, naming, seconds, labeller=labeller, **about))
    return rows


@dataclass(frozen=True)
class Harm:
    """A way to spoil one instance, and what kind it is done to."""

    spoil: Callable[[list[Piece], Piece], list[Piece]]
    kind: str
    needs_next: bool = False
    """Only to a vertebra that has another directly below it."""

    def choose(self, pieces: list[Piece], rng: np.random.Generator) -> Piece:
        """One of the pieces that this can be done to."""
        fitting = [
            piece
            for at, piece in enumerate(pieces)
            if piece.kind == self.kind
            and not (self.needs_next and next_vertebra(pieces, at) is None)
        ]
        return fitting[int(rng.integers(len(fitting)))]


HARMS = {
    "none": Harm(lambda pieces, _: pieces, "vertebra"),
    "bone deleted": Harm(drop, "vertebra"),
    "disc deleted": Harm(drop, "disc"),
    "two bones merged": Harm(merge, "vertebra", needs_next=True),
    "bone split": Harm(split, "vertebra"),
}


def run_harm(_: argparse.Namespace) -> int:
    """Spoil one instance of each column; which of the others still bear their names?"""
    rows = []
    names = list(HARMS)[1:]
    for n in range(1000):
        view = VIEWS[n % len(VIEWS)]
        rng = np.random.default_rng([CHECK, view or 0, 20_000 + n])
        drawn = draw_pieces(rng, visible=view)
        harm = names[(n // len(VIEWS)) % len(names)]
        piece = HARMS[harm].choose(drawn.pieces, rng)
        rows += name_all(_harmed(drawn, "none", piece), "none", _view(view), f"h{n}", harm)
        rows += name_all(_harmed(drawn, harm, piece), harm, _view(view), f"h{n}", harm)
    finish("harm", rows, {})
    return 0


def _harmed(drawn: Drawn, harm: str, piece: Piece) -> Column:
    return build_column(drawn, HARMS[harm].spoil(drawn.pieces, piece))


def format_harm(rows: Sequence[Row]) -> str:
    """Of the columns named right before, those in which all other names stay right."""
    lines = [
        "| harm | labeller | named right before | other vertebrae stay right | discs too |",
        "|---|---|---|---|---|",
    ]
    before = {(r.case, r.labeller): r.all_right for r in rows if r.source == "none"}
    for harm in (*list(HARMS)[1:], "any"):
        for labeller in LABELLERS:
            mine = [
                r
                for r in rows
                if r.source != "none" and harm in (r.source, "any") and r.labeller == labeller
            ]
            kept = [r for r in mine if before[r.case, labeller]]
            stay = share_interval([r.all_right for r in kept])
            discs = share_interval([r.all_right and r.discs == r.discs_right for r in kept])
            lines.append(
                f"| {harm} | {labeller} | {len(kept)} of {len(mine)} | "
                f"{stay.mean:.1%} ({stay.low:.1%}–{stay.high:.1%}) | "
                f"{discs.mean:.1%} ({discs.low:.1%}–{discs.high:.1%}) |"
            )
    return "\n".join(lines)


def run_images(args: argparse.Namespace) -> int:
    """Name phantoms that went through splitting and network."""
    rows = []
    comments: dict[str, str] = {}
    for view, case, column in image_cases(args.model, args.threads, comments):
        rows += name_all(column, "images", view, case)
    finish(args.row or "images", rows, comments)
    return 0


def run_real(args: argparse.Namespace) -> int:
    """Name the annotated vertebrae of real scans."""
    rows = []
    comments: dict[str, str] = {}
    for case, dataset, column in real_cases(args.model, args.threads, args.sets, comments):
        rows += name_all(column, f"real, {dataset}", "annotated", case, dataset)
    if not rows:
        print("no real scans found; set SPINEKIT_REAL_DATA", file=sys.stderr)
        return 2
    finish(args.row or "real", rows, comments)
    return 0


def run_rates(args: argparse.Namespace) -> int:
    """Measure how far hold-out models are off on the scans they have not seen."""
    comments = {"command": spoken_command("naming.py", sys.argv[1:])}
    bones = collect_bones(args.models or [], args.threads, comments)
    if not bones:
        print("no hold-out models or no real scans; set SPINEKIT_REAL_DATA", file=sys.stderr)
        return 2
    write_records(RATES, Bone, bones, comments)
    print(format_rates(bones))
    return 0


def finish(name: str, rows: Sequence[Row], comments: dict[str, str]) -> None:
    """Write the rows and print their tables."""
    command = spoken_command("naming.py", sys.argv[1:])
    write_records(RESULTS / f"{name}.csv", Row, rows, {"command": command, **comments})
    print_tables(name)


def run_table(_: argparse.Namespace) -> int:
    """Print every table from its CSV and draw the picture."""
    print(format_rates(read_records(RATES, Bone)))
    files = [path for path in sorted(RESULTS.glob("*.csv")) if path != RATES]
    for path in files:
        print_tables(path.stem)
    # Real scans as the hold-outs see them: the shipped model was trained on them.
    shown = [row for p in files if p.stem not in ("harm", "real") for row in read_records(p, Row)]
    draw_reliability(_by_kind(shown), PICTURE)
    return 0


def _by_kind(rows: Iterable[Row]) -> list[Row]:
    """Rows with their source shortened to columns, images or real."""
    return [replace(row, source=row.source.split(",")[0]) for row in rows]


def print_tables(name: str) -> None:
    """Print what there is to say of one CSV."""
    rows = read_records(RESULTS / f"{name}.csv", Row)
    print(f"\n== {name}")
    if name == "harm":
        print(format_harm(rows))
        return
    tables = (format_names(rows), format_anomalies(rows), format_offsets(rows))
    print("\n\n".join([*tables, format_seconds(rows)]))


def run_fit(args: argparse.Namespace) -> int:
    """Print what errors of sizes share, and how the fitting half is named for each GRAIN."""
    drawn = [_column(FIT, None, 50_000 + n) for n in range(args.per_view)]
    scans = {"real": gather_real(read_records(RATES, Bone)), "drawn": gather_drawn(drawn)}
    print(format_shared(scans))
    for grain in (0.25, 0.35, 0.4, 0.5):
        observation.GRAIN = grain
        found = []
        for view in VIEWS:
            for n in range(args.per_view):
                found += name_chain(_column(FIT, view, n), _view(view), n)
        pairs = np.array([pair for row in found for pair in row.calibration], dtype=np.float64)
        chosen = np.where(pairs[:, 1] > 0, pairs[:, 0], 1 - pairs[:, 0])
        loss = -np.log(np.maximum(chosen, 1e-4)).mean()
        right = np.mean([row.all_right for row in found])
        print(f"GRAIN {grain}: all right {right:.1%}, log loss {loss:.3f}")
    return 0


def name_chain(column: Column, view: str, n: int) -> list[Row]:
    """The chain's row alone."""
    naming = name_with("chain", column.instances, column.evidence)
    about = {"source": "fit", "view": view, "case": f"f{n}", "dataset": ""}
    return [score(column, naming, 0.0, labeller="chain", **about)]


if __name__ == "__main__":
    sys.exit(main())
