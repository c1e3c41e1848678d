"""Gold Atlas male pelvis: MRI and CT of 19 men with outlines of pelvic organs, in DICOM.

It is used for the sacrum and lowest lumbar levels it shows; its outlines are of organs and not of
the spine, so cases come without masks. An archive per patient, unpacked into a folder of its own,
holds the files of all its series side by side; copies in circulation have a folder per series. Both
are read, by the files' own series; so are copies turned into volumes whose names speak of a
contrast. What series and files are called could not be verified.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spinekit.core.errors import InputError
from spinekit.datasets.case import Case
from spinekit.datasets.entry import Entry, Settings
from spinekit.datasets.naming import contrast_of, stem_path, volumes
from spinekit.datasets.sources import Form

if TYPE_CHECKING:
    from spinekit.io.dicom import Series

LAYOUT = """\
{site}_{nn}_P/*.dcm          all series of a patient: T1, T2, CT and deformed CT, outlines
{site}_{nn}_P/…/*.dcm        or a folder per series
{site}_{nn}_P/…{T1,T2,CT}….{nii.gz,mha,nrrd}   or volumes made of them
"""


def find(root: Path, settings: Settings) -> list[Case]:
    """Every series of images, with the folder directly below the root as patient.

    Args:
        root: Holds a folder per patient, or is one.
        settings: None are known.

    Returns:
        Cases by name, without masks; the contrast is what the series or its folder is called. A
        folder whose files cannot be told apart is one case, so that it fails on its own. Empty
        without DICOM files and volumes named after a contrast.
    """
    cases: list[Case] = []
    for path in volumes(root):
        place = stem_path(root, path).split("/") if path != root else []
        if path.is_dir():
            cases += _of_folder(path, tuple(place) or (root.resolve().name,))
        elif contrast := contrast_of("_".join(place[1:])):
            name = "_".join(re.sub(r"[^\w.-]+", "-", word) for word in place)
            cases.append(Case(name, "goldatlas", place[0], path, contrast=contrast))
    return cases


def _of_folder(folder: Path, place: tuple[str, ...]) -> Iterator[Case]:
    """Cases of one folder of DICOM files; the first word of its place is the patient."""
    found = _images(folder)
    called = [series.description for series in found if series]
    for series in found:
        words = [*place]
        if series:
            is_told = bool(series.description) and called.count(series.description) == 1
            several = f"{series.description} {series.number}".strip()
            words.append(series.description if is_told else several)
        told = contrast_of("_".join(words[1:]))
        yield Case(
            name="_".join(re.sub(r"[^\w.-]+", "-", word) for word in words),
            dataset="goldatlas",
            subject=place[0],
            image=folder,
            series=(series.word or series.number) if series else None,
            contrast="CT" if series and series.modality == "CT" else told,
        )


def _images(folder: Path) -> list[Series | None]:
    """The series of a folder where it holds several; one None where it is to be read whole."""
    from spinekit.io.dicom import list_series

    try:
        series = list_series(folder)
    except InputError as error:
        # Outlines and plans alone are no image; damaged files are to be told of.
        return [] if error.code == "no-scans" else [None]
    images = [one for one in series if one.modality in ("MR", "CT")]
    return [None] if len(series) == 1 and images else [*images]


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
    source=Form(
        "ask for access on https://zenodo.org/record/583096, then fetch its archives with a browser"
    ),
)
