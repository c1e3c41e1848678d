"""The curve of the spine and the straightened coordinates (t, u, v) around it.

Knows no tissue. t runs down the curve in mm (0 at the top of C1), u to the right and v forward;
the curve is the line of the body centres. The sagittal projection fixes t and v of every pixel
(A, S) once, and the lateral deviation is added per slice to first order, so that the search for
the nearest point costs one slice, not a volume.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.synth.backend import Backend
from spinekit.synth.morphometry import SACRAL_HEIGHTS, SACRAL_TURNS
from spinekit.synth.spine import Spine, lordosis_shares

STEP_MM = 0.25
"""Distance of the table's curve points."""
HEAD_MM = 160.0
"""Length of the straight line drawn on above C1."""
TAIL_MM = 120.0
"""Length of the straight line drawn on below the coccyx."""
REACH_MM = 70.0
"""Half length of the stretch of curve searched for the nearest point."""


@dataclass(frozen=True)
class Curve:
    """The curve as a table of points STEP_MM apart, and where each level lies along it."""

    t: NDArray[np.float64]
    """(N,) arc length of the table's points."""
    a: NDArray[np.float64]
    s: NDArray[np.float64]
    r: NDArray[np.float64]
    """(N,) position in RAS mm."""
    theta: NDArray[np.float64]
    """(N,) tangent angle: 0 straight down, positive leaning backwards."""
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]
    """(L,) t of the upper and lower endplate of C1 … last lumbar."""
    sacral: NDArray[np.float64]
    """(10,) t of the top of S1, S1-S2, …, tip of the coccyx."""

    def at(self, t: float | NDArray[np.float64]) -> NDArray[np.float64]:
        """Position (..., 3) in RAS mm at arc length t."""
        return np.stack(
            [np.interp(t, self.t, values) for values in (self.r, self.a, self.s)], axis=-1
        )


def build_curve(spine: Spine) -> Curve:
    """Integrate the tangent angle down the levels of a spine."""
    pieces = np.array([x for pair in zip(spine.height_mm, spine.disc_mm, strict=True)
                       for x in pair])  # fmt: skip
    ends = np.cumsum(pieces)
    top = np.concatenate([[0.0], ends[1:-1:2]])
    bottom = ends[0::2]
    sacral = ends[-1] + np.concatenate([[0], np.cumsum(SACRAL_HEIGHTS)]) * spine.sacral_scale
    nodes = np.concatenate([[-HEAD_MM, 0.0], ends, sacral[1:], [sacral[-1] + TAIL_MM]])
    angles = _tangent_angles(spine)
    t = np.arange(-HEAD_MM, sacral[-1] + TAIL_MM, STEP_MM)
    theta = smooth(np.interp(t, nodes, angles), 6.0 / STEP_MM)
    a = -np.cumsum(np.sin(theta)) * STEP_MM
    s = -np.cumsum(np.cos(theta)) * STEP_MM
    centres = (top + bottom) / 2
    place = np.interp(t, centres, np.arange(len(centres)))
    r = spine.lean * (t - np.mean(t))
    for centre, width, amplitude in spine.scoliosis:
        r = r + amplitude * np.exp(-0.5 * ((place - centre) / width) ** 2)
    start = int(HEAD_MM / STEP_MM)
    return Curve(t, a - a[start], s - s[start], r - r[start], theta, top, bottom, sacral)


def _tangent_angles(spine: Spine) -> NDArray[np.float64]:
    """Tangent angle in radians at the curve's nodes: head, C1 top, each end, sacrum, tail."""
    n_l = sum(name[0] == "L" for name in spine.levels)
    n_t = sum(name[0] == "T" for name in spine.levels)
    bodies, discs = lordosis_shares(n_l)
    turn = np.zeros(2 * len(spine.levels))
    cervical = np.full(14, 1 / 11)
    cervical[:3] = 0
    turn[:14] = cervical * spine.cervical_lordosis_deg
    thoracic = np.sin(np.linspace(0.25, np.pi - 0.25, 2 * n_t))
    turn[14 : 14 + 2 * n_t] = -thoracic / thoracic.sum() * spine.kyphosis_deg
    turn[-2 * n_l :: 2] = np.array(bodies) * spine.lordosis_deg
    turn[-2 * n_l + 1 :: 2] = np.array(discs) * spine.lordosis_deg
    sums = np.cumsum(turn)
    column = spine.sacral_slope_deg - sums[-1] + np.concatenate([[0.0], sums])
    sacral = column[-1] - np.cumsum(SACRAL_TURNS) * spine.sacral_turn
    return np.deg2rad(np.concatenate([[column[0]], column, sacral, [sacral[-1]]]))


def smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian smoothing with the ends held."""
    radius = int(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    padded = np.pad(values, radius, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")


@dataclass(frozen=True)
class Projection:
    """Straightened coordinates of the pixels (J, K) of a sagittal plane, backend arrays."""

    t: Any
    v: Any
    index: Any
    """Nearest point of the curve's table."""


def project(backend: Backend, curve: Curve, a_mm: NDArray[np.float64],
            s_mm: NDArray[np.float64]) -> Projection:  # fmt: skip
    """Nearest curve point of every pixel by bisection on (p − c(t)) · T(t) = 0.

    Args:
        backend: arrays to compute with.
        curve: the curve.
        a_mm: (J,) coordinates of the columns.
        s_mm: (K,) coordinates of the rows.
    """
    xp = backend.xp
    n = len(curve.t)
    first = np.searchsorted(-curve.s, -s_mm)
    low = np.clip(first - int(REACH_MM / STEP_MM), 0, n - 1)
    shape = (len(a_mm), len(s_mm))
    lo = backend.asarray(np.broadcast_to(low, shape).copy())
    hi = backend.asarray(np.broadcast_to(np.clip(first + int(REACH_MM / STEP_MM), 0, n - 1),
                                         shape).copy())  # fmt: skip
    a = backend.asarray(a_mm)[:, None]
    s = backend.asarray(s_mm)[None, :]
    table = [backend.asarray(x) for x in (curve.a, curve.s, np.sin(curve.theta),
                                          np.cos(curve.theta))]  # fmt: skip
    for _ in range(10):
        middle = (lo + hi) // 2
        ca, cs, sin, cos = (column[middle] for column in table)
        before = (a - ca) * -sin + (s - cs) * -cos > 0
        lo = xp.where(before, middle, lo)
        hi = xp.where(before, hi, middle)
    ca, cs, sin, cos = (column[lo] for column in table)
    along = (a - ca) * -sin + (s - cs) * -cos
    v = (a - ca) * cos - (s - cs) * sin
    along = xp.clip(along, -5 * STEP_MM, 5 * STEP_MM)
    return Projection(backend.asarray(curve.t)[lo] + along, v, lo)
