"""Accuracy on the annotated real scans, by the scoring of `spinekit evaluate`.

    python benchmarks/accuracy.py run --model FILE --row h1 --sets chu ivd
    python benchmarks/accuracy.py run --model within.onnx --row within --held-out
    python benchmarks/accuracy.py table
    python benchmarks/accuracy.py embed

`run` segments every annotated scan of the sets as a user would (files written and read back),
scores them, writes `benchmarks/results/<row>.csv` with the model's hash and the command, and
prints the table. A scan that fails counts as one in which nothing was found. `table` prints every
committed row again from its CSV. What a row means, and whether the model had seen the set, stands
in the CSV's comments.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from results_of import need_real_scans
from spinekit.core.errors import ModelError, SpineKitError
from spinekit.core.modelspec import ModelSpec, ancestors
from spinekit.datasets.real import RealCase, is_held_out, list_real_cases
from spinekit.evaluation.files import evaluate_files, read_reference
from spinekit.evaluation.scoring import CaseScores, evaluate_case
from spinekit.evaluation.summary import SummaryRow, summarise
from spinekit.evaluation.table import format_table
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ModelPredictor, load_predictor
from spinekit.prediction.runner import load_model
from tables import print_comments, read_scores, write_scores

RESULTS = Path(__file__).parent / "results"
EMBEDDED = Path(__file__).parents[1] / "src/spinekit/models/default.onnx"
LEAST_SHARE = 0.8
"""Of its set's mean Dice, which the worst scan should reach."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the words of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    run = words.add_parser("run", help="segment, score, write a CSV, print the table")
    run.add_argument("--model", type=Path, default=EMBEDDED)
    run.add_argument("--row", default="shipped", help="name of the CSV")
    run.add_argument("--sets", nargs="+", help="sets to score; every annotated one when not given")
    run.add_argument("--held-out", action="store_true", help="what the recipe held out alone")
    run.add_argument("--out", type=Path, help="keep the segmentations here")
    run.add_argument("--threads", type=int, default=0)
    words.add_parser("table", help="print every committed row")
    embed = words.add_parser("embed", help="store every committed row's Dice in a model file")
    embed.add_argument("--model", type=Path, default=EMBEDDED)
    args = parser.parse_args(argv)
    if args.word == "table":
        for path in list_rows():
            print_row(path)
        return 0
    if args.word == "embed":
        embed_scores(args.model)
        return 0
    return run_row(args)


def run_row(args: argparse.Namespace) -> int:
    """Segment and score the sets with one model."""
    folder = need_real_scans()
    predictor = load_predictor(str(args.model), threads=args.threads)
    assert isinstance(predictor, ModelPredictor)
    hold_out = predictor.model.spec.recipe.get("hold_out", "")
    cases = [
        case
        for case in list_real_cases(folder)
        if case.masks
        and (args.sets is None or case.dataset in args.sets)
        and (not args.held_out or is_held_out(case.dataset, case.subject, hold_out))
    ]
    if not cases:
        print("no scan to score: is the model of a recipe that holds some out?", file=sys.stderr)
        return 2
    out = args.out or Path(".spinekit/accuracy") / args.row
    if args.out and args.out.is_dir() and any(args.out.iterdir()):
        print(f"{args.out}: not empty; name a new folder", file=sys.stderr)
        return 2
    if args.out is None and out.exists():
        shutil.rmtree(out)
    failed = segment_cases(cases, predictor, out)
    scores = score_cases(cases, out, failed)
    spec = predictor.model.spec
    seen = sorted({case.dataset for case in cases if is_seen(case, spec)})
    sets = {case.dataset for case in cases}
    comments = {
        "row": args.row,
        "weights_sha256": spec.facts["weights_sha256"],
        "recipe": spec.name,
        "trained on sets scored here": ", ".join(seen) or "none",
        "failed, counted as missed": ", ".join(f"{n} ({e})" for n, e in failed.items()) or "none",
        "command": write_command(args, spec.name, sets),
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{args.row}.csv"
    write_scores(path, scores, comments)
    print_row(path)
    return 1 if failed else 0


def write_command(args: argparse.Namespace, model: str, sets: set[str]) -> str:
    """The command that measures a row again; `sets` are those that were scored."""
    words = ["python benchmarks/accuracy.py run", f"--row {args.row}"]
    if args.model != EMBEDDED:
        words.append(f"--model .spinekit/runs/{model}/model.onnx")
    if args.held_out:
        words.append("--held-out")
    if args.sets or not args.held_out:
        words.append(f"--sets {' '.join(sorted(sets))}")
    return " ".join(words)


def is_seen(case: RealCase, spec: ModelSpec) -> bool:
    """Whether the model, or one that it goes back to, was trained on a scan or chosen by it."""
    hold_out = spec.recipe.get("hold_out", "")
    trained_on = case.dataset in spec.facts.get("trained_on", {})
    goes_back_to_it = any(
        case.dataset in told.get("trained_on", {})
        and not is_held_out(case.dataset, case.subject, told.get("hold_out", hold_out))
        for told in ancestors(spec.facts)
    )
    own = trained_on and not is_held_out(case.dataset, case.subject, hold_out)
    return own or goes_back_to_it


def list_rows() -> list[Path]:
    """Every committed row; other benchmarks keep their tables in the folder too."""
    return [path for path in sorted(RESULTS.glob("*.csv")) if _is_row(path)]


def _is_row(path: Path) -> bool:
    """Whether a table is one of scores per scan, as `run_row` writes it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    header = next((line for line in lines if not line.startswith("#")), "")
    return lines[:1] == [f"# row: {path.stem}"] and header.startswith("dataset,subject,scan,")


def embed_scores(model: Path) -> None:
    """Store the mean Dice of every committed row in a model file, by row, dataset and structure.

    Raises:
        ModelError: The row `shipped` was measured with other weights.
    """
    from spinekit.training.export import store_scores

    weights = load_model(model).spec.facts["weights_sha256"]
    shipped = RESULTS / "shipped.csv"
    if f"# weights_sha256: {weights}\n" not in shipped.read_text("utf-8"):
        raise ModelError(
            "model-other", f"{model.name} is not what shipped.csv measured", "run `run` first"
        )
    scores = {
        path.stem: {
            f"{row.dataset} {row.structure} ({row.scope})": round(row.dice.mean, 4)
            for row in summarise(read_scores(path))
            if math.isfinite(row.dice.mean)
        }
        for path in list_rows()
    }
    store_scores(model, scores)


def segment_cases(
    cases: Sequence[RealCase], predictor: ModelPredictor, out: Path
) -> dict[str, str]:
    """Segment every scan into `out`; returns the names of those that failed and why."""
    failed = {}
    for number, case in enumerate(cases, start=1):
        started = time.perf_counter()
        try:
            segment(case.image, predictor=predictor).save(out)
        except Exception as error:
            failed[case.name] = error.code if isinstance(error, SpineKitError) else repr(error)
            print(f"{case.name}: {error}", file=sys.stderr)
        seconds = time.perf_counter() - started
        print(f"[{number}/{len(cases)}] {case.name} {seconds:.1f} s", file=sys.stderr)
    return failed


def score_cases(
    cases: Sequence[RealCase], out: Path, failed: Mapping[str, str]
) -> list[CaseScores]:
    """Score every scan against its masks, by rising name; nothing was found in a failed one."""
    scores = {case.name: score_nothing(case) for case in cases if case.name in failed}
    if len(failed) < len(cases):
        evaluation = evaluate_files(out, next(iter(cases[0].masks.values())).parent)
        for error in evaluation.failed.values():
            raise error
        scores |= {found.name: found for found in evaluation.cases}
    return [scores[name] for name in sorted(case.name for case in cases)]


def score_nothing(case: RealCase) -> CaseScores:
    """The scores of a scan in which nothing was found."""
    reference, grid = read_reference(case.name, case.masks)
    reference = replace(reference, dataset=case.dataset, subject=case.subject)
    empty = np.zeros(grid.shape, np.uint8)
    return evaluate_case(empty, empty, reference, grid.spacing_mm)


def print_row(path: Path) -> None:
    """Print a CSV's comments and its table."""
    print_comments(path)
    rows = summarise(read_scores(path))
    print(format_table(rows))
    print("\n  worst scan as a share of its set's mean Dice")
    for row in rows:
        if share := describe_share(row):
            print(f"  {share}")


def describe_share(row: SummaryRow) -> str:
    """How far the worst scan of a set falls behind; empty where there is no Dice."""
    if not row.dice.mean > 0:
        return ""
    share = row.worst_dice / row.dice.mean
    below = f"  (below {LEAST_SHARE:.2f})" if share < LEAST_SHARE else ""
    text = f"{row.dataset} {row.structure} ({row.scope})"
    return f"{text:<38}{share:.2f}  {row.worst_scan}{below}"


if __name__ == "__main__":
    sys.exit(main())
