"""What splitting a parts map gives: instances in order from top to bottom, and their maps.

It knows no names of levels and no way of splitting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["vertebra", "disc", "sacrum"]

PARTIAL_BELOW_MM3 = 500.0
"""A vertebra or disc smaller than this (mm³) counts as partly visible."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One vertebra, disc or sacrum.

    `index` is its value in the vertebra or disc map (1.. from the top; 1 for the sacrum).
    Lengths are in mm: `height_mm` along the column, `depth_mm` front to back and `width_mm` left
    to right. `position_mm` (centre), `top_mm` and `bottom_mm` are measured along the curve of the
    column, downwards. All of these, centroid and volume are of the body alone for a vertebra;
    its posterior elements have `posterior_mm3`.
    """

    kind: Kind
    index: int
    centroid_ijk: tuple[float, float, float]
    volume_mm3: float
    touches_edge: bool
    partial: bool
    position_mm: float
    top_mm: float
    bottom_mm: float
    height_mm: float
    depth_mm: float
    width_mm: float
    posterior_mm3: float = 0.0


def gap_mm(upper: Instance, lower: Instance) -> float:
    """Room between two of them along the column, negative where they overlap."""
    return lower.top_mm - upper.bottom_mm


@dataclass(frozen=True, slots=True)
class Instances:
    """The spine of one scan, split.

    `parts` (I, J, K) is the cleaned parts map; `vertebra_map` (I, J, K) holds 1..n for bodies with
    their posterior elements, `disc_map` (I, J, K) 1..m, both from the top; `items` are in order
    from the top with the sacrum last. `told_apart` says that a mask marks each vertebra by itself:
    none is a piece of another, and some may be left out.
    """

    parts: NDArray[np.uint8]
    vertebra_map: NDArray[np.uint8]
    disc_map: NDArray[np.uint8]
    items: tuple[Instance, ...]
    spacing_mm: tuple[float, float, float]
    told_apart: bool = False
