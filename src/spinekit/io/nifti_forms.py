"""Where a NIfTI header puts the voxels: by its two forms, qform and sform, or by spacing alone.

Knows a header alone, neither file nor voxels.
"""

from __future__ import annotations

import math

import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from spinekit.core.errors import GeometryError, Notice
from spinekit.io.voxels import make_grid

_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Millimetres per unit of the header's length unit: unknown, metre, millimetre, micrometre."""
LEAST_MM = 1.0
"""Corners farther apart than this by the two forms are a disagreement; quaternions round."""


def find_affine(
    name: str, header: Nifti1Header, spatial: tuple[int, ...]
) -> tuple[NDArray[np.float64], list[Notice]]:
    """Affine in the header's unit, from sform, qform or spacing, in this order.

    Of a 2-D image whose axes are those of space it is not taken: that is what programs write who
    know nothing of its place, and no slice of a spine.

    Args:
        name: File name for messages.
        header: Of one to seven axes.
        spatial: Sizes of the axes that are no time, one to three.

    Returns:
        (4, 4) affine, and what is doubtful or assumed about it.

    Raises:
        GeometryError: If the only form that there is is no rotation.
    """
    shape = (*spatial, 1, 1)[:3]
    affine, notices = _choose_form(name, header, shape)
    if affine is None:
        return _assume_place(len(spatial), shape, np.abs(header["pixdim"][1:4], dtype=np.float64))
    sides = np.abs(np.diag(affine)[:3])
    askew = np.abs(affine[:3, :3] - np.diag(np.diag(affine)[:3]))
    if len(spatial) == 3 or not (askew <= 1e-4 * sides.max()).all():
        return affine, notices
    affine, assumed = _assume_place(2, shape, sides, is_upwards=affine[1, 1] > 0)
    return affine, [*notices, *assumed]


def _choose_form(
    name: str, header: Nifti1Header, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64] | None, list[Notice]]:
    """Affine by sform or qform, None without either, and a notice where they do not agree."""
    qform = read_qform(header) if int(header["qform_code"]) > 0 else None
    if int(header["sform_code"]) > 0:
        sform = np.asarray(header.get_sform(), dtype=np.float64)
        if qform is not None and not _is_place(shape, sform):
            text = "the sform puts all voxels on one plane, line or point; qform was taken"
            return qform, [Notice("forms-disagree", text)]
        apart = describe_disagreement(header)
        return sform, [Notice("forms-disagree", f"{apart}; sform was taken")] if apart else []
    if int(header["qform_code"]) > 0 and qform is None:
        raise GeometryError(
            "affine-invalid",
            f"{name}: the orientation in the header is no rotation",
            "repair the header, or export the scan again",
        )
    return qform, []


def _is_place(shape: tuple[int, ...], affine: NDArray[np.float64]) -> bool:
    """Whether there can be a grid of this shape and affine."""
    try:
        make_grid("", shape, affine)
    except GeometryError:
        return False
    return True


def _assume_place(
    dims: int, shape: tuple[int, ...], spacing: NDArray[np.float64], *, is_upwards: bool = True
) -> tuple[NDArray[np.float64], list[Notice]]:
    """Affine of an image of which only the spacing is known, centred on it."""
    i, j, k = spacing.tolist()
    affine = np.eye(4)
    if dims < 3:
        # One slice of a spine is sagittal: i → posterior, j → superior, as converters store it.
        affine[:3, :3] = [[0, 0, -(k or 1.0)], [-i, 0, 0], [0, j if is_upwards else -j, 0]]
        end = "S" if is_upwards else "I"
        text = f"the header states no orientation; a sagittal slice (i → P, j → {end}) was assumed"
    else:
        affine[:3, :3] = np.diag([-i, j, k])
        text = "the header states no orientation; i → L, j → A, k → S was assumed"
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine, [Notice("orientation-assumed", text)]


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
