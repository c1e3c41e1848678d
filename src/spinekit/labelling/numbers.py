"""What the numbers of a foreign label map mean: which voxels are one bone, and how it is called.

It knows label schemes and values, and nothing of places or of how the map came about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import NAMES, PARTS, Lost, load_scheme, name_in_context, part_of
from spinekit.core.errors import InputError
from spinekit.labelling.outside import NO_END_IN_VIEW, usual_reliability

MOST_BONES = 254
"""Numbers that one map may hold; no spine has as many bones."""


@dataclass(frozen=True, slots=True)
class Given:
    """A label map whose bones are told apart.

    `numbers` (I, J, K) is a number per vertebra and disc, `tissue` (I, J, K) what a voxel is: 1 a
    vertebra's, 3 a disc's, 4 canal, 5 cord, 6 sacrum. `names` holds the names that numbers stand
    for, `reliability` (27,) how far those are to be believed; `file` is the map's name.
    """

    numbers: NDArray[np.uint8]
    tissue: NDArray[np.uint8]
    names: Mapping[int, str]
    reliability: NDArray[np.float64]
    file: str
    lost: tuple[Lost, ...] = ()


def read_given(file: str, label_map: NDArray[np.integer], scheme: str | None) -> Given:
    """Tell what the values of a map are.

    Args:
        file: its name, for errors and reports.
        label_map: (I, J, K) values.
        scheme: the label scheme they are of; None takes every value for a vertebra without name.

    Returns:
        The map with its values told.

    Raises:
        InputError: nothing is marked, no value has a meaning, or there are too many.
        UsageError: no scheme bears the name.
    """
    found = [int(value) for value in np.unique(label_map) if value != 0]
    if not found:
        raise InputError("empty-mask", f"{file}: nothing is marked", "give a mask of the bones")
    if scheme is None:
        if len(found) > MOST_BONES:
            raise InputError(
                "too-many-values",
                f"{file}: holds {len(found)} values, too many for vertebrae",
                "give a map with one value per vertebra",
            )
        numbers = np.searchsorted([0, *found], label_map).astype(np.uint8)
        tissue = np.where(numbers > 0, PARTS.index("body"), 0).astype(np.uint8)
        return Given(numbers, tissue, {}, np.full(len(LEVELS), NO_END_IN_VIEW), file)
    loaded = load_scheme(scheme)
    ours, lost = loaded.read(label_map)
    part = {
        "vertebra": "body",
        "disc": "disc",
        "sacrum": "sacrum",
        "spinal_cord": "cord",
        "spinal_canal": "canal",
    }
    table = np.zeros(256, np.uint8)
    for value in NAMES:
        table[value] = PARTS.index(part[part_of(value)])
    tissue = table[ours]
    if not np.isin(tissue, (PARTS.index("body"), PARTS.index("sacrum"))).any():
        raise InputError(
            "empty-mask",
            f"{file}: no value is a vertebra in scheme {scheme!r}",
            "check --from; `spinekit labels` lists the schemes",
        )
    numbers = np.where(np.isin(tissue, (1, 3)), ours, 0).astype(np.uint8)
    values = [int(value) for value in np.unique(ours) if value]
    told = {value: name_in_context(value, values) for value in values}
    present = list(told.values())
    names = {v: name for v, name in told.items() if not name.startswith(("vertebra_", "disc_"))}
    counted = loaded.bottom_up_vertebra is not None
    sure = NO_END_IN_VIEW if counted else usual_reliability(present)
    return Given(numbers, tissue, names, np.full(len(LEVELS), sure), file, lost)
