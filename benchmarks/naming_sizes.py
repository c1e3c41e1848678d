"""What the errors of measured sizes share: by a whole scan, by neighbours, and not at all.

Fitted by maximum likelihood to bones of known level, real ones and drawn ones side by side: the
spreads of `labelling/priors.py` and of `columns.py` come from here. It knows no labeller.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from columns import Column
from naming_rates import Bone
from spinekit.anatomy.column import LEVELS
from spinekit.labelling.priors import PITCH_MM, SIZE_MM
from spinekit.synth.morphometry import LEVEL_SIZES

KINDS = ("height", "depth", "pitch")
WILD = 0.35
"""Larger deviations are fractures or mistakes, and count as this."""
Deviations = NDArray[np.float64]
"""(n, 3) place, position in KINDS and logarithm of measured over expected size, of one scan."""


def gather_real(bones: Sequence[Bone]) -> list[Deviations]:
    """Of whole bones below C2, scan by scan."""
    scans: dict[str, list[tuple[float, float, float]]] = {}
    for bone in bones:
        if bone.view == "cut" or bone.level == "C2":
            continue
        at, size = LEVELS.index(bone.level), LEVEL_SIZES[bone.level]
        mine = scans.setdefault(bone.case, [])
        for kind, value, usual in ((0, bone.height, size.height), (1, bone.depth, size.depth)):
            mine.append((at, kind, value + np.log(usual / SIZE_MM[KINDS[kind]][at])))
        if np.isfinite(bone.pitch):
            mine.append((at + 1, 2, bone.pitch))
    return [np.array(values) for values in scans.values()]


def gather_drawn(columns: Sequence[Column]) -> list[Deviations]:
    """The same of drawn columns."""
    return [np.array(_deviations(column)) for column in columns]


def _deviations(column: Column) -> list[tuple[float, float, float]]:
    result: list[tuple[float, float, float]] = []
    last = None
    for item, level in zip(column.instances.items, column.truth, strict=True):
        if item.kind != "vertebra":
            continue
        if level is None or level in ("C1", "C2") or item.partial:
            last = None
            continue
        at = LEVELS.index(level)
        result.append((at, 0, float(np.log(item.height_mm / SIZE_MM["height"][at]))))
        result.append((at, 1, float(np.log(item.depth_mm / SIZE_MM["depth"][at]))))
        if last is not None:
            above, position = last
            pitch = (item.position_mm - position) / PITCH_MM[above, at]
            result.append((at, 2, float(np.log(pitch))))
        last = at, item.position_mm
    return result


def format_shared(scans: dict[str, list[Deviations]]) -> str:
    """A table of spreads, one row for each kind of scans and size."""
    lines = [
        "| bones | size | mean | scan | its kind | neighbours | alone | over levels |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, deviations in scans.items():
        every = np.concatenate(deviations)
        scale, *parts, over = _fit(deviations)
        for n, kind in enumerate(KINDS):
            spreads = " | ".join(f"{part:.3f}" for part in parts[3 * n : 3 * n + 3])
            mean = every[every[:, 1] == n, 2].mean()
            row = f"| {name} | {kind} | {mean:+.3f} | {scale:.3f} | {spreads} | {over:.1f} |"
            lines.append(row)
    return "\n".join(lines)


def _fit(scans: Sequence[Deviations]) -> list[float]:
    """Scale, then offset, neighbours' and own spread of each kind, then levels they share over."""
    start = np.log([0.08, *[0.05, 0.03, 0.05] * len(KINDS), 4.0])
    bounds = [(np.log(0.004), np.log(0.3))] * (len(start) - 1) + [(0.0, np.log(20.0))]

    def loss(spreads: NDArray[np.float64]) -> float:
        return float(sum(_surprise(scan, np.exp(spreads)) for scan in scans))

    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": 40})
    return [float(value) for value in np.exp(found.x)]


def _surprise(scan: Deviations, spreads: NDArray[np.float64]) -> float:
    """Negative log likelihood of one scan's deviations."""
    near = np.exp(-np.abs(np.subtract.outer(scan[:, 0], scan[:, 0])) / spreads[-1])
    covariance = np.full(near.shape, spreads[0] ** 2)
    for n in range(len(KINDS)):
        offset, smooth, alone = spreads[1 + 3 * n : 4 + 3 * n]
        mine = scan[:, 1] == n
        covariance += np.outer(mine, mine) * (offset**2 + smooth**2 * near)
        covariance += alone**2 * np.diag(mine)
    off = np.clip(scan[:, 2], -WILD, WILD)
    return float(
        0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * off @ np.linalg.solve(covariance, off)
    )
