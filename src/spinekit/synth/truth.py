"""What is known about a drawn scan: levels, anomalies and sizes in mm, as plain numbers.

Knows the sampled spine and the drawn labels, no brightness.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import VALUES
from spinekit.core.grid import Grid
from spinekit.synth.curve import Curve
from spinekit.synth.spine import Spine


def describe(spine: Spine, curve: Curve, grid: Grid, labels: NDArray[np.uint8]) -> dict[str, Any]:
    """Truth of a scan as a dictionary that can be written as JSON."""
    counts = np.bincount(labels.ravel(), minlength=256)
    names = [*spine.levels, "sacrum"]
    present = [n for n in names if counts[VALUES[n]]]
    edge = set(np.unique(labels[:, :, 0])) | set(np.unique(labels[:, :, -1]))
    complete = [n for n in present if VALUES[n] not in edge]
    below = [*spine.levels[1:], "S1"]
    vertebrae = {
        name: {
            "body_height_mm": round(spine.height_mm[n], 2),
            "body_depth_mm": round(spine.depth_mm[n], 2),
            "body_width_mm": round(spine.width_mm[n], 2),
            "canal_ap_mm": round(spine.canal_ap_mm[n], 2),
            "centre_ras_mm": [round(float(x), 2) for x in curve.at(
                (curve.top[n] + curve.bottom[n]) / 2)],
            "slip_mm": round(spine.slip_mm[n], 2),
        }
        for n, name in enumerate(spine.levels) if name in present
    }  # fmt: skip
    discs = {}
    for n, name in enumerate(spine.levels):
        disc = f"{name}-{below[n]}"
        if n and not spine.bony[n] and disc in VALUES and counts[VALUES[disc]]:
            discs[disc] = {
                "height_mm": round(spine.disc_mm[n], 2),
                "degeneration": round(spine.degeneration[n], 3),
                "bulge_mm": round(spine.bulge_mm[n], 2),
            }
    return {
        "column": names,
        "levels": present,
        "levels_complete": complete,
        "anomalies": [dict(x) for x in spine.anomalies],
        "screws": list(spine.screws),
        "vertebrae": vertebrae,
        "discs": discs,
        "sacral_slope_deg": round(spine.sacral_slope_deg, 2),
        "lumbar_lordosis_deg": round(spine.lordosis_deg, 2),
        "thoracic_kyphosis_deg": round(spine.kyphosis_deg, 2),
        "scale": round(spine.scale, 4),
    }
