"""CHU: 23 lumbar T2-weighted MRI of healthy people, seven vertebral bodies in one tag.

The paper's authors are Chu and colleagues. Names of files are those of the Zenodo record's content
as other public code reads it. Nothing here separates the seven bodies: the mask says `body`, and
they are T11 to L5 from the top.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.meaning import mask_file
from spinekit.datasets.naming import stem_path, volumes
from spinekit.datasets.sources import Zenodo

LAYOUT = """\
Img_01.nii … Img_23.nii
Img_01_Labels.nii … Img_23_Labels.nii
"""

_IMAGE = re.compile(r"(?:.*/)?Img_(\d+)")


def find(root: Path, settings: Settings) -> list[Case]:
    """Every `Img_NN` at any depth with its `Img_NN_Labels` beside it.

    Args:
        root: The folder.
        settings: None are known.

    Returns:
        Cases by name. Empty without images.
    """
    found = {stem_path(root, path): path for path in volumes(root)}
    cases = []
    for stem, path in found.items():
        match = _IMAGE.fullmatch(stem)
        if match is None:
            continue
        mask = found.get(f"{stem}_Labels")
        cases.append(
            Case(
                name=f"chu{match.group(1)}",
                dataset="chu",
                subject=f"chu{match.group(1)}",
                image=path,
                masks=() if mask is None else (mask_file(mask, "body"),),
                contrast="T2w",
                facts={"levels": "T11 T12 L1 L2 L3 L4 L5"},
            )
        )
    return cases


ENTRY = Entry(
    name="chu",
    title="CHU: annotated T2-weighted MR images of the lower spine (23 people)",
    citation="Chu et al., Fully automatic localization and segmentation of 3D vertebral bodies "
    "from CT/MR images via a learning-based method, PLoS ONE 10(11), e0143327 (2015), "
    "doi:10.1371/journal.pone.0143327",
    licence="as stated on the record's page; not verified here",
    homepage="https://zenodo.org/record/22304",
    layout=LAYOUT,
    labels="above 0: bodies of T11, T12, L1–L5, all in one tag",
    find=find,
    recognise=holds("**/Img_[0-9]*_Labels.nii*"),
    source=Zenodo(("22304",)),
)
