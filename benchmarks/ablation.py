"""What each choice of the training is worth, at a fixed budget on sets held out.

    python benchmarks/ablation.py run --steps 200 --hold-outs H2 H3 --every 3
    python benchmarks/ablation.py table

Every variant is the first round of a hold-out (`recipes/h2-first.toml`) with one thing changed: the
same start on phantoms, the same number of steps. It is scored on every n-th scan of the sets that
it held out. A row is added to `benchmarks/results/ablation.csv` as soon as it is measured, and rows
that are there are not measured again, so a run can be stopped and gone on with.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accuracy import score_cases, segment_cases
from results_of import need_real_scans
from spinekit.datasets.real import HOLD_OUTS, list_real_cases
from spinekit.evaluation.summary import SummaryRow, summarise
from spinekit.prediction.predictor import ModelPredictor, load_predictor
from tables import print_comments, read_records, write_records

RESULTS = Path(__file__).parent / "results" / "ablation.csv"
RECIPES = Path(__file__).parents[1] / "recipes"
VARIANTS: dict[str, dict[str, Any]] = {
    "all": {},
    "phantoms alone": {"real": False},
    "real scans alone": {"phantom_share": 0.0},
    "phantoms and chu": {"only": "chu"},
    "phantoms and ivd": {"only": "ivd"},
    "phantoms and myosegmentum": {"only": "myosegmentum"},
    "phantoms and spider": {"only": "spider"},
    "self-training": {"teacher": "all"},
    "greys unchanged": {"appearance": 0.0},
    "greys changed half as often": {"appearance": 0.5},
    "no level head": {"level_weight": 0.0},
    "no Dice loss": {"dice_weight": 0.0},
    "last weights, not their mean": {"ema": 0.0},
}
"""What differs from the recipe; `only` keeps one real set, `teacher` is the variant that fills
what masks leave open."""


@dataclass(frozen=True)
class Row:
    """One structure of one variant."""

    hold_out: str
    variant: str
    steps: int
    every: int
    """Every n-th scan of the sets was scored."""
    dataset: str
    structure: str
    scope: str
    scans: int
    dice: float
    low: float
    high: float
    worst: float
    missed: int
    named_right: int
    instances: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run the words of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    run = words.add_parser("run", help="train, score, add to the CSV, print the table")
    run.add_argument("--steps", type=int, default=200)
    run.add_argument("--hold-outs", nargs="+", choices=sorted(HOLD_OUTS), default=["H2", "H3"])
    run.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    run.add_argument("--every", type=int, default=3, help="every n-th scan of the sets")
    run.add_argument("--work", type=Path, default=Path(".spinekit"), help="packs, start and runs")
    words.add_parser("table", help="print the committed rows")
    args = parser.parse_args(argv)
    if args.word == "run" and (status := run_variants(args)):
        return status
    if not RESULTS.is_file():
        print("no rows yet; measure some with the word run", file=sys.stderr)
        return 1
    print_table()
    return 0


def run_variants(args: argparse.Namespace) -> int:
    """Measure what the CSV lacks; returns the exit status."""
    folder = need_real_scans()
    rows = read_records(RESULTS, Row) if RESULTS.is_file() else []
    done = {(row.hold_out, row.variant, row.steps, row.every) for row in rows}
    for variant in args.variants:
        for hold_out in args.hold_outs:
            key = (hold_out, variant, args.steps, args.every)
            if key in done or not is_sensible(variant, hold_out):
                continue
            print(f"{hold_out}: {variant}", file=sys.stderr)
            rows += measure(variant, hold_out, folder, args)
            write_records(RESULTS, Row, rows, {"row": "ablation", "command": write_command(rows)})
    return 0


def write_command(rows: Sequence[Row]) -> str:
    """The commands that measure all rows again, one for each number of steps and of scans."""
    commands = []
    for steps, every in dict.fromkeys((row.steps, row.every) for row in rows):
        own = [row for row in rows if (row.steps, row.every) == (steps, every)]
        hold_outs = " ".join(sorted({row.hold_out for row in own}))
        variants = " ".join(shlex.quote(name) for name in dict.fromkeys(r.variant for r in own))
        commands.append(
            f"python benchmarks/ablation.py run --steps {steps} --every {every} "
            f"--hold-outs {hold_outs} --variants {variants}"
        )
    return "; ".join(commands)


def is_sensible(variant: str, hold_out: str) -> bool:
    """Whether a variant says anything: the one set it keeps must not be held out."""
    return VARIANTS[variant].get("only") not in HOLD_OUTS[hold_out]


def changes(variant: str, hold_out: str, steps: int, datasets: set[str]) -> dict[str, Any]:
    """Recipe values of a variant."""
    values = dict(VARIANTS[variant])
    if only := values.pop("only", None):
        values["set_weights"] = {name: float(name == only) for name in datasets}
    if teacher := values.get("teacher"):
        values["teacher"] = run_name(teacher, hold_out, steps)
    return values | {"name": run_name(variant, hold_out, steps), "steps": steps}


def run_name(variant: str, hold_out: str, steps: int) -> str:
    """Folder of a variant's run."""
    slug = variant.replace(",", "").replace(" ", "-")
    return f"ablation-{hold_out}-{slug}-{steps}"


def measure(variant: str, hold_out: str, folder: Path, args: argparse.Namespace) -> list[Row]:
    """Train one variant and score it on what it held out."""
    from spinekit.training.run import train

    cases = [case for case in list_real_cases(folder) if case.masks]
    datasets = {case.dataset for case in cases}
    recipe = RECIPES / f"{hold_out.lower()}-first.toml"
    if teacher := VARIANTS[variant].get("teacher"):
        train(recipe, work=args.work, overrides=changes(teacher, hold_out, args.steps, datasets))
    values = changes(variant, hold_out, args.steps, datasets)
    model = train(recipe, work=args.work, overrides=values)
    held_out = [case for case in cases if case.dataset in HOLD_OUTS[hold_out]]
    chosen = [
        case
        for name in sorted(HOLD_OUTS[hold_out])
        for case in [c for c in held_out if c.dataset == name][:: args.every]
    ]
    predictor = load_predictor(str(model))
    assert isinstance(predictor, ModelPredictor)
    with tempfile.TemporaryDirectory() as out:
        failed = segment_cases(chosen, predictor, Path(out))
        scores = score_cases(chosen, Path(out), failed)
    about: Mapping[str, Any] = {
        "hold_out": hold_out,
        "variant": variant,
        "steps": args.steps,
        "every": args.every,
    }
    return [to_row(about, row) for row in summarise(scores) if row.dice.mean == row.dice.mean]


def to_row(about: Mapping[str, Any], row: SummaryRow) -> Row:
    """One line of the CSV."""
    return Row(
        **about,
        dataset=row.dataset,
        structure=row.structure,
        scope=row.scope,
        scans=row.n_scans,
        dice=round(row.dice.mean, 4),
        low=round(row.dice.low, 4),
        high=round(row.dice.high, 4),
        worst=round(row.worst_dice, 4),
        missed=row.missed,
        named_right=row.named_right,
        instances=row.n_instances,
    )


def print_table() -> None:
    """Print the committed rows, one line per variant, with the change against `all`."""
    print_comments(RESULTS)
    rows = read_records(RESULTS, Row)
    for kind in sorted({(row.steps, row.every, row.hold_out) for row in rows}):
        steps, every, hold_out = kind
        own = [row for row in rows if (row.steps, row.every, row.hold_out) == kind]
        columns = list(dict.fromkeys((r.dataset, r.structure, r.scope) for r in own))
        dice = {(r.variant, (r.dataset, r.structure, r.scope)): r for r in own}
        print(f"\n{hold_out}, {steps} steps, one scan in {every}\n")
        print("| variant | " + " | ".join(f"{d} {s} ({o})" for d, s, o in columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        for variant in dict.fromkeys(row.variant for row in own):
            cells = [describe(dice, variant, column) for column in columns]
            print(f"| {variant} | " + " | ".join(cells) + " |")


def describe(
    dice: Mapping[tuple[str, tuple[str, str, str]], Row],
    variant: str,
    column: tuple[str, str, str],
) -> str:
    """One cell: Dice, its change against `all`, and names right where instances are named."""
    row = dice.get((variant, column))
    if row is None:
        return ""
    base = dice.get(("all", column))
    text = f"{row.dice:.3f}"
    if base is not None and variant != "all":
        text += f" ({row.dice - base.dice:+.3f})"
    if row.instances:
        text += f", {row.named_right}/{row.instances} right"
    return text


if __name__ == "__main__":
    sys.exit(main())
