"""The two forms of a NIfTI header, qform and sform: where each puts the voxels, and how far apart.

Knows a header alone, neither file nor voxels.
"""

from __future__ import annotations

import math

import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres per unit of the header's length unit: unknown, metre, millimetre, micrometre."""
LEAST_MM = 1.0
"""Corners farther apart than this by the two forms are a disagreement; quaternions round."""


def read_unit_mm(header: Nifti1Header) -> float:
    """Millimetres per unit of length; 1 for a unit that there is not."""
    return _UNIT_MM.get(int(header["xyzt_units"]) & 7, 1.0)


def read_qform(header: Nifti1Header) -> NDArray[np.float64] | None:
    """(4, 4) affine of the quaternion in the header's unit; None where it is no rotation.

    Spacing and handedness that nibabel refuses are taken without their sign.
    """
    quaternion = [float(header[f"quatern_{axis}"]) for axis in "bcd"]
    norm = sum(q * q for q in quaternion)
    # float32 rounding; beyond, the quaternion is no rotation (nibabel's own tolerance).
    if not math.isfinite(norm) or norm > 1 + 3 * np.finfo(np.float32).eps:
        return None
    header = header.copy()
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    return np.asarray(header.get_qform(), dtype=np.float64)


def describe_disagreement(header: Nifti1Header) -> str | None:
    """Half a sentence on how far apart the two forms put the voxels.

    Returns:
        None where they agree but for rounding, or one is missing or no rotation.
    """
    if min(int(header["qform_code"]), int(header["sform_code"])) <= 0:
        return None
    qform, sform = read_qform(header), np.asarray(header.get_sform(), dtype=np.float64)
    if qform is None:
        return None
    shape = np.maximum(header["dim"][1:4].astype(int), 1)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (shape - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        apart = corners @ (qform - sform)[:3, :3].T + (qform - sform)[:3, 3]
        away_mm = float(np.linalg.norm(apart, axis=1).max()) * read_unit_mm(header)
    if not away_mm > LEAST_MM:
        return None
    return f"by qform and by sform its corners lie up to {away_mm:.0f} mm apart"
