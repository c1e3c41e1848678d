"""The field of view: which box of the patient a scan shows, and with which voxels.

Knows the curve, no tissue.
"""

from __future__ import annotations

import numpy as np

from spinekit.anatomy.column import LEVELS, SACRUM
from spinekit.core.grid import Grid
from spinekit.synth.curve import Curve
from spinekit.synth.spine import Spine

_REGIONS: dict[str, tuple[str, ...]] = {
    "lumbar": ("T12", "L1", "L2", "L3", "L4", "L5", "L6"),
    "thoracolumbar": ("T8", "T9", "T10", "T11", "T12", "T13", "L1", "L2", "L3", "L4"),
    "cervical": ("C3", "C4", "C5", "C6", "C7", "T1"),
    "whole": (),
}


def visible_levels(fov: str) -> tuple[str, ...] | None:
    """Levels surely in view, where local anomalies are put; None for any."""
    return _REGIONS[fov] or None


def sample_grid(
    rng: np.random.Generator,
    spine: Spine,
    curve: Curve,
    fov: str,
    plane: str,
    spacing_mm: tuple[float, float, float] | None,
    span: tuple[str, str] | None = None,
) -> Grid:
    """Draw a box around a stretch of the spine.

    Args:
        rng: source of all randomness.
        spine: the patient.
        curve: of the spine.
        fov: the field of view.
        plane: of the slices.
        spacing_mm: voxel size; None draws one.
        span: first and last vertebra to be in view instead of the field of view's own height.

    Raises:
        ValueError: plane is not sagittal, axial or isotropic, or a level is unknown.
    """
    spacing = spacing_mm or _sample_spacing(rng, plane)
    centre_t, length, before, behind = _sample_box(rng, spine, curve, fov)
    centre = curve.at(centre_t)
    if span is not None:
        centre[2], length = _span_box(rng, spine, curve, span)
        shown = abs(curve.s - centre[2]) < length / 2
        centre[1] = 0.5 * (curve.a[shown].min() + curve.a[shown].max())
    size = np.array([0.0, before + behind, length])
    if plane == "sagittal":
        size[0] = rng.uniform(40, 80) if spacing[0] > 2 else rng.uniform(14, 50)
    elif plane == "axial":
        size[0] = rng.uniform(150, 240)
        size[2] = min(length, rng.uniform(60, 160))
    else:
        size[0] = rng.uniform(60, 160)
    inside = abs(curve.s - centre[2]) < size[2] / 2
    middle_r = float(curve.r[inside].mean()) + rng.normal(0, 4)
    shape = tuple(max(1, round(float(n / d))) for n, d in zip(size, spacing, strict=True))
    extent = np.array([(n - 1) * d for n, d in zip(shape, spacing, strict=True)])
    middle = np.array([middle_r, centre[1] + (before - behind) / 2, centre[2]])
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = middle - extent / 2
    return Grid(shape, affine)  # type: ignore[arg-type]


def _sample_spacing(rng: np.random.Generator, plane: str) -> tuple[float, float, float]:
    fine = float(rng.uniform(0.7, 1.2))
    if plane == "sagittal":
        thick = float(rng.uniform(3.3, 5.0) if rng.random() < 0.8 else rng.uniform(0.8, 1.2))
        return thick, fine, fine
    if plane == "axial":
        return 0.8 * fine, 0.8 * fine, float(rng.uniform(3.0, 5.0))
    if plane == "isotropic":
        return fine, fine, fine
    raise ValueError(f"unknown plane {plane!r}; known: sagittal, axial, isotropic")


def _sample_box(
    rng: np.random.Generator, spine: Spine, curve: Curve, fov: str
) -> tuple[float, float, float, float]:
    """Centre along the curve, length along S, and extent before and behind the curve, in mm."""
    k = spine.scale

    def box(centre_t: float, length: tuple[float, float], before: tuple[float, float],
            behind: tuple[float, float]) -> tuple[float, float, float, float]:  # fmt: skip
        return (float(centre_t), rng.uniform(*length), rng.uniform(*before), rng.uniform(*behind))

    first = float(curve.top[spine.levels.index("L1")])
    if fov == "lumbar":
        # Most lumbar scans are centred so that S1 and T12 are both in view.
        middle = 0.5 * (first + float(curve.sacral[2])) + rng.normal(-8, 14)
        return box(middle, (220, 390), (45, 190), (70, 135))
    if fov == "thoracolumbar":
        return box(first - rng.uniform(0, 90), (260, 420), (45, 170), (70, 130))
    if fov == "cervical":
        low = float(curve.top[spine.levels.index("C5")])
        return box(low + rng.normal(0, 22), (180 * k, 320 * k), (50, 130), (65, 130))
    centre = float(curve.sacral[0]) * rng.uniform(0.45, 0.55)
    return box(centre, (520 * k, 720 * k), (90, 190), (90, 150))


def _span_box(
    rng: np.random.Generator, spine: Spine, curve: Curve, span: tuple[str, str]
) -> tuple[float, float]:
    """Middle along S and length of a box in which the span's vertebrae are whole.

    The edges fall into the next vertebrae, which are mostly cut.
    """
    first, last = (_level_index(spine, name) for name in span)
    upper = float(curve.top[first])
    lower = float(curve.sacral[3] if last == len(spine.levels) else curve.bottom[last])
    # Endplates are tilted against the edge by up to the half depth of a body.
    above, below = rng.uniform(6, 20, 2)
    top = float(curve.at(upper)[2]) + above
    bottom = float(curve.at(lower)[2]) - below
    return (top + bottom) / 2, top - bottom


def _level_index(spine: Spine, name: str) -> int:
    """Place of a level in the column, the sacrum's being one past the last vertebra's."""
    if name == SACRUM:
        return len(spine.levels)
    if name not in LEVELS:
        raise ValueError(f"{name!r} is not a level")
    region = [n for n, level in enumerate(spine.levels) if level[0] == name[0]]
    return spine.levels.index(name) if name in spine.levels else region[-1]
