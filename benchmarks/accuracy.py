"""Accuracy on the annotated real scans, by the scoring of `spinekit evaluate`.

    python benchmarks/accuracy.py run --model FILE --row h1 --sets chu ivd
    python benchmarks/accuracy.py table
    python benchmarks/accuracy.py embed

`run` segments every annotated scan of the sets as a user would (files written and read back),
scores them, writes `benchmarks/results/<row>.csv` with the model's hash and the command, and
prints the table. `table` prints every committed row again from its CSV. What a row means, and
whether the model had seen the set, stands in the CSV's comments.
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from spinekit.core.errors import SpineKitError
from spinekit.core.modelspec import ModelSpec
from spinekit.datasets.real import HOLD_OUTS, RealCase, list_real_cases, real_data_folder
from spinekit.evaluation.files import evaluate_files
from spinekit.evaluation.scoring import CaseScores
from spinekit.evaluation.summary import summarise
from spinekit.evaluation.table import format_table, read_csv, write_csv
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ModelPredictor, load_predictor

RESULTS = Path(__file__).parent / "results"
EMBEDDED = Path(__file__).parents[1] / "src/spinekit/models/default.onnx"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the words of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    run = words.add_parser("run", help="segment, score, write a CSV, print the table")
    run.add_argument("--model", type=Path, default=EMBEDDED)
    run.add_argument("--row", default="shipped", help="name of the CSV")
    run.add_argument("--sets", nargs="+", help="sets to score; every annotated one when not given")
    run.add_argument("--out", type=Path, help="keep the segmentations here")
    run.add_argument("--threads", type=int, default=0)
    words.add_parser("table", help="print every committed row")
    embed = words.add_parser("embed", help="store every committed row's Dice in a model file")
    embed.add_argument("--model", type=Path, default=EMBEDDED)
    args = parser.parse_args(argv)
    if args.word == "table":
        for path in sorted(RESULTS.glob("*.csv")):
            print_row(path)
        return 0
    if args.word == "embed":
        embed_scores(args.model)
        return 0
    return run_row(args)


def run_row(args: argparse.Namespace) -> int:
    """Segment and score the sets with one model."""
    folder = real_data_folder()
    if folder is None:
        print("no real scans found; set SPINEKIT_REAL_DATA", file=sys.stderr)
        return 2
    cases = [
        case
        for case in list_real_cases(folder)
        if case.masks and (args.sets is None or case.dataset in args.sets)
    ]
    predictor = load_predictor(str(args.model), threads=args.threads)
    assert isinstance(predictor, ModelPredictor)
    out = args.out or Path(".spinekit/accuracy") / args.row
    failed = segment_cases(cases, predictor, out)
    scores = score_cases(cases, out)
    spec = predictor.model.spec
    seen = sorted({case.dataset for case in cases} & seen_sets(spec))
    comments = {
        "row": args.row,
        "weights_sha256": spec.facts["weights_sha256"],
        "recipe": spec.name,
        "trained on sets scored here": ", ".join(seen) or "none",
        "command": f"python benchmarks/accuracy.py run --row {args.row} --model {spec.name}.onnx "
        f"--sets {' '.join(sorted({case.dataset for case in cases}))}",
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{args.row}.csv"
    write_csv(path, scores, comments=comments)
    print_row(path)
    return 1 if failed else 0


def seen_sets(spec: ModelSpec) -> set[str]:
    """Real sets that the model was trained on."""
    trained = spec.facts.get("trained_on", {})
    hidden = HOLD_OUTS.get(spec.recipe.get("hold_out", ""), frozenset())
    return set(trained) - hidden - {"phantom"}


def embed_scores(model: Path) -> None:
    """Store the mean Dice of every committed row in a model file, by row, dataset and structure."""
    from spinekit.training.export import store_scores

    scores = {
        path.stem: {
            f"{row.dataset} {row.structure} ({row.scope})": round(row.dice.mean, 4)
            for row in summarise(read_csv(path))
            if math.isfinite(row.dice.mean)
        }
        for path in sorted(RESULTS.glob("*.csv"))
    }
    store_scores(model, scores)


def segment_cases(cases: Sequence[RealCase], predictor: ModelPredictor, out: Path) -> int:
    """Segment every scan into `out`; returns how many failed."""
    if out.exists():
        shutil.rmtree(out)
    failed = 0
    for number, case in enumerate(cases, start=1):
        started = time.perf_counter()
        try:
            segment(case.image, predictor=predictor).save(out)
        except SpineKitError as error:
            failed += 1
            print(f"{case.name}: {error}", file=sys.stderr)
        seconds = time.perf_counter() - started
        print(f"[{number}/{len(cases)}] {case.name} {seconds:.1f} s", file=sys.stderr)
    return failed


def score_cases(cases: Sequence[RealCase], out: Path) -> list[CaseScores]:
    """Score every written segmentation against the masks that go with it."""
    evaluation = evaluate_files(out, next(iter(cases[0].masks.values())).parent)
    wanted = {case.name for case in cases}
    return [scores for scores in evaluation.cases if scores.name in wanted]


def print_row(path: Path) -> None:
    """Print a CSV's comments and its table."""
    print(f"\n== {path.stem}")
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        print(line)
    print(format_table(summarise(read_csv(path))))


if __name__ == "__main__":
    sys.exit(main())
