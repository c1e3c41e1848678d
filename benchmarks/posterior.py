"""Posterior elements alone, against SPIDER's masks, which leave them with the vertebra.

    spinekit segment "$SPINEKIT_REAL_DATA/images" OUT --suffix _T2SPACE --model h3.onnx
    python benchmarks/posterior.py OUT

Of a vertebra's mask they are what lies behind the middle of the canal (`evaluation.reference`).
Compared are the heights at which the canal is annotated; elsewhere nothing says what is behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from results_of import find_results
from spinekit.anatomy.scheme import PARTS
from spinekit.core.geometry import oriented_volume
from spinekit.datasets.real import RealCase
from spinekit.evaluation.reference import SPIDER_CANAL, SPIDER_VERTEBRA, in_front_of
from spinekit.io.reading import read_labels

POSTERIOR = PARTS.index("posterior")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of one folder of segmentations; returns the exit status."""
    out, cases = find_results(__doc__.splitlines()[0], argv)
    rows = []
    print("| scan | found | painted beside | Dice |\n|---|---|---|---|")
    for case in cases:
        if case.dataset == "spider" and "parts" in case.masks:
            rows.append(score(case, out / f"{case.name}_parts.nii.gz"))
            found, beside, dice = rows[-1]
            print(f"| {case.name} | {found:.2f} | {beside:.2f} | {dice:.2f} |")
    found, beside, dice = np.mean(rows, axis=0)
    print(f"{len(rows)} scans: found {found:.2f}, painted beside {beside:.2f}, Dice {dice:.2f}")
    return 0


def score(case: RealCase, result: Path) -> tuple[float, float, float]:
    """Share of the reference found, painted beside it in shares of the reference, and Dice."""
    marked = oriented_volume(read_labels(case.masks["parts"])).array
    parts = oriented_volume(read_labels(result)).array
    canal = marked == SPIDER_CANAL
    told = canal.any(axis=(0, 1)) & ~in_front_of(canal)
    truth, seen = (marked == SPIDER_VERTEBRA) & told, (parts == POSTERIOR) & told
    common, size = int((truth & seen).sum()), max(1, int(truth.sum()))
    beside = int(seen.sum()) - common
    return common / size, beside / size, 2 * common / max(1, size + int(seen.sum()))


if __name__ == "__main__":
    sys.exit(main())
