"""The cord in lumbar scans against the dark tube seen in SPIDER's canal masks.

    spinekit segment "$SPINEKIT_REAL_DATA/images" OUT --suffix _T2SPACE --model h3.onnx
    python benchmarks/cord.py OUT

No real lumbar scan here has its cord annotated. `spinekit.datasets.cord` finds it by its grey in
the annotated canal; above the middle of L1, where no roots can be taken for it, that is compared
with the segmentations in OUT. It is no annotation: scans in which nothing was seen are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from results_of import find_results
from spinekit.anatomy.scheme import PARTS, VALUES
from spinekit.core.geometry import oriented_volume
from spinekit.datasets.cord import cord_in_canal
from spinekit.datasets.partial import CANAL_WITH_CORD
from spinekit.datasets.real import CORD_SEEN, RealCase
from spinekit.io.reading import read_labels, read_scan

CORD, L1 = PARTS.index("cord"), VALUES["L1"]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table of one folder of segmentations; returns the exit status."""
    out, cases = find_results(__doc__.splitlines()[0], argv)
    rows = []
    print("| scan | cord seen (ml) | found (ml) | Dice |\n|---|---|---|---|")
    for case in cases:
        if case.dataset not in CORD_SEEN or "parts" not in case.masks:
            continue
        seen_ml, found_ml, dice = score(case, out / f"{case.name}_parts.nii.gz")
        if seen_ml > 0:
            rows.append(dice)
            print(f"| {case.name} | {seen_ml:.2f} | {found_ml:.2f} | {dice:.3f} |")
    print(f"{len(rows)} scans: mean {np.mean(rows):.3f}, worst {np.min(rows):.3f}")
    return 0


def score(case: RealCase, found: Path) -> tuple[float, float, float]:
    """Volumes in ml of the cord seen and found above the middle of L1, and their Dice."""
    image = oriented_volume(read_scan(case.image).volume)
    parts = oriented_volume(read_labels(case.masks["parts"])).array
    names = oriented_volume(read_labels(case.masks["names"])).array
    seen = cord_in_canal(image.array, parts == CANAL_WITH_CORD, image.spacing_mm)
    heights = np.flatnonzero((names == L1).any(axis=(0, 1)))
    bottom = int(heights.mean()) if len(heights) else seen.shape[2]
    cord = oriented_volume(read_labels(found)).array == CORD
    # Both are compared where the reference speaks of the canal at all.
    told = seen.any(axis=(0, 1))
    told[:bottom] = False
    seen, cord = seen & told, cord & told
    ml = float(np.prod(image.spacing_mm)) / 1000
    total = int(seen.sum() + cord.sum())
    dice = 2 * int((seen & cord).sum()) / total if total else 0.0
    return float(seen.sum() * ml), float(cord.sum() * ml), dice


if __name__ == "__main__":
    sys.exit(main())
