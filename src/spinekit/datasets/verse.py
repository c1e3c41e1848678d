"""VerSe 2019 and 2020: spine CT with one value per vertebra.

Layout (the restructured, subject-based form) and values follow the repository's description. A CT
is no input of the shipped model; the set serves shape, anomalies and training of one's own.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.anatomy.column import CERVICAL, THORACIC
from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.sources import Osf
from spinekit.io.discovery import stem_of

LAYOUT = """\
…/rawdata/sub-verse{nnn}/sub-verse{nnn}[_dir-…][_split-verse…]_ct.nii.gz
…/derivatives/sub-verse{nnn}/sub-verse{nnn}[_…]_seg-vert_msk.nii.gz
…/derivatives/sub-verse{nnn}/sub-verse{nnn}[_…]_seg-subreg_ctd.json   passed over
"""

VALUES: dict[int, str] = (
    dict(enumerate((*CERVICAL, *THORACIC[:12]), start=1))
    | {20: "L1", 21: "L2", 22: "L3", 23: "L4", 24: "L5", 25: "L6"}
    | {26: "sacrum", 28: "T13"}
)
"""Value to name. 26 and 27, sacrum and coccyx, are reserved and not marked in the set."""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every CT of the folders `rawdata`, at any depth.

    Args:
        root: The folder.
        settings: None are known.

    Returns:
        Cases by name. Empty without images.
    """
    masks = {
        stem_of(path).removesuffix("_seg-vert_msk"): path
        for path in root.glob("**/derivatives/**/sub-verse*_seg-vert_msk.nii.gz")
    }
    cases = []
    for path in sorted(root.glob("**/rawdata/**/sub-verse*_ct.nii.gz")):
        name = stem_of(path).removesuffix("_ct")
        subject = re.match(r"sub-verse\d+", name)
        if subject is None:
            continue
        mask = masks.get(name)
        cases.append(
            Case(
                name=name,
                dataset="verse",
                subject=subject.group(0),
                image=path,
                masks=() if mask is None else (MaskFile(mask, VALUES),),
                contrast="CT",
            )
        )
    return cases


ENTRY = Entry(
    name="verse",
    title="VerSe 2019 and 2020: CT of 355 patients with named vertebrae",
    citation="Sekuboyina et al., VerSe: a vertebrae labelling and segmentation benchmark for "
    "multi-detector CT images, Med Image Anal (2021), doi:10.1016/j.media.2021.102166; "
    "Löffler et al., Radiol Artif Intell (2020), doi:10.1148/ryai.2020190138; Liebl et al., "
    "Sci Data (2021), doi:10.1038/s41597-021-01060-0",
    licence="CC BY-SA 4.0",
    homepage="https://github.com/anjany/verse",
    layout=LAYOUT,
    labels="1–7 C1–C7, 8–19 T1–T12, 20–25 L1–L6, 28 T13",
    find=find,
    recognise=holds("**/derivatives/**/sub-verse*_seg-vert_msk.nii.gz"),
    source=Osf(("jtfa5", "4skx2")),
)
