"""SynthRAD2023, task 1, pelvis: MRI and registered CT of radiotherapy patients.

It is used for the sacrum and lowest lumbar levels it shows. The masks it brings are outlines of the
patient, not of the spine, and are passed over. Layout follows the record's description.
"""

from __future__ import annotations

from pathlib import Path

from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings, holds
from spinekit.datasets.sources import Zenodo

LAYOUT = """\
Task1/pelvis/1P{A,B,C}{nnn}/{mr,ct,mask}.nii.gz     mask: outline of the patient, passed over
Task1/pelvis/overview/1_pelvis_train.xlsx           acquisition, passed over
"""

CONTRASTS = {"mr": None, "ct": "CT"}
"""File to contrast; MRI is T1-weighted gradient echo or T2-weighted, by a table in Excel."""


def find(root: Path, settings: Settings) -> list[Case]:
    """MRI and CT of every pelvis, at any depth.

    Args:
        root: The folder.
        settings: None are known.

    Returns:
        Cases by name, without masks. Empty without images.
    """
    cases = []
    for folder in sorted(path for path in root.glob("**/1P[A-Z]*") if path.is_dir()):
        for file, contrast in CONTRASTS.items():
            image = folder / f"{file}.nii.gz"
            if image.is_file():
                cases.append(
                    Case(
                        name=f"{folder.name}_{file}",
                        dataset="synthrad2023",
                        subject=folder.name,
                        image=image,
                        contrast=contrast,
                        facts={"site": folder.name[2]},
                    )
                )
    return cases


ENTRY = Entry(
    name="synthrad2023",
    title="SynthRAD2023 pelvis: MRI with registered CT (radiotherapy), no masks of the spine",
    citation="Thummerer et al., SynthRAD2023 Grand Challenge dataset: generating synthetic CT for "
    "radiotherapy, Med Phys (2023), doi:10.1002/mp.16529",
    licence="as stated on the record's page; not verified here",
    homepage="https://doi.org/10.5281/zenodo.7260705",
    layout=LAYOUT,
    labels="none of the spine",
    find=find,
    recognise=holds("**/1P[A-Z]*/mr.nii.gz"),
    source=Zenodo(("7260705",), ("Task1.zip", "*.pdf")),
)
