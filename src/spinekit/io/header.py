"""HeaderInfo: what of an input's header its results must carry on.

Knows geometry fields only: nothing that could name a patient is kept for writing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.core.errors import GeometryError
from spinekit.core.grid import Grid

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""ITK and DICOM count millimetres towards left and posterior; this package towards R and A."""


@dataclass(frozen=True, slots=True)
class ItkGeometry:
    """Spacing, origin and direction as an ITK file states them, in LPS+ mm, 2-D or 3-D."""

    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]
    """Row-major matrix; column n is the direction of axis n."""


@dataclass(frozen=True, slots=True)
class HeaderInfo:
    """Shape and geometry fields that results of a scan are written with."""

    shape: tuple[int, ...]
    """Shape of results as stored: the input's, without its time axis."""
    grid: Grid
    """The same voxels as three axes in RAS+ mm."""
    nifti: bytes | None = None
    """Header of a NIfTI input, 348 or 540 bytes."""
    itk: ItkGeometry | None = None
    """Geometry of an ITK input as stated there."""

    @classmethod
    def of_grid(cls, grid: Grid) -> HeaderInfo:
        """Header for results on a grid that no file stated."""
        return cls(grid.shape, grid)

    def itk_geometry(self) -> ItkGeometry:
        """Geometry for an ITK file: as stated by the input, else computed from the grid.

        Raises:
            GeometryError: If the grid is sheared, which ITK formats cannot say.
        """
        if self.itk is not None:
            return self.itk
        if self.grid.is_sheared:
            raise GeometryError(
                "sheared-output",
                "a sheared grid cannot be written as mha or nrrd",
                "write nii.gz instead, or use --iso",
            )
        affine = LPS_TO_RAS @ self.grid.affine
        spacing = self.grid.spacing_mm
        direction = affine[:3, :3] / np.array(spacing)
        return ItkGeometry(
            spacing, tuple(affine[:3, 3].tolist()), tuple(direction.ravel().tolist())
        )


def itk_affine(geometry: ItkGeometry) -> NDArray[np.float64]:
    """(4, 4) voxel → RAS+ mm of a 2-D or 3-D ITK geometry.

    A 2-D image states no third axis. It is taken for a sagittal slice 1 mm thick as it is
    displayed: i → posterior, j → inferior.
    """
    size = len(geometry.spacing)
    matrix = np.array(geometry.direction).reshape(size, size) * np.array(geometry.spacing)
    affine = np.eye(4)
    if size == 2:
        # LPS+: P is axis 1, and down is -S; the slice axis goes to the patient's left.
        affine[:3, :3] = 0
        affine[1, :2], affine[2, :2] = matrix[0], -matrix[1]
        affine[0, 2] = 1
        affine[1, 3], affine[2, 3] = geometry.origin[0], -geometry.origin[1]
    else:
        affine[:3, :3] = matrix
        affine[:3, 3] = geometry.origin
    return np.asarray(LPS_TO_RAS @ affine)
