"""Whether a NIfTI header's two forms agree.

It looks at headers alone; tools differ in which form they read, so a scan whose forms disagree
lies in two places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from spinekit.core.errors import InputError
from spinekit.curation.doctor.evidence import Evidence
from spinekit.curation.doctor.findings import Finding
from spinekit.io.discovery import ending_of
from spinekit.io.nifti import find_disagreement


def check(evidence: Evidence) -> Iterator[Finding]:
    """Compare qform and sform of image and masks where a file states both."""
    specimen = evidence.specimen
    case = specimen.case
    paths = [case.image] if specimen.scan is not None else []
    for path in (*paths, *(layer.mask.path for layer in specimen.layers)):
        if text := _find_disagreement(path):
            yield Finding("forms-disagree", case.name, f"{path.name}: {text}", path.name)


def _find_disagreement(path: Path) -> str | None:
    """Half a sentence on how far apart a file's two forms are; None of what is no NIfTI."""
    if ending_of(path) in (".nii", ".nii.gz"):
        with suppress(OSError, InputError):
            return find_disagreement(path)
    return None
