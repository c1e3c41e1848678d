"""The worst scans of the hold-outs: a picture to look at and a table to explain them in.

    python benchmarks/gallery.py --rows h1 h2 h3 --models FOLDER --picture /tmp/worst.png

Scans are ranked by their mean Dice over all that is annotated in them, as a share of their set's
mean, from the CSVs that `accuracy.py` wrote, and segmented again with `FOLDER/<row>.onnx`, whose
weights must be those of the CSV. Real scans are nobody's to publish: the picture must lie outside
the repository. `--list` prints the table alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from results_of import need_real_scans
from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import ModelError, SpineKitError
from spinekit.core.geometry import oriented_volume
from spinekit.core.volume import Volume
from spinekit.datasets.real import RealCase, list_real_cases
from spinekit.evaluation.files import read_reference
from spinekit.evaluation.reference import Reference
from spinekit.evaluation.scoring import CaseScores, finite_mean
from spinekit.io.reading import read_scan
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ModelPredictor, load_predictor
from tables import read_scores

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"
LEFT_OUT = "disc-tolerant"
MASK_VALUES = {"vertebra": 21, "disc": 100, "canal": 2, "cord": 1}
"""Values that masks without names are drawn with."""


@dataclass(frozen=True)
class Found:
    """A scan among the worst."""

    row: str
    scores: CaseScores
    dice: float
    """Mean over everything annotated in it."""
    share: float
    """Of the mean of its set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and draw the picture; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=["h1", "h2", "h3"])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--models", type=Path, default=Path(), help="folder of <row>.onnx")
    parser.add_argument("--picture", type=Path, default=Path("/tmp/worst-scans.png"))
    parser.add_argument("--list", action="store_true", help="the table alone")
    args = parser.parse_args(argv)
    worst = find_worst({row: read_scores(RESULTS / f"{row}.csv") for row in args.rows}, args.count)
    print("\n".join(tabulate(worst)))
    if args.list:
        return 0
    picture = args.picture.resolve()
    if ROOT in picture.parents:
        print("the picture shows real scans: put it outside the repository", file=sys.stderr)
        return 2
    folder = need_real_scans()
    cases = {case.name: case for case in list_real_cases(folder)}
    predictors = {row: load(row, args.models) for row in dict.fromkeys(f.row for f in worst)}
    draw([(f, *gather(cases[f.scores.name], predictors[f.row])) for f in worst], picture)
    print(picture)
    return 0


def find_worst(rows: dict[str, list[CaseScores]], count: int) -> list[Found]:
    """The scans that fall farthest behind their set's mean, the worst first.

    Args:
        rows: Scores by name of the CSV.
        count: How many.

    Returns:
        At most so many; scans in which nothing has a Dice are left out.
    """
    found = []
    for row, cases in rows.items():
        for dataset in dict.fromkeys(case.dataset for case in cases):
            dice = {c.name: mean_dice(c) for c in cases if c.dataset == dataset}
            mean = finite_mean(dice.values())
            found += [
                Found(row, case, dice[case.name], dice[case.name] / mean if mean > 0 else 0.0)
                for case in cases
                if case.dataset == dataset and dice[case.name] >= 0
            ]
    return sorted(found, key=lambda f: f.share)[:count]


def mean_dice(case: CaseScores) -> float:
    """Mean over the kinds of instances and the masks of a scan; nan for none."""
    kinds = [case.mean_dice(kind) for kind in case.kinds]
    return finite_mean([*kinds, *(m.dice for m in case.masks if m.structure != LEFT_OUT)])


def tabulate(worst: Sequence[Found]) -> list[str]:
    """A Markdown table with room for a sentence on every scan."""
    lines = [
        "| hold-out | scan | Dice | of its set's mean | weakest | missed | misnamed | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in worst:
        case = found.scores
        scored = [i for i in case.instances if not i.partial]
        weak = sorted(scored, key=lambda i: i.dice)[:2]
        masks = [m for m in case.masks if m.structure != LEFT_OUT]
        weakest = [f"{i.name} {i.dice:.2f}" for i in weak]
        weakest += [f"{m.structure} {m.dice:.2f}" for m in sorted(masks, key=lambda m: m.dice)[:1]]
        missed = [i.name for i in scored if i.missed]
        wrong = [f"{i.name} as {i.predicted}" for i in scored if not i.missed and not i.named_right]
        cells = [
            found.row, f"`{case.name}`", f"{found.dice:.3f}", f"{found.share:.2f}",
            ", ".join(weakest), ", ".join(missed), ", ".join(wrong), "",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def load(row: str, models: Path) -> ModelPredictor:
    """The model of a row.

    Raises:
        ModelError: It is missing, or its weights are not those that the row was measured with.
    """
    predictor = load_predictor(str(models / f"{row}.onnx"))
    assert isinstance(predictor, ModelPredictor)
    weights = predictor.model.spec.facts["weights_sha256"]
    if f"# weights_sha256: {weights}\n" not in (RESULTS / f"{row}.csv").read_text("utf-8"):
        raise ModelError(
            "model-other", f"{row}.onnx is not what {row}.csv measured", "see --models"
        )
    return predictor


def gather(case: RealCase, predictor: ModelPredictor) -> tuple[Volume, NDArray[Any], NDArray[Any]]:
    """The scan, its reference and the predicted labels, on the reference's grid.

    Bodies alone are annotated in some sets: their prediction comes without the rest of the bones.

    Raises:
        SpineKitError: The scan cannot be segmented.
    """
    reference, grid = read_reference(case.name, case.masks)
    image = oriented_volume(read_scan(case.image).volume)
    result = segment(case.image, predictor=predictor)
    labels, parts = (
        oriented_volume(Volume(a, result.grid)).array for a in (result.labels, result.parts)
    )
    if reference.bodies is not None and not reference.masks:
        labels = np.where(parts == PARTS.index("body"), labels, 0)
    print(case.name, file=sys.stderr)
    return Volume(image.array, grid), reference_labels(reference), labels


def reference_labels(reference: Reference) -> NDArray[np.integer]:
    """All that is annotated in one label map: instances by name over masks without."""
    maps = [reference.bodies, reference.vertebrae, reference.discs]
    shape = next(array for array in [*maps, *(m for _, m in reference.masks)] if array is not None)
    drawn = np.zeros(shape.shape, np.int64)
    for structure, mask in reference.masks:
        drawn[mask] = MASK_VALUES.get(structure, 50)
    for label_map in maps:
        if label_map is not None:
            drawn[label_map > 0] = label_map[label_map > 0]
    return drawn


def draw(rows: Sequence[tuple[Found, Volume, NDArray[Any], NDArray[Any]]], path: Path) -> None:
    """One line per scan: image, reference, prediction in the middle slice, then in the worst."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(rows), 6, figsize=(18, 4 * len(rows)), squeeze=False, constrained_layout=True
    )
    for line, (found, image, reference, labels) in zip(axes, rows, strict=True):
        middle, worst = choose_slices(reference, labels)
        low, high = np.percentile(image.array, (1, 99.5))
        aspect = image.grid.spacing_mm[2] / image.grid.spacing_mm[1]
        for n, i in enumerate((middle, worst)):
            shown = (None, reference[i], labels[i])
            for axis, drawn in zip(line[3 * n : 3 * n + 3], shown, strict=True):
                axis.imshow(
                    image.array[i].T, cmap="gray", origin="lower", vmin=low, vmax=high,
                    aspect=aspect,
                )  # fmt: skip
                if drawn is not None:
                    filled = np.ma.masked_equal(drawn.T % 19 + (drawn.T > 0), 0)
                    axis.imshow(
                        filled, cmap="tab20", origin="lower", vmin=0, vmax=20, alpha=0.45,
                        aspect=aspect, interpolation="nearest",
                    )  # fmt: skip
                axis.axis("off")
            line[3 * n].set_title(f"slice {i} of {len(reference)}", fontsize=9)
            line[3 * n + 1].set_title("reference", fontsize=9)
            line[3 * n + 2].set_title("prediction", fontsize=9)
        title = f"{found.row} {found.scores.name}  {found.dice:.3f} ({found.share:.2f})"
        line[0].set_title(f"{title}, slice {middle}", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def choose_slices(reference: NDArray[Any], labels: NDArray[Any]) -> tuple[int, int]:
    """The slice with most reference voxels, and the one with most disagreement where that is."""
    annotated = reference > 0
    wrong = annotated & (labels != reference)
    wrong |= ~annotated & np.isin(labels, np.unique(reference[annotated]))
    return int(annotated.sum(axis=(1, 2)).argmax()), int(wrong.sum(axis=(1, 2)).argmax())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SpineKitError as error:
        sys.exit(f"gallery: {error}")
