"""Axes put right where a case's masks or image contradict its header.

It asks the doctor's readings and turns the grid; how a spine shows its directions, it does not
know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from spinekit.core.errors import UsageError
from spinekit.core.volume import Volume
from spinekit.curation.axes import check_letters
from spinekit.curation.doctor.axes import AxisReading, read_axes
from spinekit.curation.doctor.census import take_census
from spinekit.curation.doctor.column import trace_column
from spinekit.curation.doctor.image_axes import ask_image
from spinekit.curation.doctor.specimen import Specimen
from spinekit.curation.layer import Layer
from spinekit.datasets.case import Case


def reread_axes(
    case: Case, image: Volume, layers: Sequence[Layer], *, with_image: bool
) -> AxisReading | None:
    """Where the axes of a case point by its masks and, where they are silent, by its image.

    Args:
        case: Whose masks these are.
        image: (I, J, K) on the grid its header states.
        layers: Its masks on that grid.
        with_image: Ask the shipped model where the masks do not tell.

    Returns:
        The reading that contradicts the header, else the masks' or the image's; None where
        nothing tells.
    """
    looked_at = tuple(layer for layer in layers if layer.volume.array.any())
    census = take_census(Specimen(case, None, looked_at, ()))
    by_masks = None if census is None else read_axes(trace_column(census))
    by_image = ask_image(image, by_masks) if with_image else None
    readings = [reading for reading in (by_masks, by_image) if reading is not None]
    return next((reading for reading in readings if reading.is_wrong), next(iter(readings), None))


def read_report(path: Path) -> Mapping[str, str]:
    """What a report of the doctor says of axes.

    Args:
        path: A `doctor.json`; what a person has corrected there counts.

    Returns:
        Every case's name → the letters found, empty where its axes are not called wrong.

    Raises:
        UsageError: It cannot be read, or is no such report.
        RecipeError: A finding's letters are no orientation.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        letters = {row["name"]: "" for row in content["cases"]}
        for row in content["findings"]:
            if row["code"] == "axes-wrong":
                letters[row["case"]] = str(row["facts"]["found"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            "not-a-report",
            f"{path}: no report of the doctor ({type(error).__name__}: {error})",
            "give the doctor.json that `spinekit data doctor` wrote",
        ) from error
    for found in filter(None, letters.values()):
        check_letters(found)
    return letters
