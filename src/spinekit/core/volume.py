"""Volume: an array on a Grid, valid from construction.

Knows neither the file it came from nor what the numbers mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from spinekit.core.errors import GeometryError
from spinekit.core.grid import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """An (I, J, K) array with its place in RAS+ mm.

    Raises:
        GeometryError: If the array has not exactly the grid's shape.
    """

    array: NDArray[Any]
    """(I, J, K) values: float image or integer label map."""
    grid: Grid
    """Where the voxels lie."""

    def __post_init__(self) -> None:
        if self.array.shape != self.grid.shape:
            raise GeometryError(
                "shape-mismatch",
                f"the array has shape {self.array.shape} but its grid has {self.grid.shape}",
                "give an array of the grid's shape",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along i, j, k."""
        return self.grid.shape

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm between neighbouring voxel centres along i, j, k."""
        return self.grid.spacing_mm
