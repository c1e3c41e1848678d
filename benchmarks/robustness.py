"""Robustness: the same real scans made worse by degrees, scored like the untouched ones.

    python benchmarks/robustness.py run --per-set 2      # writes benchmarks/results/robustness/…
    python benchmarks/robustness.py table                # prints the committed table again
    python benchmarks/robustness.py draw                 # docs/images/robustness.png

Every disturbance is a function of one strength; what it means stands beside its name. Scores are
means over the scored scans of a set. The shipped model was trained on these sets: read the slope
of a curve, not its height, or give `--model` a hold-out's file.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.errors import SpineKitError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.datasets.real import RealCase, list_real_cases, real_data_folder
from spinekit.evaluation.files import orient_ras, read_reference
from spinekit.evaluation.reference import Reference
from spinekit.evaluation.scoring import evaluate_case
from spinekit.evaluation.summary import summarise
from spinekit.io.reading import read_scan
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ModelPredictor, load_predictor

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "robustness"
PICTURE = ROOT / "docs" / "images" / "robustness.png"
EMBEDDED = ROOT / "src/spinekit/models/default.onnx"
COLUMNS = ("set", "disturbance", "strength", "scans", "dice", "missed", "names_right", "failed")
Image = NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the model is shown, and where its voxels really lie."""

    array: Image
    shown: NDArray[np.float64]
    """(4, 4) affine that the model is told."""
    true: NDArray[np.float64]
    """(4, 4) affine of the same voxels in the frame of the reference."""


def noise(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Rician noise; strength is its σ over the 99th percentile."""
    sigma = strength * np.percentile(image.array, 99)
    real = image.array + rng.normal(0, sigma, image.shape)
    return _same_grid(image, np.hypot(real, rng.normal(0, sigma, image.shape)))


def coil(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Fall-off of a surface coil: e^strength between the back and the front."""
    weight = np.exp(-strength * np.linspace(0, 1, image.shape[1]))
    return _same_grid(image, image.array * weight[None, :, None])


def blur(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Gaussian blur in the sagittal plane; strength is σ in mm."""
    sigmas = [0.0, *(strength / s for s in image.grid.spacing_mm[1:])]
    return _same_grid(image, ndimage.gaussian_filter(image.array, sigmas))


def contrast(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Gamma after scaling to the 99.5th percentile; strength 0 inverts the image."""
    scaled = np.clip(image.array / np.percentile(image.array, 99.5), 0, 1)
    return _same_grid(image, 1 - scaled if strength == 0 else scaled**strength)


def greys(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """As few grey values as an 8-bit window leaves of a bright coil; strength is their number."""
    scaled = np.clip(image.array / np.percentile(image.array, 99.9), 0, 1)
    return _same_grid(image, np.round(scaled * (strength - 1)))


def lost_slices(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Sagittal slices without a signal; strength is their share."""
    lost = rng.random(image.shape[0]) < strength
    return _same_grid(image, np.where(lost[:, None, None], 0, image.array))


def slice_mm(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Sagittal slices this thick, averaged from the thinner ones."""
    return _resample(image, (max(strength, image.grid.spacing_mm[0]), *image.grid.spacing_mm[1:]))


def in_plane_mm(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Pixels of this size."""
    return _resample(image, (image.grid.spacing_mm[0], strength, strength))


def rotation(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """The patient turned about the left-right axis; strength in degrees, either way."""
    angle = np.deg2rad(strength) * rng.choice([-1, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    turn, centre = np.eye(4), np.eye(4)
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    middle = image.grid.affine @ [*((n - 1) / 2 for n in image.shape), 1.0]
    centre[:3, 3] = middle[:3]
    true = centre @ turn @ np.linalg.inv(centre) @ image.grid.affine
    return Seen(_cut(image, image.shape, true), image.grid.affine, true)


Disturbance = Callable[[Volume, float, np.random.Generator], Seen]
DISTURBANCES: dict[str, tuple[Disturbance, list[float]]] = {
    "noise": (noise, [0.03, 0.06, 0.12]),
    "coil": (coil, [1.0, 2.0, 3.0]),
    "blur": (blur, [0.7, 1.4, 2.1]),
    "contrast": (contrast, [0.5, 2.0, 0.0]),
    "greys": (greys, [64, 32, 16]),
    "lost_slices": (lost_slices, [0.1, 0.25]),
    "slice_mm": (slice_mm, [2.0, 4.0, 6.0]),
    "in_plane_mm": (in_plane_mm, [0.4, 1.5, 2.0]),
    "rotation": (rotation, [5.0, 10.0, 20.0]),
}
CROPS = [8, 6, 5, 4, 3]
"""Vertebrae left in view, from the lowest annotated one upward."""
MARGIN_MM = 6.0
"""Beyond the outermost vertebra left in view: half a disc."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the words of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = parser.add_subparsers(dest="word", required=True)
    run = words.add_parser("run", help="disturb, segment, score, write a CSV")
    run.add_argument("--model", type=Path, default=EMBEDDED)
    run.add_argument("--row", default="shipped", help="name of the CSV")
    run.add_argument("--sets", nargs="+", default=["chu", "myosegmentum", "spider"])
    run.add_argument("--per-set", type=int, default=2, help="scans of each set")
    run.add_argument("--threads", type=int, default=0)
    words.add_parser("table", help="print every committed row")
    words.add_parser("draw", help="draw the curves")
    args = parser.parse_args(argv)
    if args.word == "run":
        return run_row(args)
    for path in sorted(RESULTS.glob("*.csv")):
        if args.word == "table":
            print(path.read_text(encoding="utf-8"))
        else:
            draw(path)
    return 0


def run_row(args: argparse.Namespace) -> int:
    """Disturb and score; writes the CSV."""
    folder = real_data_folder()
    if folder is None:
        print("no real scans found; set SPINEKIT_REAL_DATA", file=sys.stderr)
        return 2
    predictor = load_predictor(str(args.model), threads=args.threads)
    assert isinstance(predictor, ModelPredictor)
    rows = []
    for name in args.sets:
        cases = [case for case in list_real_cases(folder) if case.dataset == name and case.masks]
        chosen = cases[:: max(1, len(cases) // args.per_set)][: args.per_set]
        rows += score_set(name, [load(case) for case in chosen], predictor)
    spec = predictor.model.spec
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{args.row}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(f"# weights_sha256: {spec.facts['weights_sha256']}\n")
        file.write(f"# command: python benchmarks/robustness.py run --row {args.row}")
        file.write(f" --per-set {args.per_set}\n")
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(path.read_text(encoding="utf-8"))
    return 0


def load(case: RealCase) -> tuple[Volume, Reference]:
    """A scan and its reference on one grid, i→R, j→A, k→S."""
    reference, grid = read_reference(case.name, case.masks)
    image = orient_ras(read_scan(case.image).volume)
    if not image.grid.is_close(grid, tolerance_mm=0.05):
        raise SystemExit(f"{case.name}: image and masks lie on different grids")
    reference = dataclasses.replace(reference, dataset=case.dataset, subject=case.subject)
    return Volume(image.array.astype(np.float32), grid), reference


def score_set(
    name: str, cases: Sequence[tuple[Volume, Reference]], predictor: ModelPredictor
) -> list[dict[str, object]]:
    """One row for each disturbance and strength of one set."""
    trials: list[tuple[str, float, Trial]] = [("none", 0.0, Disturbed(untouched, 0.0))]
    for title, (disturb, strengths) in DISTURBANCES.items():
        trials += [(title, strength, Disturbed(disturb, strength)) for strength in strengths]
    trials += [("vertebrae", float(count), Cropped(count)) for count in CROPS]
    rows = []
    for number, (title, strength, trial) in enumerate(trials, start=1):
        print(f"{name} [{number}/{len(trials)}] {title} {strength}", file=sys.stderr)
        scored = score([trial(image, reference) for image, reference in cases], predictor)
        rows.append({"set": name, "disturbance": title, "strength": strength, **scored})
    return rows


@dataclasses.dataclass(frozen=True)
class Disturbed:
    """A disturbance at one strength; the reference stays."""

    disturb: Disturbance
    strength: float

    def __call__(self, image: Volume, reference: Reference) -> tuple[Seen, Reference, Grid]:
        """What is shown, the reference and the reference's grid."""
        seen = self.disturb(image, self.strength, np.random.default_rng(7))
        return seen, reference, image.grid


@dataclasses.dataclass(frozen=True)
class Cropped:
    """A field of view that holds only so many annotated vertebrae, with half a disc more."""

    count: int

    def __call__(self, image: Volume, reference: Reference) -> tuple[Seen, Reference, Grid]:
        """The part that is left of the scan and of its reference."""
        bones = reference.bodies if reference.bodies is not None else reference.vertebrae
        assert bones is not None, f"{reference.name} has no named vertebrae"
        heights = [
            np.flatnonzero((bones == v).any(axis=(0, 1))) for v in np.unique(bones[bones > 0])
        ]
        lowest_first = sorted((int(k.min()), int(k.max())) for k in heights)[: self.count]
        margin = round(MARGIN_MM / image.grid.spacing_mm[2])
        first = max(0, lowest_first[0][0] - margin)
        last = min(image.shape[2], lowest_first[-1][1] + margin + 1)

        def cut(array: Any) -> Any:
            return None if array is None else array[:, :, first:last]

        affine = image.grid.affine.copy()
        affine[:3, 3] += first * affine[:3, 2]
        part = Volume(cut(image.array), Grid(cut(image.array).shape, affine))
        left = dataclasses.replace(
            reference,
            bodies=cut(reference.bodies),
            vertebrae=cut(reference.vertebrae),
            discs=cut(reference.discs),
            masks=tuple((structure, cut(mask)) for structure, mask in reference.masks),
            points=(),
        )
        return untouched(part, 0.0, np.random.default_rng()), left, part.grid


Trial = Disturbed | Cropped


def score(
    trials: Sequence[tuple[Seen, Reference, Grid]], predictor: ModelPredictor
) -> dict[str, object]:
    """Mean Dice over instances and masks, shares missed and named right, and failures."""
    scores, failed = [], 0
    for seen, reference, grid in trials:
        try:
            result = segment(seen.array, affine=seen.shown, predictor=predictor)
        except SpineKitError:
            failed += 1
            continue
        back = np.linalg.inv(seen.true) @ grid.affine
        dseg, parts = (
            ndimage.affine_transform(array, back, output_shape=grid.shape, order=0)
            for array in (result.labels, result.parts)
        )
        scores.append(evaluate_case(dseg, parts, reference, grid.spacing_mm))
    rows = [row for row in summarise(scores) if row.structure != "disc-tolerant"]
    named = [row for row in rows if row.n_instances]
    instances = sum(row.n_instances for row in named)
    missed = sum(row.missed for row in named)
    right = sum(row.named_right for row in named)
    return {
        "scans": len(scores),
        "dice": round(float(np.mean([row.dice.mean for row in rows])), 4),
        "missed": round(missed / instances, 4),
        "names_right": round(right / max(instances - missed, 1), 4),
        "failed": failed,
    }


def untouched(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """The scan as it is."""
    return _same_grid(image, image.array)


def draw(path: Path) -> None:
    """Draw Dice against strength, one panel for each disturbance."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    titles = [title for title in dict.fromkeys(r["disturbance"] for r in rows) if title != "none"]
    figure, axes = pyplot.subplots(2, 5, figsize=(15, 6), constrained_layout=True, sharey=True)
    for axis, title in zip(axes.flat, titles, strict=True):
        for name in dict.fromkeys(row["set"] for row in rows):
            chosen = [r for r in rows if r["set"] == name and r["disturbance"] in (title, "none")]
            labels = [r["strength"] if r["disturbance"] == title else "none" for r in chosen]
            axis.plot(labels, [float(r["dice"]) for r in chosen], marker="o", label=name)
        axis.set(title=title, ylim=(0, 1))
        axis.grid(alpha=0.3)
    axes.flat[0].set_ylabel("mean Dice")
    axes.flat[0].legend()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=80)
    print(PICTURE.relative_to(ROOT))


def _same_grid(image: Volume, array: NDArray[Any]) -> Seen:
    return Seen(np.asarray(array, np.float32), image.grid.affine, image.grid.affine)


def _resample(image: Volume, spacing_mm: tuple[float, float, float]) -> Seen:
    """The scan averaged or interpolated to another spacing over the same field of view."""
    shape = [
        max(1, round(n * old / new))
        for n, old, new in zip(image.shape, image.grid.spacing_mm, spacing_mm, strict=True)
    ]
    steps = np.array([n / m for n, m in zip(image.shape, shape, strict=True)])
    scale = np.diag([*steps, 1.0])
    scale[:3, 3] = (steps - 1) / 2
    sigmas = [0.42 * step if step > 1 else 0.0 for step in steps]
    smooth = Volume(ndimage.gaussian_filter(image.array, sigmas), image.grid)
    true = image.grid.affine @ scale
    return Seen(_cut(smooth, tuple(shape), true), true, true)


def _cut(image: Volume, shape: tuple[int, ...], affine: NDArray[np.float64]) -> Image:
    """The scan on another grid, linear, 0 outside."""
    to_source = np.linalg.inv(image.grid.affine) @ affine
    cut: Image = ndimage.affine_transform(image.array, to_source, output_shape=shape, order=1)
    return cut


if __name__ == "__main__":
    sys.exit(main())
