"""MRSpineSeg challenge 2021: 172 lumbar T2-weighted MRI with sacrum, vertebrae and discs.

Layout and values follow the challenge's page and the repository of SpineParseNet. Images and masks
may differ slightly in where their headers put them, as users of the set report.
"""

from __future__ import annotations

import re
from pathlib import Path

from spinekit.datasets.case import Case, MaskFile
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.sources import Form
from spinekit.io.discovery import stem_of

LAYOUT = """\
train/MR/Case{n}.nii.gz
train/Mask/mask_case{n}.nii.gz
"""

VALUES: dict[int, str] = dict(
    enumerate(
        (
            "sacrum", "L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9",
            "L5-S1", "L4-L5", "L3-L4", "L2-L3", "L1-L2", "T12-L1", "T11-T12", "T10-T11", "T9-T10",
        ),
        start=1,
    )
)  # fmt: skip
"""Value to name: 1 to 10 bones from the lowest, 11 to 19 discs."""

_CASE = re.compile(r"Case_?(\d+)", re.IGNORECASE)


def find(root: Path, settings: Settings) -> list[Case]:
    """Every `Case{n}` in a folder `MR`, at any depth.

    Args:
        root: The folder.
        settings: None are known.

    Returns:
        Cases by name; those of the challenge's test sets have no mask. Empty without images.
    """
    cases = []
    for folder in sorted(path for path in root.glob("**/MR") if path.is_dir()):
        masks = {
            match.group(1): path
            for path in folder.parent.glob("Mask/*.nii*")
            if (match := re.search(r"case_?(\d+)", stem_of(path), re.IGNORECASE))
        }
        for path in sorted(folder.glob("*.nii*")):
            match = _CASE.fullmatch(stem_of(path))
            if match is None:
                continue
            mask = masks.get(match.group(1))
            cases.append(
                Case(
                    name=f"case{match.group(1)}",
                    dataset="mrspineseg",
                    subject=f"case{match.group(1)}",
                    image=path,
                    masks=() if mask is None else (MaskFile(mask, VALUES),),
                    contrast="T2w",
                    facts={"split": folder.parent.name},
                )
            )
    return cases


ENTRY = Entry(
    name="mrspineseg",
    title="MRSpineSeg challenge: lumbar MRI with sacrum, vertebrae and discs (172 marked)",
    citation="Pang et al., SpineParseNet: spine parsing for volumetric MR image by a two-stage "
    "segmentation framework with semantic image representation, IEEE Trans Med Imaging 40(1), "
    "262–273 (2021), doi:10.1109/TMI.2020.3025087",
    licence="the challenge's agreement: research only, no commercial use",
    homepage="https://www.spinesegmentation-challenge.com/?page_id=1162",
    layout=LAYOUT,
    labels="1 sacrum, 2–10 vertebrae from L5 to T9, 11–19 discs from L5-S1 to T9-T10",
    find=find,
    recognise=holds("**/Mask/mask_case*.nii*"),
    source=Form(
        "sign the licence agreement on https://www.spinesegmentation-challenge.com/?page_id=1162, "
        "send it to the address given there, and unpack what the link that comes back gives"
    ),
)
