"""Bodies of one value, told apart and named: `spinekit label --as bone` on the sets' own masks.

    SPINEKIT_REAL_DATA=… python benchmarks/masks.py           # sizes alone
    SPINEKIT_REAL_DATA=… python benchmarks/masks.py --image   # and what the network sees there
    … --few                                # of every mask the three bodies in the middle alone
    … --image --model FILE --sets chu      # a model that has not seen these sets

The masks' own values are taken away and compared with what comes out. The embedded model, which
looks at the scans with --image unless another is named, was trained on them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from results_of import need_real_scans
from shares import share_interval
from spinekit.adoption import MaskOptions, adopt_mask
from spinekit.anatomy.scheme import NAMES
from spinekit.datasets.real import RealCase, list_real_cases
from spinekit.io.reading import read_label_file
from spinekit.io.writing import write_labels
from spinekit.prediction.predictor import Predictor, load_predictor

WHOLE = 0.95
"""Share of a body's voxels that bear one value where it is told apart."""
FEW = 3
"""Bodies that a mask keeps with --few."""
SURE = 0.8
"""Every name of a scan shown as sure has at least this probability."""


@dataclass(frozen=True)
class Outcome:
    """What became of one mask."""

    dataset: str
    is_apart: bool
    """Every body bears one value, and no other body bears it."""
    is_right: bool
    """And every value is the body's own."""
    is_sure: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Print one line per set; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", action="store_true", help="let the network look at the scans")
    parser.add_argument("--few", action="store_true", help="keep three bodies of every mask")
    parser.add_argument("--model", help="model file to look with; the embedded one without")
    parser.add_argument("--sets", nargs="+", help="sets whose masks are tried; all without")
    args = parser.parse_args(argv)
    folder = need_real_scans()
    predictor = load_predictor(args.model) if args.image else None
    cases = [case for case in list_real_cases(folder) if "bodies" in case.masks]
    chosen = [case for case in cases if not args.sets or case.dataset in args.sets]
    outcomes = [try_mask(case, predictor, few=args.few) for case in chosen]
    print("| set (masks) | every body told apart | all names right | sure and right, of sure |")
    print("|---|---|---|---|")
    for name in dict.fromkeys(outcome.dataset for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.dataset == name]
        right = [outcome.is_right for outcome in mine]
        share = share_interval(right)
        sure = [outcome.is_right for outcome in mine if outcome.is_sure]
        cells = (
            f"`{name}` ({len(mine)})",
            f"{sum(outcome.is_apart for outcome in mine)}",
            f"{sum(right)} ({share.low:.0%} to {share.high:.0%})",
            f"{sum(sure)} of {len(sure)}",
        )
        print(f"| {' | '.join(cells)} |")
    return 0


def try_mask(case: RealCase, predictor: Predictor | None, *, few: bool) -> Outcome:
    """Name a mask, or the three bodies in its middle, without its values."""
    read, header = read_label_file(case.masks["bodies"])
    truth = _middle(read.array) if few else read.array
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.nii.gz"
        write_labels(mask, (truth > 0).astype(np.uint8), header)
        image = None if predictor is None else str(case.image)
        found = adopt_mask(mask, MaskOptions("bone", image=image), predictor=predictor)
    value = {body: _value_on(found.labels, truth == body) for body in _bodies(truth)}
    bears = list(value.values())
    is_apart = None not in bears and len(set(bears)) == len(bears)
    sure = [row.probability or 0.0 for row in found.structures]
    return Outcome(
        case.dataset,
        is_apart,
        is_apart and all(NAMES.get(bore or 0) == NAMES[body] for body, bore in value.items()),
        min(sure, default=0.0) >= SURE,
    )


def _middle(truth: NDArray[np.integer]) -> NDArray[np.integer]:
    """A mask of the bodies in the middle of the column alone."""
    bodies = _bodies(truth)
    first = max(0, (len(bodies) - FEW) // 2)
    return np.where(np.isin(truth, bodies[first : first + FEW]), truth, 0)


def _bodies(truth: NDArray[np.integer]) -> list[int]:
    return [int(body) for body in np.unique(truth) if body]


def _value_on(labels: NDArray[np.integer], body: NDArray[np.bool_]) -> int | None:
    """The value that a body bears; None where it bears several, or none."""
    counts = np.bincount(labels[body].ravel(), minlength=256)
    best = int(counts.argmax())
    return best if best and counts[best] >= WHOLE * counts.sum() else None


if __name__ == "__main__":
    sys.exit(main())
