"""What a DICOM file holds: a scan, a picture, or a report, a presentation state, an index.

Knows classes of objects; neither pixels nor places. Patient fields are never read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

_OF_PICTURES = ["SamplesPerPixel", "PhotometricInterpretation", "ImagePositionPatient"]
_TAGS = ["SOPClassUID", "Rows", "Columns", *_OF_PICTURES]


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


def is_coloured(header: Dataset) -> bool:
    """Whether the pixels of an image are colours."""
    kind = str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip().upper()
    return int(header.get("SamplesPerPixel") or 1) != 1 or not kind.startswith("MONOCHROME")


def is_picture(header: Dataset) -> bool:
    """Whether an image is no part of a scan: in colours, or a saved screen without a place."""
    is_screen = "Secondary Capture" in str(getattr(header.get("SOPClassUID"), "name", ""))
    return is_coloured(header) or (is_screen and not header.get("ImagePositionPatient"))


def may_hold_scan(files: Iterable[Path]) -> bool:
    """Whether any file may be of a scan; one that cannot be read may be."""
    with warnings.catch_warnings():
        # pydicom's, about values that break the standard but can be read
        warnings.simplefilter("ignore")
        return any(not _is_beside(file) for file in files)


def _is_beside(file: Path) -> bool:
    try:
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        return is_other(header) or is_picture(header)
    except Exception:  # pydicom raises nearly every built-in exception on damage
        return False
