"""Whether a NIfTI header's two forms agree.

It looks at headers alone; tools differ in which form they read, so a scan whose forms disagree
lies in two places.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding
from spinekit.io.discovery import ending_of

LEAST_MM = 1.0
"""Corners farther apart than this by the two forms are a disagreement; quaternions round."""
_HEADER_BYTES = 348


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare qform and sform of image and masks where a file states both."""
    specimen = evidence.specimen
    case = specimen.case
    paths = [case.image] if specimen.scan is not None else []
    for path in (*paths, *(layer.mask.path for layer in specimen.layers)):
        away = forms_apart_mm(path)
        if away is not None and away > LEAST_MM:
            text = f"by qform and by sform its corners lie up to {away:.0f} mm apart"
            yield Finding("forms-disagree", case.name, f"{path.name}: {text}", path.name)


def forms_apart_mm(path: Path) -> float | None:
    """Largest distance in mm between a corner by qform and by sform.

    Args:
        path: A readable file.

    Returns:
        None where a form is missing or is no rotation, or the file is no NIfTI-1.
    """
    if ending_of(path) not in (".nii", ".nii.gz"):
        return None
    from nibabel.nifti1 import Nifti1Header

    try:
        with gzip.open(path) if ending_of(path) == ".nii.gz" else path.open("rb") as file:
            raw = file.read(_HEADER_BYTES)
    except (OSError, EOFError, zlib.error):
        return None
    if int.from_bytes(raw[:4], "little") != _HEADER_BYTES:
        return None
    header = Nifti1Header(raw, endianness="<", check=False)
    if min(int(header["qform_code"]), int(header["sform_code"])) <= 0:
        return None
    # Spacing and handedness as the reader takes them; nibabel refuses others.
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = 1
    try:
        forms = [header.get_qform(), header.get_sform()]
    except (ValueError, FloatingPointError):
        return None
    shape = np.maximum(header["dim"][1:4].astype(int), 1)
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * (shape - 1)
    places = [corners @ form[:3, :3].T + form[:3, 3] for form in forms]
    return float(np.linalg.norm(places[0] - places[1], axis=1).max())
