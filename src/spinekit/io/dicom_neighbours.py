"""DICOM neighbours: whether more images of a series lie beside a file, or near a folder.

Knows UIDs, and where the first pixel of a slice lies; no pixels. It asks a few files only, each
for its first few tags, and what cannot be read tells nothing. Patient fields are never read.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.filereader import read_partial
from pydicom.tag import Tag

from spinekit.io.dicom_objects import is_other
from spinekit.io.dicom_values import read_numbers
from spinekit.io.discovery import dicom_files, first_dicom_file
from spinekit.io.frames import SAME_PLACE_MM

MOST_ASKED = 20
"""Files beside a single one, or folders beside another, that are asked for their series."""
_TAGS = [
    Tag(keyword)
    for keyword in (
        "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID",
        "ImagePositionPatient", "Rows", "Columns",
    )
]  # fmt: skip
"""The last of them comes last in a file too; what an enhanced image says of its frames is longer
than all before it."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What an image says of itself; UIDs are empty where it says nothing."""

    image: str = ""
    study: str = ""
    series: str = ""
    place: NDArray[np.float64] | None = None
    """(3,) LPS+ mm of its first pixel, None for the frames of an enhanced image."""


def is_one_of_several(file: Path, series: str) -> bool:
    """Whether another image of a file's series lies beside it.

    Args:
        file: The file.
        series: UID of its series; none lies beside what states none.
    """
    with suppress(OSError):
        for other in dicom_files(file.parent)[:MOST_ASKED] if series else ():
            if not other.samefile(file) and _ask(other).series == series:
                return True
    return False


def find_split(
    folder: Path,
    series: str,
    *,
    study: str,
    images: Collection[str],
    places: NDArray[np.float64],
) -> Path | None:
    """The first folder nearby with other slices of a folder's series; None if there is none.

    A folder whose images are those of this one is a copy, one whose images lie at its places holds
    another volume, such as phases beside magnitudes. An enhanced image tells no place and is no
    part. Of each folder the first and last file are asked, since exports that begin a new folder
    after so many files part series there.

    Args:
        folder: The folder.
        series: UID of its series; what states none is never split.
        study: UID of its study, empty if it states none; some anonymisers give the series of
            several patients one UID.
        images: UIDs of its images.
        places: (slices, 3) LPS+ mm of their first pixels.
    """
    for near in _folders_near(folder) if series else ():
        with suppress(OSError):
            files = {first_dicom_file(near), first_dicom_file(near, backwards=True)}
            told = [_ask(file) for file in files if file is not None]
            more = [one for one in told if one.series == series and _agree(one.study, study)]
            is_copy = any(one.image and one.image in images for one in more)
            if not is_copy and any(_lies_apart(one, places) for one in more):
                return near
    return None


def _folders_near(folder: Path) -> Iterator[Path]:
    """The folder above, those inside, and the nearest of those beside it, by name."""
    here = folder.resolve()
    beside = _folders_in(here.parent)
    if here in beside:
        at = beside.index(here)
        beside = beside[max(0, at - MOST_ASKED // 2) : at + MOST_ASKED // 2]
    for near in (here.parent, *_folders_in(here)[:MOST_ASKED], *beside[:MOST_ASKED]):
        if near != here:
            yield near


def _folders_in(folder: Path) -> list[Path]:
    """The visible folders in another, sorted by name, without links; none of one kept closed."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.name[0] != "." and entry.is_dir(follow_symlinks=False)
        )
    return []


def _agree(one: str, other: str) -> bool:
    """Whether two UIDs are the same, or either is not stated."""
    return not one or not other or one == other


def _lies_apart(told: _Told, places: NDArray[np.float64]) -> bool:
    """Whether an image states a place and no slice lies there."""
    if told.place is None:
        return False
    return bool((np.linalg.norm(places - told.place, axis=1) > SAME_PLACE_MM).all())


def _ask(file: Path) -> _Told:
    """What a file says of itself; nothing where it is no image."""
    with warnings.catch_warnings(), suppress(Exception), file.open("rb") as stream:
        warnings.simplefilter("ignore")  # pydicom's; it also raises nearly every exception
        header = read_partial(
            stream, lambda tag, *_: tag > _TAGS[-1], force=True, specific_tags=[*_TAGS]
        )
        if not is_other(header):
            image, study, series = (
                str(header.get(f"{of}InstanceUID") or "") for of in ("SOP", "Study", "Series")
            )
            place = read_numbers(header.get("ImagePositionPatient"), 3)
            return _Told(image, study, series, place)
    return _Told()
