"""What the numbers of a foreign label map mean: which voxels are one bone, and how it is called.

It knows label schemes and values, and nothing of places or of how the map came about.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.column import LEVELS, SACRUM, is_nameless
from spinekit.anatomy.parts import CANAL, CORD, DISC, VERTEBRA
from spinekit.anatomy.parts import SACRUM as SACRUM_PART
from spinekit.anatomy.scheme import (
    LAST_DISC,
    NAMES,
    PARTS,
    SACRUM_VALUE,
    VALUES,
    Lost,
    kind_of_value,
    load_scheme,
    name_in_context,
    read_values,
)
from spinekit.core.errors import InputError, Notice, UsageError
from spinekit.labelling.meanings import Meanings, settle_meanings
from spinekit.labelling.outside import NO_END_IN_VIEW, usual_reliability

Meaning = Literal["bone", "parts", "instances"]
MOST_BONES = 254
"""Numbers that one map may hold; no spine has as many bones."""
MOST_SHOWN = 8
"""A warning lists no more values than this."""


@dataclass(frozen=True, slots=True)
class Given:
    """A label map whose bones are told apart.

    `numbers` (I, J, K) is a number per vertebra and disc, `tissue` (I, J, K) what a voxel is: 1 a
    vertebra's, 3 a disc's, 4 canal, 5 cord, 6 sacrum. `values` holds the map's own value for each
    number, `names` the names that numbers stand for, `reliability` (27,) how far those are to be
    believed; `file` is the map's name, `lost` are its values without a meaning, `notices` what else
    there is to warn of. `sure` is level → how sure the result was that the map is the labels of.
    """

    numbers: NDArray[np.uint8]
    tissue: NDArray[np.uint8]
    values: Mapping[int, int]
    names: Mapping[int, str]
    reliability: NDArray[np.float64]
    file: str
    lost: tuple[Lost, ...] = ()
    notices: tuple[Notice, ...] = ()
    sure: Mapping[str, float] = field(default_factory=dict)


def leave_out_negative(file: str, label_map: NDArray[Any]) -> tuple[NDArray[Any], tuple[Lost, ...]]:
    """A map without its negative values, which mark what is to be ignored.

    Args:
        file: its name, for errors.
        label_map: (I, J, K) whole numbers.

    Returns:
        (I, J, K) the map with 0 for them, and a row for each of them. The map as it is without any.

    Raises:
        InputError: no value is above 0, but some are below.
    """
    is_negative = label_map < 0
    if not is_negative.any():
        return label_map, ()
    if not (label_map > 0).any():
        raise InputError(
            "empty-mask",
            f"{file}: nothing is marked but with negative values, down to {label_map.min()}",
            "give the bones values above 0",
        )
    values, counts = np.unique(label_map[is_negative], return_counts=True)
    lost = [Lost(str(v), int(v), int(n)) for v, n in zip(values, counts, strict=True)]
    return np.where(is_negative, label_map.dtype.type(0), label_map), tuple(lost)


def read_parts(
    file: str, label_map: NDArray[np.integer], meaning: Meaning | None
) -> NDArray[np.uint8]:
    """Tell what the values of a map are whose bones are not told apart.

    Args:
        file: its name, for errors.
        label_map: (I, J, K) values, none negative.
        meaning: `parts` reads 1 to 6 as this package's parts, `bone` takes every voxel for
            vertebral body, and so does None for a single value.

    Returns:
        (I, J, K) parts 0 to 6.

    Raises:
        InputError: nothing or everything is marked, or a value is no part.
        UsageError: there are several values and no meaning.
    """
    values = _marked(file, label_map)
    _check_background(file, label_map)
    if meaning is None and len(values) > 1:
        raise UsageError(
            "mask-meaning",
            f"{file}: holds {len(values)} values",
            "say what they are: --as bone, --as parts or --as instances, or --from SCHEME",
        )
    if meaning == "parts":
        _check_parts(file, values)
        return label_map.astype(np.uint8)
    return np.where(label_map != 0, PARTS.index("body"), 0).astype(np.uint8)


def _check_parts(file: str, values: Sequence[int]) -> None:
    """Refuse values that are no parts; discs, canal, cord and sacrum are no bone to be split."""
    if values[-1] < len(PARTS):
        return
    if values[-1] == VERTEBRA:
        raise InputError(
            "not-parts",
            f"{file}: holds {VERTEBRA}, vertebrae whose bodies are not told from their arches",
            "give each vertebra a value and say --as instances, or mark bodies 1 and arches 2",
        )
    is_bone_alone = not {DISC, CANAL, CORD, SACRUM_PART} & set(values)
    remedy = "renumber them, or --as bone" if is_bone_alone else "renumber them"
    raise InputError("not-parts", f"{file}: holds values beyond 1 to 6", remedy)


def read_given(
    file: str,
    label_map: NDArray[np.integer],
    scheme: str | None,
    segments: Mapping[int, str] | None = None,
) -> Given:
    """Tell what the values of a map are.

    Args:
        file: its name, for errors and reports.
        label_map: (I, J, K) values, none negative.
        scheme: the label scheme they are of; None takes every value for a vertebra without name.
        segments: value → what the file itself calls it, which says more than a scheme; None where
            it gives no names.

    Returns:
        The map with its values told.

    Raises:
        InputError: nothing is marked, or everything with no scheme; no value has a meaning, or
            there are too many; or all vertebrae bear the sacrum's value.
        UsageError: no scheme bears the name.
    """
    found = _marked(file, label_map)
    if scheme is None:
        return _read_instances(file, label_map, settle_meanings({}, segments or {}, found))
    loaded = load_scheme(scheme)
    meanings = settle_meanings(loaded.meanings(present=found), segments or {}, found)
    ours, lost = read_values(label_map, meanings.names)
    table = np.zeros(256, np.uint8)
    for value in NAMES:
        table[value] = _tissue(value)
    tissue = table[ours]
    if not np.isin(tissue, (PARTS.index("body"), PARTS.index("sacrum"))).any():
        raise InputError(
            "empty-mask",
            f"{file}: no value is a vertebra in scheme {scheme!r}",
            "check --from; `spinekit labels list` names the schemes",
        )
    numbers = np.where(np.isin(tissue, (1, 3)), ours, 0).astype(np.uint8)
    each, first = np.unique(ours, return_index=True)
    theirs = label_map.ravel()[first].tolist()
    values = {o: t for o, t in zip(each.tolist(), theirs, strict=True) if o}
    told = {value: name_in_context(value, list(values)) for value in values}
    present = list(told.values())
    if may_be_first_step(present) and _holds_discs(ours):
        raise InputError(
            "first-step",
            f"{file}: all vertebrae bear the sacrum's value, as in TotalSpineSeg's first step",
            "give the file of its step2_output",
        )
    names = {v: name for v, name in told.items() if not is_nameless(name)}
    counted = loaded.bottom_up_vertebra is not None
    sure = NO_END_IN_VIEW if counted else usual_reliability(present)
    reliability = _rely(sure, meanings, present)
    return Given(numbers, tissue, values, names, reliability, file, lost, _tell_unused(meanings))


def may_be_first_step(names: Collection[str]) -> bool:
    """Whether a map calls no vertebra but C1 anything else than sacrum.

    So does TotalSpineSeg's first step, where all other vertebrae bear the sacrum's value.

    Args:
        names: of all that it holds.
    """
    shown = {name for name in names if name in LEVELS}
    return SACRUM in shown and shown <= {"C1", SACRUM}


def _holds_discs(ours: NDArray[np.uint8]) -> bool:
    """Whether what is called sacrum reaches around a disc that lies on a vertebra."""
    boxes = ndimage.find_objects(ours)
    around = boxes[SACRUM_VALUE - 1]
    for value, box in enumerate(boxes, start=1):
        if box is None or value == LAST_DISC or _tissue(value) != DISC:
            continue
        middles = [(side.start + side.stop - 1) / 2 for side in box]
        if all(s.start <= at < s.stop for s, at in zip(around, middles, strict=True)):
            return True
    return False


def _read_instances(file: str, label_map: NDArray[np.integer], meanings: Meanings) -> Given:
    """Take every value for a vertebra, unless the file itself says that it is something else."""
    _check_background(file, label_map)
    found = _marked(file, label_map)
    if len(found) > MOST_BONES:
        raise InputError(
            "too-many-values",
            f"{file}: holds {len(found)} values, too many for vertebrae",
            "give a map with one value per vertebra",
        )
    numbers = np.searchsorted([0, *found], label_map).astype(np.uint8)
    values = dict(enumerate(found, start=1))
    names = {n: meanings.names[v] for n, v in values.items() if v in meanings.names}
    table = np.zeros(256, np.uint8)
    table[1 : len(found) + 1] = PARTS.index("body")
    for number, name in names.items():
        table[number] = _tissue(VALUES[name])
    tissue = table[numbers]
    numbers = np.where(np.isin(tissue, (1, 3)), numbers, 0).astype(np.uint8)
    reliability = _rely(NO_END_IN_VIEW, meanings, list(names.values()))
    names = {number: name for number, name in names.items() if not is_nameless(name)}
    unused = _tell_unused(meanings)
    return Given(numbers, tissue, values, names, reliability, file, notices=unused)


def _tissue(value: int) -> int:
    """The part that a value of ours marks, an arch not told from its body."""
    part = {"vertebra": "body", "spinal_cord": "cord", "spinal_canal": "canal"}
    kind = kind_of_value(value)
    return PARTS.index(part.get(kind, kind))


def _rely(sure: float, meanings: Meanings, present: Sequence[str]) -> NDArray[np.float64]:
    """(27,) how far names are to be believed: those the file itself gives as any names are."""
    reliability = np.full(len(LEVELS), sure)
    told = {meanings.names[value] for value in meanings.told}
    reliability[[level in told for level in LEVELS]] = usual_reliability(present)
    return reliability


def _tell_unused(meanings: Meanings) -> tuple[Notice, ...]:
    """A warning of names in the file that count for nothing; none without any."""
    if not meanings.unused:
        return ()
    taken = {value: f", taken for {name}" for value, name in meanings.names.items()}
    shown = [f"{text} ({v}{taken.get(v, '')})" for v, text in meanings.unused.items()]
    text = f"names of segments, borne twice or none of ours, not used: {list_some(shown)}"
    return (Notice("segment-names", f"{text}; rename them, such as L4 or L4-L5"),)


def tell_left_out(lost: Sequence[Lost], scheme: str | None) -> list[Notice]:
    """A warning of values that mean nothing.

    Args:
        lost: the values.
        scheme: the scheme they mean nothing in; None where they are but negative.

    Returns:
        One notice, or none for no values.
    """
    if not lost:
        return []
    which = "negative values" if scheme is None else f"no structure in scheme {scheme!r}"
    shown = list_some([f"{row.value} ({row.voxels} voxels)" for row in lost])
    return [Notice("values-left-out", f"{which}, left out: {shown}")]


def tell_scattered(given: Given, over_mm: Mapping[int, float]) -> list[Notice]:
    """A warning of values that lie on more than one vertebra or disc.

    Args:
        given: the map.
        over_mm: number to the height over which it lies, of such numbers.

    Returns:
        One notice, or none for no numbers.
    """
    if not over_mm:
        return []
    shown = list_some([f"{given.values[n]} (over {mm:.0f} mm)" for n, mm in over_mm.items()])
    text = f"values on more than one vertebra or disc, each taken for one: {shown}"
    return [Notice("value-scattered", f"{text}; check the mask")]


def tell_arches(*, seen: bool) -> list[Notice]:
    """A warning of arches in a mask whose every voxel is said to be a body's.

    Args:
        seen: whether there are any.

    Returns:
        One notice, or none.
    """
    if not seen:
        return []
    text = (
        "whole vertebrae, bodies and arches, of one value are taken for bodies, and names and "
        "borders are unlikely to be right; give each vertebra a value and say --as instances, "
        "or mark arches apart and say --as parts"
    )
    return [Notice("bone-has-arches", text)]


def list_some(words: Sequence[str]) -> str:
    """The first words, and how many more there are."""
    more = len(words) - MOST_SHOWN
    return ", ".join(words[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _marked(file: str, label_map: NDArray[np.integer]) -> list[int]:
    """The values of a map but 0, ascending; at least one."""
    found = [int(value) for value in np.unique(label_map) if value != 0]
    if not found:
        raise InputError("empty-mask", f"{file}: nothing is marked", "give a mask of the bones")
    return found


def _check_background(file: str, label_map: NDArray[np.integer]) -> None:
    """Refuse a map without background: it is a scan, or the wrong file."""
    if label_map.all():
        raise InputError(
            "not-labels",
            f"{file}: every voxel is marked, so it is no mask",
            "give the mask of the bones; the scan it was drawn on goes with --image",
        )
