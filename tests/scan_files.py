"""Small valid scans in every format, and single files broken on purpose by the tests."""

import gzip
from dataclasses import dataclass, field
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRImageStorage,
)

from spinekit.core.errors import SpineKitError
from spinekit.io.reading import read_scan

SHAPE = (6, 40, 36)
AFFINE = np.array([[4.0, 0, 0, -10], [0, 1, 0, -20], [0, 0, 1, 30], [0, 0, 0, 1]])
SERIES_UID = "1.2.826.0.1.3680043.8.498.1"


def picture(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """int16 values that differ from voxel to voxel."""
    return np.random.default_rng(7).integers(0, 1000, shape).astype(np.int16)


def save_nifti(
    path: Path,
    array: np.ndarray | None = None,
    affine: np.ndarray = AFFINE,
    *,
    code: int = 1,
    version: int = 1,
    **fields: object,
) -> Path:
    """Write a NIfTI file; ``fields`` overwrite the header afterwards, unchecked."""
    array = picture() if array is None else array
    kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
    image = kind(array, affine)
    image.set_sform(affine, code)
    image.set_qform(affine if code else None, code)
    raw = bytearray(image.to_bytes())
    size = 348 if version == 1 else 540
    header_type = nib.Nifti1Header if version == 1 else nib.Nifti2Header
    header = header_type(bytes(raw[:size]), check=False)
    for key, value in fields.items():
        header[key] = value
    raw[:size] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(raw), mtime=0) if path.suffix == ".gz" else bytes(raw))
    return path


def save_itk(path: Path, array: np.ndarray | None = None, *, compress: bool = True) -> Path:
    """Write an mha, mhd or nrrd file that lies where `save_nifti` puts the same array."""
    array = picture() if array is None else array
    image = sitk.GetImageFromArray(array.T)
    if array.ndim == 3:
        image.SetSpacing((4, 1, 1))
        image.SetOrigin((10, 20, 30))
        image.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(path), useCompression=compress)
    return path


@dataclass
class Slices:
    """A sagittal DICOM series: columns run to posterior, rows to inferior, slices to the left."""

    volume: np.ndarray = field(default_factory=lambda: picture((36, 40, 6)))
    """(columns, rows, slices)."""
    gap_mm: float = 4.0
    spacing: tuple[float, float] = (0.5, 0.75)
    """Between rows, between columns."""
    orientation: tuple[float, ...] = (0, 1, 0, 0, 0, -1)
    origin: tuple[float, float, float] = (-10, -20, 30)
    slope: float = 2.0
    intercept: float = -100.0
    number: int = 3
    uid: str = SERIES_UID
    tags: dict[str, object] = field(default_factory=dict)

    @property
    def normal(self) -> np.ndarray:
        return np.cross(self.orientation[:3], self.orientation[3:])

    def position(self, index: float) -> list[float]:
        place = np.array(self.origin) + index * self.gap_mm * self.normal
        return [round(float(n), 6) for n in place]

    def write(self, folder: Path, indices: list[int] | None = None, prefix: str = "IM") -> Path:
        """Write one file for each slice, named in an order unlike that of the positions."""
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(self.volume.shape[2]) if indices is None else indices:
            name = f"{prefix}{(index * 7) % 101:03d}.dcm"
            self.single(index).save_as(folder / name, enforce_file_format=True)
        return folder

    def single(self, index: int) -> FileDataset:
        """One slice as an MR image."""
        image = self._base(MRImageStorage, f"{self.uid}.{index + 1}")
        image.InstanceNumber = index + 1
        image.ImagePositionPatient = self.position(index)
        image.ImageOrientationPatient = list(self.orientation)
        image.PixelSpacing = list(self.spacing)
        image.SliceThickness = 3.5
        image.RescaleSlope, image.RescaleIntercept = self.slope, self.intercept
        image.PixelData = np.ascontiguousarray(self.volume[:, :, index].T).tobytes()
        for keyword, value in self.tags.items():
            setattr(image, keyword, value)
        return image

    def enhanced(self, order: list[int]) -> FileDataset:
        """All slices as frames of one enhanced MR image, in the given order."""
        image = self._base(EnhancedMRImageStorage, f"{self.uid}.99")
        image.NumberOfFrames = len(order)
        shared = Dataset()
        shared.PixelMeasuresSequence = [_with(PixelSpacing=list(self.spacing), SliceThickness=3.5)]
        shared.PlaneOrientationSequence = [_with(ImageOrientationPatient=list(self.orientation))]
        image.SharedFunctionalGroupsSequence = [shared]
        frames = []
        for index in order:
            frame = Dataset()
            frame.PlanePositionSequence = [_with(ImagePositionPatient=self.position(index))]
            frame.PixelValueTransformationSequence = [
                _with(RescaleSlope=self.slope, RescaleIntercept=self.intercept)
            ]
            frames.append(frame)
        image.PerFrameFunctionalGroupsSequence = frames
        stored = self.volume[:, :, order].transpose(2, 1, 0)
        image.PixelData = np.ascontiguousarray(stored).tobytes()
        return image

    def _base(self, kind: str, instance: str) -> FileDataset:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = kind
        meta.MediaStorageSOPInstanceUID = instance
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = kind, instance
        image.SeriesInstanceUID, image.SeriesNumber = self.uid, self.number
        image.SeriesDescription = f"T2 sag {self.number}"
        image.PatientName = "Nobody^Known"
        image.Modality = "MR"
        image.Rows, image.Columns = self.volume.shape[1], self.volume.shape[0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated = image.BitsStored = 16
        image.HighBit, image.PixelRepresentation = 15, 1
        return image


def _with(**values: object) -> Dataset:
    part = Dataset()
    for keyword, value in values.items():
        setattr(part, keyword, value)
    return part


def save_object(path: Path, kind: str) -> Path:
    """Write a DICOM object of a class that is no image, such as a report."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = Slices()._base(kind, "1.2.3.4")
    for keyword in ("Rows", "Columns"):
        delattr(content, keyword)
    if kind == MediaStorageDirectoryStorage:
        del content.SOPClassUID, content.SOPInstanceUID
    content.save_as(path, enforce_file_format=True)
    return path


def edit_dicom(path: Path, **values: object) -> None:
    """Overwrite tags of a file; None removes one."""
    image = pydicom.dcmread(path)
    for keyword, value in values.items():
        if value is None:
            delattr(image, keyword)
        else:
            setattr(image, keyword, value)
    image.save_as(path, enforce_file_format=True)


def rescaled(slices: Slices) -> np.ndarray:
    """What a reader must find in the series, (columns, rows, slices)."""
    return slices.volume * slices.slope + slices.intercept


def refused(path: Path, **options: object) -> SpineKitError:
    """The error, of one line, that reading ends with."""
    with pytest.raises(SpineKitError) as caught:
        read_scan(path, **options)
    assert "\n" not in str(caught.value)
    return caught.value
