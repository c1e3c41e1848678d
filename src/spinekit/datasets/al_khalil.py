"""Al Khalil lumbar set: multi-scanner, multi-modal MRI of 39 patients with bodies and discs.

One binary mask per structure: bodies L1 to L5, discs L1-L2 to L4-L5; some are missing. The names of
its files could not be verified. What is read here is any layout in which a folder (or the start of
a name) is the patient, an image's name speaks of its contrast, and a mask's name of its level; any
other is taken by the layout `folder`.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.meaning import mask_file, usual_name
from spinekit.datasets.naming import contrast_of, stem_path, subject_of, volumes
from spinekit.datasets.sources import Form
from spinekit.io.discovery import stem_of

LAYOUT = """\
{patient}/…{T1,T2,water,fat …}….{mha,nii.gz}       images; T1 and T2, in part also water and fat
{patient}/…{L1 … L5, L1-L2 … L4-L5}….{mha,nii.gz}   one binary mask per structure
"""

_LEVEL = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:[A-Za-z]+[ _-]?)??(L[1-5](?:[ _/-]?[LS]\d)?)(?=$|[^A-Za-z0-9])",
    re.IGNORECASE,
)


def find(root: Path, settings: Settings) -> list[Case]:
    """Every image that has masks in its folder or below.

    Args:
        root: Holds a folder per patient, or all files.
        settings: None are known.

    Returns:
        Cases by name. A mask that names a contrast goes to the image of that contrast, another to
        all images of its patient. Empty without images.
    """
    masks: dict[str, list[tuple[Path, str]]] = {}
    images: dict[str, list[Path]] = {}
    for path in volumes(root):
        patient = _patient(root, path)
        level = structure_of(stem_of(path))
        if level is None:
            images.setdefault(patient, []).append(path)
        else:
            masks.setdefault(patient, []).append((path, level))
    cases = []
    for patient, paths in images.items():
        for path in paths:
            contrast = contrast_of(stem_path(root, path))
            cases.append(
                Case(
                    name=f"{patient}_{stem_of(path)}" if patient != stem_of(path) else patient,
                    dataset="al-khalil",
                    subject=patient,
                    image=path,
                    masks=tuple(_of(masks.get(patient, []), contrast)),
                    contrast=contrast,
                )
            )
    return cases


def structure_of(stem: str) -> str | None:
    """Body or disc that a file's name speaks of, such as `L1` or `L4-L5`; None for an image."""
    found = _LEVEL.search(stem)
    if found is None:
        return None
    name = usual_name(found.group(1))
    return name if re.fullmatch(r"L[1-5](-[LS]\d)?", name) else None


def _of(masks: list[tuple[Path, str]], contrast: str | None) -> list[MaskFile]:
    return [
        mask_file(path, level)
        for path, level in masks
        if contrast_of(stem_of(path)) in (None, contrast)
    ]


def _patient(root: Path, path: Path) -> str:
    parts = path.relative_to(root).parts
    return parts[0] if len(parts) > 1 else subject_of(stem_of(path)).split("_")[0]


def recognise(root: Path) -> bool:
    """Never: nothing in its names tells it from other folders."""
    return False


ENTRY = Entry(
    name="al-khalil",
    title="Al Khalil: multi-scanner, multi-modal lumbar MRI with bodies and discs (39 patients)",
    citation="Khalil et al., Multi-scanner and multi-modal lumbar vertebral body and "
    "intervertebral disc segmentation database, Sci Data (2022), doi:10.1038/s41597-022-01222-8",
    licence="as stated in the paper; not verified here",
    homepage="https://www.nature.com/articles/s41597-022-01222-8",
    layout=LAYOUT,
    labels="one binary mask per structure: bodies L1–L5, discs L1-L2 to L4-L5; some are missing",
    find=find,
    recognise=recognise,
    source=Form(
        "follow the link under Data Records of https://www.nature.com/articles/s41597-022-01222-8 "
        "and fetch the archive with a browser",
        summary="by hand",
    ),
)
