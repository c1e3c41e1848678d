"""Gold Atlas male pelvis: MRI and CT of 19 men with outlines of pelvic organs, in DICOM.

It is used for the sacrum and lowest lumbar levels it shows; its outlines are of organs and not of
the spine, so cases come without masks. The inner layout of the record's archives could not be
verified: every DICOM folder below the patients' is taken as an image.
"""

from __future__ import annotations

from pathlib import Path

from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.naming import contrast_of
from spinekit.datasets.sources import Form
from spinekit.io.discovery import dicom_files

LAYOUT = """\
{patient}/…/*.dcm            one folder per series: T1, T2, CT and deformed CT, outlines
"""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every DICOM folder, with the folder directly below the root as patient.

    Args:
        root: Holds a folder per patient.
        settings: None are known.

    Returns:
        Cases by name, without masks. Empty without DICOM files.
    """
    cases = []
    for folder in sorted(path for path in root.glob("*/**") if path.is_dir()):
        if not dicom_files(folder):
            continue
        inside = folder.relative_to(root)
        cases.append(
            Case(
                name="_".join(inside.parts),
                dataset="goldatlas",
                subject=inside.parts[0],
                image=folder,
                contrast=contrast_of("_".join(inside.parts[1:])),
            )
        )
    return cases


def recognise(root: Path) -> bool:
    """Never: nothing in its names tells it from any folder of DICOM series."""
    return False


ENTRY = Entry(
    name="goldatlas",
    title="Gold Atlas male pelvis: MRI (T1, T2) and CT of 19 men, no masks of the spine",
    citation="Nyholm et al., MR and CT data with multiobserver delineations of organs in the "
    "pelvic area: part of the Gold Atlas project, Med Phys (2018), doi:10.1002/mp.12748",
    licence="restricted: granted on request by the record's owners",
    homepage="https://zenodo.org/record/583096",
    layout=LAYOUT,
    labels="none of the spine",
    find=find,
    recognise=recognise,
    source=Form(
        "ask for access on https://zenodo.org/record/583096, then fetch its archives with a browser"
    ),
)
