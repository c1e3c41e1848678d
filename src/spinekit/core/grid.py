"""Grid: the shape and affine that say where each voxel lies in RAS+ millimetres.

Knows no voxel values and no file.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spinekit.core.errors import GeometryError

# Largest cosine between two axes that still counts as a right angle (0.06 degrees): float32
# header fields round to about 1e-6, scanner exports to about 1e-4.
_SHEAR_COSINE = 1e-3
# Beyond a thousand kilometres, or below a picometre of spacing, a header is damaged.
_FARTHEST_MM = 1e9
_AXIS_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
"""Letter of a direction → that of the other way."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A regular lattice (I, J, K) of voxel centres in RAS+ mm; valid from construction.

    Raises:
        GeometryError: If the shape has not three positive sizes, or the affine is not an
            invertible (4, 4) matrix of finite numbers with last row 0 0 0 1.
    """

    shape: tuple[int, int, int]
    """Number of voxels along i, j, k."""
    affine: NDArray[np.float64]
    """(4, 4) matrix from voxel index (centre) to RAS+ mm; read-only."""

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(
                "grid-shape",
                f"a grid needs three positive sizes, got {shape}",
                "give an image with at least one voxel along each of three axes",
            )
        affine = np.array(self.affine, dtype=np.float64)
        _check_affine(affine)
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxel centres along i, j, k."""
        i, j, k = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)).tolist()
        return (i, j, k)

    @property
    def size_mm(self) -> tuple[float, float, float]:
        """Extent in mm along i, j, k, outer voxel faces included."""
        i, j, k = (n * s for n, s in zip(self.shape, self.spacing_mm, strict=True))
        return (i, j, k)

    @property
    def voxel_mm3(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def orientation(self) -> str:
        """Three letters: where i, j, k point to, such as ``RAS`` or ``PSR``."""
        return "".join(
            _AXIS_LETTERS[axis][int(sign > 0)] for axis, sign in closest_axes(self.affine)
        )

    @property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles to one another."""
        directions = self.affine[:3, :3] / np.array(self.spacing_mm)
        cosines = directions.T @ directions
        return bool(np.abs(cosines - np.diag(np.diag(cosines))).max() > _SHEAR_COSINE)

    def ijk_to_ras(self, points: ArrayLike) -> NDArray[np.float64]:
        """(N, 3) voxel positions → (N, 3) positions in RAS+ mm; an empty input stays empty."""
        points_ijk = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        return np.asarray(points_ijk @ self.affine[:3, :3].T + self.affine[:3, 3])

    def ras_to_ijk(self, points: ArrayLike) -> NDArray[np.float64]:
        """(N, 3) positions in RAS+ mm → (N, 3) voxel positions; an empty input stays empty."""
        points_ras = np.asarray(points, dtype=np.float64).reshape(-1, 3)
        inverse = np.linalg.inv(self.affine)
        return np.asarray(points_ras @ inverse[:3, :3].T + inverse[:3, 3])

    def is_close(self, other: Grid, *, tolerance_mm: float = 1e-3) -> bool:
        """Whether both have one shape and every corner agrees within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        corners = np.indices((2, 2, 2)).reshape(3, -1).T * (np.array(self.shape) - 1)
        offset = self.ijk_to_ras(corners) - other.ijk_to_ras(corners)
        return bool(np.abs(offset).max() <= tolerance_mm)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return self.shape == other.shape and bool(np.array_equal(self.affine, other.affine))

    def __hash__(self) -> int:
        return hash((self.shape, (self.affine + 0.0).tobytes()))


def closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """For each array axis the anatomical axis it runs along and its sign.

    The assignment is the permutation with the largest sum of absolute cosines, so that each
    anatomical axis is used once even at 45 degrees. Ties go to the lexicographically first.

    Args:
        affine: (4, 4) voxel → RAS+ mm.

    Returns:
        Three pairs (axis, sign): axis 0 R, 1 A, 2 S; sign +1 towards R, A, S, else -1.
    """
    matrix = affine[:3, :3]
    cosines = matrix / np.sqrt((matrix**2).sum(axis=0))
    best: tuple[int, ...] = (0, 1, 2)
    best_score = -math.inf
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        score = sum(abs(float(cosines[axis, i])) for i, axis in enumerate(order))
        if score > best_score + 1e-9:
            best, best_score = order, score
    return tuple((axis, 1 if cosines[axis, i] >= 0 else -1) for i, axis in enumerate(best))


def _check_affine(affine: NDArray[np.float64]) -> None:
    """Raise a GeometryError unless ``affine`` is a usable voxel → mm matrix."""
    remedy = "repair the header, or export the scan again"
    usable = affine.shape == (4, 4) and np.isfinite(affine).all()
    if not usable or np.abs(affine).max() > _FARTHEST_MM:
        raise GeometryError("affine-invalid", "the affine is not a finite 4×4 matrix", remedy)
    if not np.allclose(affine[3], (0, 0, 0, 1)):
        raise GeometryError("affine-invalid", "the last row of the affine is not 0 0 0 1", remedy)
    lengths = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    if lengths.min() < 1 / _FARTHEST_MM:
        raise GeometryError("zero-spacing", "the voxel spacing is zero along an axis", remedy)
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3:
        raise GeometryError("affine-singular", "the affine is singular (axes coincide)", remedy)
