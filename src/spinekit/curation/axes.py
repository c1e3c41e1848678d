"""Axes: a header that names the wrong directions, found by the labels and put right.

It knows where a spine must lie, nothing of files. Left and right look alike: a repair keeps the
scan's handedness where the labels cannot tell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import NAMES, VALUES, part_of
from spinekit.core.errors import RecipeError
from spinekit.core.grid import Grid
from spinekit.core.volume import Volume

_OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}
_AXES = (frozenset("RL"), frozenset("AP"), frozenset("SI"))
_LEAST_RISE = 0.6
"""Smallest cosine between the line of centres and an axis that it is said to run along."""


def check_letters(letters: str) -> None:
    """Refuse what is no orientation.

    Raises:
        RecipeError: Not three letters, one each of R or L, A or P, S or I.
    """
    axes = [next((n for n, pair in enumerate(_AXES) if x in pair), -1) for x in letters]
    if sorted(axes) != [0, 1, 2]:
        raise RecipeError(
            "recipe-value", f"{letters!r} is no orientation", "three letters such as RAS or PSR"
        )


def turn_header(grid: Grid, letters: str) -> Grid:
    """The same voxels with axes that point elsewhere.

    Args:
        grid: As the header states it.
        letters: Where i, j and k truly point.

    Returns:
        A grid without obliquity, its centre where it was, the spacing kept by axis.

    Raises:
        RecipeError: The letters are no orientation.
    """
    check_letters(letters)
    affine = np.eye(4)
    affine[:3, :3] = 0
    for axis, letter in enumerate(letters):
        row = next(n for n, pair in enumerate(_AXES) if letter in pair)
        affine[row, axis] = grid.spacing_mm[axis] * (1 if letter in "RAS" else -1)
    middle = (np.array(grid.shape) - 1) / 2
    affine[:3, 3] = grid.ijk_to_ras(middle)[0] - affine[:3, :3] @ middle
    return Grid(grid.shape, affine)


def oriented(grid: Grid, letters: str) -> Grid:
    """The same voxels in the same places with axes permuted and flipped to point to `letters`.

    Raises:
        RecipeError: The letters are no orientation.
    """
    check_letters(letters)
    now = grid.orientation
    change = np.zeros((4, 4))
    change[3, 3] = 1
    shape = []
    for new, letter in enumerate(letters):
        old = next(n for n, x in enumerate(now) if letter in (x, _OPPOSITE[x]))
        shape.append(grid.shape[old])
        change[old, new] = 1 if now[old] == letter else -1
        if now[old] != letter:
            change[old, 3] = grid.shape[old] - 1
    return Grid((shape[0], shape[1], shape[2]), grid.affine @ change)


def axes_by_labels(labels: Volume) -> str | None:
    """Where the axes truly point, by named vertebrae and discs, and the canal behind them.

    Args:
        labels: (I, J, K) our values.

    Returns:
        Three letters where the labels contradict the header, None where they agree or say too
        little: fewer than three levels, or levels that do not lie along one axis.
    """
    centres = _centres(labels.array)
    order = sorted((LEVELS.index(_upper(name)), tuple(c)) for name, c in centres.items()
                   if part_of(VALUES[name]) == "vertebra")  # fmt: skip
    if len(order) < 3:
        order = sorted((LEVELS.index(_upper(name)), tuple(c)) for name, c in centres.items()
                       if part_of(VALUES[name]) == "disc")  # fmt: skip
    if len(order) < 3:
        return None
    points = np.array([point for _, point in order]) * np.array(labels.spacing_mm)
    up = points[0] - points[-1]
    axis = int(np.argmax(np.abs(up)))
    if abs(up[axis]) < _LEAST_RISE * np.linalg.norm(up):
        return None
    found = [""] * 3
    found[axis] = "S" if up[axis] > 0 else "I"
    back = _direction_back(labels, points.mean(axis=0), axis)
    now = labels.grid.orientation
    if back is not None:
        found[back[0]] = "A" if back[1] < 0 else "P"
    else:
        keep = [n for n in range(3) if n != axis and now[n] in "AP"]
        keep = keep or [n for n in range(3) if n != axis and now[n] in "SI"]
        found[keep[0]] = now[keep[0]] if now[keep[0]] in "AP" else "A"
    side = found.index("")
    found[side] = "R"
    if _handedness(found) != _handedness(list(now)):
        found[side] = "L"
    letters = "".join(found)
    return None if letters == now or letters.replace("L", "R") == now.replace("L", "R") else letters


def _centres(array: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
    """Name → centre in voxels of every vertebra and disc with a name."""
    centres = {}
    for value in map(int, np.unique(array)):
        if 11 <= value <= 100 and value in NAMES and value != VALUES["sacrum"]:
            centres[NAMES[value]] = np.argwhere(array == value).mean(axis=0)
    return centres


def _upper(name: str) -> str:
    return name.split("-")[0]


def _direction_back(
    labels: Volume, column_mm: NDArray[np.float64], up: int
) -> tuple[int, int] | None:
    """Axis and sign from the bones to the canal (with cord), None without a canal."""
    canal = np.argwhere((labels.array == 1) | (labels.array == 2))
    if len(canal) == 0:
        return None
    # Heights without bone would tilt the line between the centres.
    bones = np.argwhere((labels.array >= 11) & (labels.array <= 46))
    low, high = bones[:, up].min(), bones[:, up].max()
    canal = canal[(canal[:, up] >= low) & (canal[:, up] <= high)]
    if len(canal) == 0:
        return None
    way = canal.mean(axis=0) * np.array(labels.spacing_mm) - column_mm
    way[up] = 0
    axis = int(np.argmax(np.abs(way)))
    return axis, 1 if way[axis] > 0 else -1


def _handedness(letters: list[str]) -> float:
    matrix = np.zeros((3, 3))
    for axis, letter in enumerate(letters):
        row = next(n for n, pair in enumerate(_AXES) if letter in pair)
        matrix[row, axis] = 1 if letter in "RAS" else -1
    return float(np.sign(np.linalg.det(matrix)))
