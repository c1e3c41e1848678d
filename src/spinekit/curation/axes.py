"""Axes: a header that names other directions, and the words a recipe has for them.

It knows letters and grids; where a spine truly lies, `doctor.axes` and `doctor.image_axes` tell.
"""

from __future__ import annotations

import numpy as np

from spinekit.core.errors import RecipeError
from spinekit.core.grid import Grid, closest_axes

BY_LABELS, BY_DOCTOR, BY_REPORT = "labels", "doctor", ".json"
"""Who says where axes point: the masks; the masks and else the image; a report of the doctor."""
_AXES = (frozenset("RL"), frozenset("AP"), frozenset("SI"))


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


def check_word(word: str) -> None:
    """Refuse what is no way to put axes right.

    Raises:
        RecipeError: Neither empty, `labels`, `doctor`, a doctor's report nor three letters.
    """
    if word not in ("", BY_LABELS, BY_DOCTOR) and not word.endswith(BY_REPORT):
        check_letters(word)


def turn_header(grid: Grid, letters: str) -> Grid:
    """The same voxels with array axes that point elsewhere.

    Spacing stays with its array axis, obliqueness is kept, and the middle of the scan stays where
    it was.

    Args:
        grid: As the header states it.
        letters: Where i, j and k truly point, such as `PSR`.

    Returns:
        The grid as it should have been stated.

    Raises:
        RecipeError: The letters are no orientation.
    """
    check_letters(letters)
    change = np.zeros((3, 3))
    for (axis, sign), letter in zip(closest_axes(grid.affine), letters, strict=True):
        target = next(n for n, pair in enumerate(_AXES) if letter in pair)
        change[target, axis] = sign * (1 if letter in "RAS" else -1)
    affine = np.eye(4)
    affine[:3, :3] = change @ grid.affine[:3, :3]
    middle = (np.array(grid.shape) - 1) / 2
    affine[:3, 3] = grid.ijk_to_ras(middle)[0] - affine[:3, :3] @ middle
    return Grid(grid.shape, affine)
