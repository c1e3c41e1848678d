"""Robustness: real scans made worse by degrees, and phantoms of what no real scan here shows.

    python benchmarks/robustness.py run                 # writes benchmarks/results/robustness/…
    python benchmarks/robustness.py table               # prints the committed tables again
    python benchmarks/robustness.py draw                # docs/images/robustness.png

`run` goes on where it stopped as long as the weights are the same. The scores of every trial stand
in one CSV; a real scan's name there ends in the disturbance and its strength. A trial that fails
counts as one in which nothing was found. A shipped model was trained on the real sets: read the
slope of a curve, not its height, or give `--model` a hold-out's file.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from disturbances import CROPS, DISTURBANCES, Trial, applies, crop, disturb, untouched
from spinekit.core.errors import SpineKitError
from spinekit.core.geometry import oriented_volume
from spinekit.core.volume import Volume
from spinekit.datasets.real import RealCase, list_real_cases, real_data_folder
from spinekit.evaluation.files import read_reference
from spinekit.evaluation.reference import Reference, labels_reference
from spinekit.evaluation.scoring import CaseScores, evaluate_case
from spinekit.evaluation.summary import SummaryRow, summarise
from spinekit.io.reading import read_scan
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ModelPredictor, Predictor, load_predictor
from spinekit.synth.phantom import draw_phantom
from tables import print_comments, read_scores, write_scores

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "robustness"
PICTURE = ROOT / "docs" / "images" / "robustness.png"
EMBEDDED = ROOT / "src/spinekit/models/default.onnx"
SEEDS = 77_000_000
"""First seed of the phantoms; recipes train on those below 1,000,000 for each of their seeds."""
LUMBAR = {"fov": "lumbar", "contrast": "T2"}
PHANTOMS: dict[str, dict[str, object]] = {
    "lumbar T2": LUMBAR | {"anomalies": ()},
    "lumbar T1": {"fov": "lumbar", "contrast": "T1", "anomalies": ()},
    "lumbar STIR": {"fov": "lumbar", "contrast": "STIR", "anomalies": ()},
    "lumbar T2, axial": LUMBAR | {"plane": "axial", "anomalies": ()},
    "lumbar T2, isotropic": LUMBAR | {"plane": "isotropic", "anomalies": ()},
    "cervical T2": {"fov": "cervical", "contrast": "T2", "anomalies": ()},
    "cervical T1": {"fov": "cervical", "contrast": "T1", "anomalies": ()},
    "thoracolumbar T2": {"fov": "thoracolumbar", "contrast": "T2", "anomalies": ()},
    "whole T2": {"fov": "whole", "contrast": "T2", "anomalies": ()},
    **{
        f"lumbar T2, {anomaly}": LUMBAR | {"anomalies": (anomaly,)}
        for anomaly in (
            "L6", "four-lumbar", "T11", "T13", "fused-disc", "missing-disc", "scoliosis",
            "fracture", "listhesis", "stenosis",
        )
    },
}  # fmt: skip
"""Kind of phantom → what it is drawn with."""
STRUCTURES = ("body", "vertebra", "disc", "canal", "cord", "sacrum")
Job = tuple[str, str, str, Callable[[], Trial | None]]
"""Dataset, subject, name of the scan in the CSV, and what makes the trial."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the words of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    run = words.add_parser("run", help="disturb, segment, score, write a CSV")
    run.add_argument("--model", type=Path, default=EMBEDDED)
    run.add_argument("--row", default="shipped", help="name of the CSV")
    run.add_argument("--sets", nargs="*", default=["chu", "myosegmentum", "spider"])
    run.add_argument("--per-set", type=int, default=2, help="scans of each set")
    run.add_argument("--phantoms", type=int, default=2, help="phantoms of each kind")
    run.add_argument("--threads", type=int, default=0)
    words.add_parser("table", help="print every committed table")
    words.add_parser("draw", help="draw the curves")
    args = parser.parse_args(argv)
    if args.word == "run":
        return run_row(args)
    for path in sorted(RESULTS.glob("*.csv")):
        if args.word == "table":
            print_row(path)
        else:
            draw(path)
    return 0


def run_row(args: argparse.Namespace) -> int:
    """Do every trial that the CSV lacks, writing it anew after each."""
    folder = real_data_folder()
    if folder is None and args.sets:
        print("no real scans found; set SPINEKIT_REAL_DATA, or --sets without any", file=sys.stderr)
        return 2
    predictor = load_predictor(str(args.model), threads=args.threads)
    assert isinstance(predictor, ModelPredictor)
    path = RESULTS / f"{args.row}.csv"
    comments = {
        "weights_sha256": str(predictor.model.spec.facts["weights_sha256"]),
        "command": f"python benchmarks/robustness.py run --row {args.row} --model "
        f"{args.model.name} --sets {' '.join(args.sets)} --per-set {args.per_set} "
        f"--phantoms {args.phantoms}",
    }
    jobs = [*real_jobs(folder, args.sets, args.per_set)] if folder else []
    jobs += phantom_jobs(args.phantoms)
    do_jobs(jobs, predictor, path, comments)
    print_row(path)
    return 0


def do_jobs(
    jobs: Sequence[Job], predictor: Predictor, path: Path, comments: dict[str, str]
) -> None:
    """Do the trials whose scores the CSV of the same weights lacks."""
    same = path.is_file() and f"# weights_sha256: {comments['weights_sha256']}\n" in path.read_text(
        encoding="utf-8"
    )
    done = {scores.name: scores for scores in read_scores(path)} if same else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, (dataset, subject, name, make) in enumerate(jobs, start=1):
        print(f"[{number}/{len(jobs)}] {name}", file=sys.stderr)
        if name in done or (trial := make()) is None:
            continue
        scores = score(trial, predictor)
        done[name] = dataclasses.replace(scores, name=name, dataset=dataset, subject=subject)
        write_scores(path, list(done.values()), comments)


def real_jobs(folder: Path, sets: Sequence[str], per_set: int) -> Iterator[Job]:
    """Every disturbance and crop of a few scans of every set."""
    for name in sets:
        cases = [case for case in list_real_cases(folder) if case.dataset == name and case.masks]
        for case in cases[:: max(1, len(cases) // per_set)][:per_set]:
            loaded = Loaded(case)
            for title, (_, strengths) in DISTURBANCES.items():
                for strength in strengths:
                    label = f"{case.name} {title} {strength}"
                    yield name, case.subject, label, Disturbed(loaded, title, strength)
            for count in CROPS:
                yield name, case.subject, f"{case.name} vertebrae {count}", Cropped(loaded, count)


@dataclasses.dataclass
class Loaded:
    """A scan and its reference on one grid, i→R, j→A, k→S, read when first wanted."""

    case: RealCase
    read: tuple[Volume, Reference] | None = None

    def get(self) -> tuple[Volume, Reference]:
        """The scan and its reference."""
        if self.read is None:
            reference, grid = read_reference(self.case.name, self.case.masks)
            image = oriented_volume(read_scan(self.case.image).volume)
            if not image.grid.is_close(grid, tolerance_mm=0.05):
                raise SystemExit(f"{self.case.name}: image and masks lie on different grids")
            self.read = Volume(image.array.astype(np.float32), grid), reference
        return self.read


@dataclasses.dataclass(frozen=True)
class Disturbed:
    """A scan with one disturbance; none where it would change nothing."""

    loaded: Loaded
    title: str
    strength: float

    def __call__(self) -> Trial | None:
        """Make the trial."""
        image, reference = self.loaded.get()
        if not applies(self.title, self.strength, image):
            return None
        return disturb(self.title, self.strength, image, reference)


@dataclasses.dataclass(frozen=True)
class Cropped:
    """A scan with so many annotated vertebrae in view; none where it has fewer."""

    loaded: Loaded
    count: int

    def __call__(self) -> Trial | None:
        """Make the trial."""
        return crop(self.count, *self.loaded.get())


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A phantom as it is."""

    kind: str
    seed: int

    def __call__(self) -> Trial:
        """Draw it."""
        drawn = draw_phantom(self.seed, **PHANTOMS[self.kind])  # type: ignore[arg-type]
        reference = labels_reference(
            self.kind, drawn.labels, drawn.parts, spacing_mm=drawn.grid.spacing_mm
        )
        seen = untouched(Volume(drawn.image, drawn.grid), 0, np.random.default_rng())
        return Trial(seen, reference, drawn.grid)


def phantom_jobs(per_kind: int) -> Iterator[Job]:
    """A few phantoms of every kind, no two of the same seed."""
    for number, kind in enumerate(PHANTOMS):
        for n in range(per_kind):
            seed = SEEDS + 1000 * number + n
            yield f"phantom {kind}", f"phantom{seed}", f"phantom{seed}", Drawn(kind, seed)


def score(trial: Trial, predictor: Predictor) -> CaseScores:
    """The scores of one trial; nothing was found where segmenting fails."""
    array = trial.seen.array
    try:
        result = segment(array, affine=trial.seen.shown, predictor=predictor)
        labels, parts = result.labels, result.parts
    except SpineKitError as error:
        print(f"  failed: {error}", file=sys.stderr)
        labels = parts = np.zeros(array.shape, np.uint8)
    back = [trial.bring_back(found) for found in (labels, parts)]
    return evaluate_case(back[0], back[1], trial.judged(), trial.grid.spacing_mm)


def curve_rows(cases: Sequence[CaseScores]) -> list[dict[str, str]]:
    """Of the real sets: one row for each set, disturbance and strength, in order."""
    groups: dict[tuple[str, str, str], list[CaseScores]] = {}
    for case in cases:
        if not case.dataset.startswith("phantom "):
            _, title, strength = case.name.rsplit(" ", 2)
            groups.setdefault((case.dataset, title, strength), []).append(case)
    return [
        {"set": name, "disturbance": title, "strength": strength, **join(members)}
        for (name, title, strength), members in groups.items()
    ]


def phantom_rows(cases: Sequence[CaseScores]) -> list[dict[str, str]]:
    """Of the phantoms: one row for each kind, and one for C1 wherever it is in view."""
    drawn = [case for case in cases if case.dataset.startswith("phantom ")]
    rows = []
    for kind in dict.fromkeys(case.dataset for case in drawn):
        found = summarise([case for case in drawn if case.dataset == kind])
        rows.append({"phantoms": kind.removeprefix("phantom "), **by_structure(found)})
    only = [
        dataclasses.replace(
            case,
            dataset="phantom C1",
            instances=tuple(i for i in case.instances if i.name == "C1"),
            masks=(),
            extra=(),
        )
        for case in drawn
    ]
    only = [case for case in only if any(not i.partial for i in case.instances)]
    if only:
        rows.append({"phantoms": "C1 alone", **by_structure(summarise(only))})
    return rows


def by_structure(rows: Sequence[SummaryRow]) -> dict[str, str]:
    """Mean Dice by structure (over instances where they are told apart), missed, names right."""
    cells = {"scans": str(max(row.n_scans for row in rows))}
    for structure in STRUCTURES:
        found = [row for row in rows if row.structure == structure and row.dice.mean >= 0]
        cells[structure] = f"{found[0].dice.mean:.3f}" if found else ""
    return cells | shares(rows)


def join(cases: Sequence[CaseScores]) -> dict[str, str]:
    """Mean and worst Dice over all annotated structures of the scans, missed, names right."""
    rows = [row for row in summarise(cases) if row.structure != "disc-tolerant"]
    worst = min((row.worst_dice for row in rows if row.worst_dice >= 0), default=float("nan"))
    mean = np.nanmean([row.dice.mean for row in rows])
    return {"scans": str(len(cases)), "Dice": f"{mean:.3f}", "worst": f"{worst:.3f}"} | shares(rows)


def shares(rows: Sequence[SummaryRow]) -> dict[str, str]:
    """Instances, the share missed, and the share of the others that bear the right name."""
    named = [row for row in rows if row.scope == "instances"]
    total = sum(row.n_instances for row in named)
    missed = sum(row.missed for row in named)
    right = sum(row.named_right for row in named)
    return {
        "n": str(total),
        "missed %": f"{100 * missed / max(total, 1):.1f}",
        "names right %": f"{100 * right / max(total - missed, 1):.1f}",
    }


def print_row(path: Path) -> None:
    """Print a CSV's comments and its two tables in Markdown."""
    print_comments(path)
    cases = read_scores(path)
    for rows in (curve_rows(cases), phantom_rows(cases)):
        if rows:
            print("\n| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
            print("\n".join("| " + " | ".join(row.values()) + " |" for row in rows))


def draw(path: Path) -> None:
    """Draw Dice against strength, one panel for each disturbance."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = curve_rows(read_scores(path))
    titles = [title for title in dict.fromkeys(r["disturbance"] for r in rows) if title != "none"]
    figure, axes = pyplot.subplots(
        2, -(-len(titles) // 2), figsize=(15, 6), constrained_layout=True, sharey=True
    )
    for axis in axes.flat[len(titles) :]:
        axis.set_visible(False)
    for axis, title in zip(axes.flat, titles, strict=False):
        strengths = list(dict.fromkeys(r["strength"] for r in rows if r["disturbance"] == title))
        if title != "vertebrae":
            strengths.sort(key=float, reverse=title == "greys")
        axis.set_xticks(range(len(strengths) + 1), ["as it is", *strengths])
        for name in dict.fromkeys(row["set"] for row in rows):
            chosen = [r for r in rows if r["set"] == name and r["disturbance"] in (title, "none")]
            places = [
                0 if r["disturbance"] == "none" else 1 + strengths.index(r["strength"])
                for r in chosen
            ]
            axis.plot(places, [float(r["Dice"]) for r in chosen], marker="o", label=name)
        axis.set(title=title, ylim=(0, 1))
        axis.grid(alpha=0.3)
    axes.flat[0].set_ylabel("mean Dice")
    axes.flat[0].legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=80)
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    sys.exit(main())
