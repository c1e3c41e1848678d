"""What a DICOM file holds: an image, or a report, a presentation state, an index of a study.

Knows classes of objects; neither pixels nor places. Patient fields are never read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

_TAGS = ["SOPClassUID", "Rows", "Columns"]


def is_other(header: Dataset) -> bool:
    """Whether an object says that it is no image; one that says nothing may be a damaged image.

    Args:
        header: With the class of the object, its rows and its columns.
    """
    uid = header.get("SOPClassUID")
    if uid is None:
        return is_index(header)
    kind = str(getattr(uid, "name", uid))
    # Segmentations and doses have rows and columns too. A private class has no name.
    is_named = kind != str(uid)
    return "Image Storage" not in kind and (
        is_named or not ("Rows" in header and "Columns" in header)
    )


def is_index(header: Dataset) -> bool:
    """Whether an object is a DICOMDIR, which lists the files of a study."""
    meta = getattr(header, "file_meta", Dataset())
    return bool(meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage)


def may_hold_image(files: Iterable[Path]) -> bool:
    """Whether any file is an image; one that cannot be read may be one."""
    with warnings.catch_warnings():
        # pydicom's, about values that break the standard but can be read
        warnings.simplefilter("ignore")
        return any(not _is_other(file) for file in files)


def _is_other(file: Path) -> bool:
    try:
        return is_other(
            pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        )
    except Exception:  # pydicom raises nearly every built-in exception on damage
        return False
