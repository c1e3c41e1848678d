"""DICOM: the series of a folder, single-frame or enhanced multi-frame, as one volume.

Knows which files make a series; what a file says of its slices is `dicom_frames`' business, how
slices make a stack is `stacking`'s. Patient fields are never read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from spinekit.core.errors import InputError, Notice, UsageError
from spinekit.io.dicom_faults import AGAIN, dicom_errors
from spinekit.io.dicom_frames import read_frames
from spinekit.io.dicom_neighbours import find_split, is_one_of_several
from spinekit.io.dicom_objects import is_index, is_other, is_picture
from spinekit.io.dicom_pixels import fill_padding
from spinekit.io.dicom_values import read_padding
from spinekit.io.discovery import dicom_files, name_of
from spinekit.io.frames import Frame
from spinekit.io.header import HeaderInfo
from spinekit.io.stacking import stack_frames

_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber",
    "SeriesDescription", "FrameOfReferenceUID", "Modality", "InstanceNumber", "AcquisitionNumber",
    "EchoTime", "TemporalPositionIdentifier", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness",
    "SpacingBetweenSlices", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsStored", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RescaleSlope", "RescaleIntercept", "ImageType", "ComplexImageComponent",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_IDENTITY = (
    "SOPInstanceUID", "ImagePositionPatient", "InstanceNumber", "EchoTime",
    "TemporalPositionIdentifier",
)  # fmt: skip
"""What two files of one slice share; some anonymisers give every slice the same UID."""
_WORDLESS = "without description"
"""What a series is called in errors that has neither UID nor description."""
_STUDY = "StudyInstanceUID"
_UID_END = 6
"""Fewest characters that tell a series by any end of its UID; fewer may be a mere number."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a folder."""

    uid: str
    """Empty if it states none; number and description then tell it from others."""
    number: str
    """Series number, empty if there is none."""
    description: str
    items: tuple[tuple[Path, Dataset], ...]
    """Files with their headers, sorted by file name, no instance twice."""
    frame: str = ""
    """UID of the frame its places are in; where none of the folder states one, of its study."""
    unread: tuple[str, ...] = ()
    """Why files beside its own were passed over, whose headers do not say of which series."""

    @property
    def word(self) -> str:
        """What tells it from others of its number: its UID, or its description without one."""
        return self.uid or self.description

    @property
    def modality(self) -> str:
        """Such as `MR`, `CT` or `RTDOSE`; empty if it states none."""
        return str(self.items[0][1].get("Modality") or "")

    @property
    def is_picture(self) -> bool:
        """Whether it is no scan: colours, or screens that were saved."""
        return all(is_picture(header) for _, header in self.items)

    def __str__(self) -> str:
        count = sum(int(header.get("NumberOfFrames") or 1) for _, header in self.items)
        told = f", {self.description}" if self.description else ""
        return f"{self.number or self.uid or 'without number'} ({count} images{told})"


@dataclass(frozen=True, slots=True)
class DicomScan:
    """A series as one volume."""

    array: NDArray[np.float32]
    """(columns, rows, slices) rescaled values; NaN where all of it is padding."""
    header: HeaderInfo
    notices: tuple[Notice, ...]
    files: list[Path]
    """Every file of the series."""


def read_dicom(
    path: Path,
    *,
    series: str | int | None = None,
    volume_index: int | None = None,
    force: bool = False,
) -> DicomScan:
    """Read one series of a folder, or a single DICOM file.

    Args:
        path: A folder that directly holds the files, or a file.
        series: Number, description, UID or end of the UID of the series, where there are several;
            an end has six characters or more, or is whole components, two or more: `3.14`.
        volume_index: Which of several volumes (echoes, time points); None takes their mean.
        force: See `stack_frames`; files and frames that cannot be read count as missing.

    Returns:
        The volume.

    Raises:
        UsageError: If a series must be chosen, or the one chosen is not there.
        InputError: If files are damaged, missing, without geometry or in colour.
        GeometryError: If the geometry makes no sense.
        OSError: If the folder or a file cannot be opened.
    """
    with _quiet():
        found = list_series(path, force=force)
        chosen = choose_series(name_of(path), found, series)
        frames, lost = read_frames(chosen.items, force=force)
        lost = [*chosen.unread, *lost]
        array, grid, notices = stack_frames(
            name_of(path), frames, volume_index=volume_index, force=force
        )
    if any(read_padding(header) for _, header in chosen.items):
        fill_padding(array)
    if lost:
        count = len(frames) + len(lost)
        text = f"{len(lost)} of {count} images count as missing: {', '.join(lost[:3])}"
        notices.append(Notice("files-unread", text))
    modality = str(chosen.items[0][1].get("Modality") or "MR")
    if modality != "MR":
        text = f"the series is no MRI, its modality is {modality}; it is labelled only with --force"
        notices.append(Notice("not-mri", text))
    if path.is_file() and len(frames) == 1 and is_one_of_several(path, chosen.uid):
        text = f"{path.name} is one slice of a series; give the folder to read all of them"
        notices.append(Notice("single-slice", text))
    if path.is_dir():
        notices += _tell_split(path, chosen, frames)
    files = [file for file, _ in chosen.items]
    return DicomScan(array, HeaderInfo.of_grid(grid), tuple(notices), files)


def list_series(path: Path, *, force: bool = False) -> list[Series]:
    """The image series of a folder or file, by number.

    Args:
        path: A folder that directly holds the files, or a file.
        force: Pass over files that cannot be read, and take a series UID's word against its
            studies.

    Returns:
        At least one series.

    Raises:
        InputError: If there is none, a file is damaged, or a series is in several studies.
        OSError: If the folder or a file cannot be opened.
    """
    grouped: dict[tuple[str, ...], dict[tuple[str, ...], tuple[Path, Dataset]]] = {}
    unread: list[str] = []
    for file in dicom_files(path) if path.is_dir() else [path]:
        try:
            with _quiet():
                header = _read_header(file)
        except InputError as error:
            if not force:
                raise
            unread.append(error.message)
            continue
        if header is not None:
            told = _tell(header)
            instance = tuple(str(header.get(tag)) for tag in _IDENTITY)
            if not header.get("SOPInstanceUID"):
                instance = (file.name,)
            grouped.setdefault(told[:1] if told[0] else told, {}).setdefault(
                instance, (file, header)
            )
    if not grouped:
        if path.is_file() and is_index(pydicom.dcmread(path, force=True, specific_tags=[])):
            raise InputError(
                "wrong-type",
                f"{path.name}: the index of a study, no image",
                "give the folder it lies in",
            )
        raise InputError(
            "no-scans",
            f"{name_of(path)}: no DICOM image in it",
            "give one scan, a file or a folder of DICOM images; `spinekit segment` does folders "
            "of scans",
        )
    files = [tuple(items.values()) for items in grouped.values()]
    headers = [[header for _, header in items] for items in files]
    if not force:
        _refuse_two_studies(path, headers)
    tag = "FrameOfReferenceUID" if any(s[0].get("FrameOfReferenceUID") for s in headers) else _STUDY
    found = [
        Series(*_tell(series[0]), items, str(series[0].get(tag) or ""), tuple(unread))
        for items, series in zip(files, headers, strict=True)
    ]
    return sorted(found, key=lambda s: (int(s.number) if s.number.isdigit() else 10**9, s.word))


def _refuse_two_studies(path: Path, found: Sequence[Sequence[Dataset]]) -> None:
    """Refuse a series UID that images of several studies bear: they may be of several people."""
    for headers in found:
        studies = {str(header.get(_STUDY) or "") for header in headers} - {""}
        if len(studies) > 1:
            raise InputError(
                "several-studies",
                f"{name_of(path)}: images of {len(studies)} studies bear one series UID",
                "put each study into a folder of its own; --force takes them for one series",
            )


def _tell(header: Dataset) -> tuple[str, str, str]:
    """What tells a series, each empty if it is not stated: UID, number and description."""
    values = (header.get(f"Series{what}") for what in ("InstanceUID", "Number", "Description"))
    uid, number, text = ("" if v is None else " ".join(str(v).split()) for v in values)
    return uid, number, text


def series_files(path: Path, series: str | int | None, *, force: bool = False) -> list[Path]:
    """The files of one series; else as `read_dicom`."""
    with _quiet():
        found = list_series(path, force=force)
        return [file for file, _ in choose_series(name_of(path), found, series).items]


def leave_pictures(found: Sequence[Series]) -> list[Series]:
    """The series that are scans; all where none is, so that reading tells what is wrong."""
    return [series for series in found if not series.is_picture] or list(found)


def choose_series(name: str, found: Sequence[Series], wanted: str | int | None) -> Series:
    """The only series that is a scan, or the one that was asked for.

    Args:
        name: What the folder is called in errors.
        found: Its series.
        wanted: Number, UID, the UID's end, or description, where it fits only one; an empty text
            for a series that states none of them; None takes the only one.

    Raises:
        UsageError: There are several, or none such.
    """
    found = leave_pictures(found) if wanted is None else found
    listed = "; ".join(map(str, found[:20]))
    if wanted is None:
        if len(found) == 1:
            return found[0]
        raise UsageError(
            "several-series",
            f"{name}: {len(found)} series: {listed}",
            "choose one by its number (--series NUMBER, from Python series=NUMBER), or segment "
            "all of them with --together",
        )
    text = str(wanted)
    fitting = [s for s in found if s.number == text == s.word]
    fitting = fitting or [s for s in found if text in (s.number or None, s.word)]
    fitting = fitting or [s for s in found if _ends_in(s.uid, text)]
    words = " ".join(text.split()).casefold()
    fitting = fitting or [s for s in found if words and s.description.casefold() == words]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        called = ", ".join(s.uid or str(s) for s in fitting)
        raise UsageError(
            "several-series",
            f"{name}: {len(fitting)} series are called {text or _WORDLESS}: {called}",
            "choose one of these",
        )
    raise UsageError(
        "no-such-series",
        f"{name}: no series {text or _WORDLESS}; it has {listed}",
        "choose one of these by its number",
    )


def _ends_in(uid: str, text: str) -> bool:
    """Whether a UID ends in a text that is no mere series number."""
    if len(text) >= _UID_END:
        return uid.endswith(text)
    components = text.removeprefix(".")
    return "." in components and f".{uid}".endswith(f".{components}")


def _tell_split(folder: Path, series: Series, frames: Sequence[Frame]) -> list[Notice]:
    """A notice if slices of a folder's series lie in another folder too."""
    other = find_split(
        folder,
        series.uid,
        study=str(series.items[0][1].get("StudyInstanceUID") or ""),
        images={str(header.get("SOPInstanceUID") or "") for _, header in series.items},
        places=np.array([frame.position for frame in frames]),
    )
    if other is None:
        return []
    text = (
        f"this is a part of its series: {name_of(other)} holds other images of it than "
        f"{name_of(folder)} does; put the files of both into one folder"
    )
    return [Notice("series-split", text)]


def _read_header(file: Path) -> Dataset | None:
    """The tags of an image, None for objects that are none (reports, presentation states)."""
    with file.open("rb") as stream:
        stream.seek(128)
        marked = stream.read(4) == b"DICM"
    with dicom_errors(file):
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        if is_other(header):
            return None
        if "Rows" in header and "Columns" in header:
            # Values are parsed when first used: a damaged one must show here.
            for tag in _TAGS[:-2]:
                header.get(tag)
            with dicom_errors(file, "its number of frames is no number"):
                int(header.get("NumberOfFrames") or 1)
            return header
    what = "its header is damaged" if marked else "it is no DICOM file"
    raise InputError("file-damaged", f"{file.name}: {what}", AGAIN)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom from warning about values that break the standard but can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
