"""What about a scan, or what was found in it, is unlike what the model knows.

It looks at numbers only, and stops nothing: it says what there is to doubt.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC
from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid

CT_AIR = (-1100.0, -900.0)
"""Air in a CT: -1000 Hounsfield units, give or take its noise."""
CT_AIR_SHARE = 0.05
"""A scan with more air than this share of its voxels is taken for a CT."""
CT_GAS = -500.0
"""Lungs and bowel gas, and edges of air, lie below, Hounsfield units."""
CT_FAT = (-150.0, -50.0)
"""Fat in a CT, Hounsfield units."""
CT_BETWEEN = (-40.0, 0.0)
"""Between fat and muscle, where little but the edges of organs lies."""
CT_MUSCLE = (10.0, 90.0)
"""Muscle, organs, blood and water-rich discs in a CT, Hounsfield units."""
CT_LOWEST = -1100.0
"""A CT has no lower values but the one written where nothing was measured."""
CT_LEAST_TISSUE = 0.5
"""Share of what is no gas that fat and muscle, with what lies between, are of at least."""
CT_LEAST_PEAK = 0.03
"""Share that fat, and that muscle, are of at least."""
CT_VALLEY = 0.7
"""Between the two peaks there is at most this share of the lower one's density."""
CT_SAME_VALUE = 0.3
"""Noise spreads every tissue of a CT over more values than one that this share of it has."""
MOST_LABELS = 32
"""A scan has more than so many values, a label map of a spine rarely."""
MOST_VALUES = 128
"""No label map has more values, and scans of 8 bits already do."""
_BIN = 10.0
_ENOUGH_SAMPLES = 2_000_000
ALL = range(1, 7)
COLUMN = (BODY, DISC)
"""Parts by which a spine is known: nothing else looks like a row of them."""
TUBES = (CANAL, CORD)
LEAST_CONFIDENCE = 0.75
"""Mean probability of the chosen part over all that is not background, and over bodies and discs,
below which we doubt."""
NOISE_CONFIDENCE = 0.72
"""Mean probability of bodies and discs seen in 78 fields of noise: 0.70 at most; in scans with
noise of a quarter of the brightest, and phantoms of every contrast, 0.73 at least, but for one."""
NOISE_CONFIDENCE_OF_ALL = 0.8
"""Of all parts seen in noise: 0.77 at most, but for a sacrum alone."""
NOISE_CONFIDENCE_OF_TUBES = 0.85
"""Of the canal seen in noise 0.75 at most, in tissue without a spine 0.84."""
LEAST_HEIGHT_MM = 100.0
"""Fields less high, such as axial stacks, cut their bodies, and in their noise little is seen."""
SMALL_BODY_MM2 = 300.0
"""Half of the bodies seen in noise cover less of every sagittal slice. Bodies of the loin cover
some 900 mm2, of the neck some 200."""
UNEVEN_BODIES = 0.5
"""The others seen in noise differ from their neighbours by more than this in log area (median),
bodies of a spine by less than 0.3 in sagittal scans."""


def doubt_image(image: NDArray[np.floating]) -> tuple[Notice, ...]:
    """Tell whether a scan looks like no MRI at all.

    A CT is known by its air, or by two peaks where the Hounsfield scale (air -1000, water 0) has
    fat and muscle. The lowest value is left out of both: where nothing was measured, MRI and CT
    alike may be filled with a constant such as -1000.

    Args:
        image: (I, J, K) intensities as read.

    Returns:
        A notice `not-mri`, or `label-map` for a mask, or nothing.
    """
    if image.size and is_label_map(image):
        text = "this holds a few whole numbers and mostly 0, as a mask; labelled only with --force"
        return (Notice("label-map", text),)
    step = max(1, round((image.size / _ENOUGH_SAMPLES) ** (1 / image.ndim)))
    values = image[(slice(None, None, step),) * image.ndim].ravel()
    if values.size == 0 or values.min() >= 0:
        return ()
    values = values[values > values.min()]
    if _has_air(values) or _has_fat_and_muscle(values):
        text = "this looks like a CT, not an MRI; it is labelled only with --force"
        return (Notice("not-mri", text),)
    return ()


def is_label_map(image: NDArray[np.floating]) -> bool:
    """Whether a volume holds a few whole numbers and mostly 0, as label maps do and no scan."""
    sample = image.ravel()[:: max(1, image.size // _ENOUGH_SAMPLES)]
    if sample.min() != 0 or np.count_nonzero(sample == 0) <= 0.5 * sample.size:
        return False
    values = np.unique(sample)
    return len(values) <= MOST_LABELS and bool((values == np.rint(values)).all())


def refuse_scan(file: str, labels: NDArray[np.integer]) -> None:
    """Refuse a scan where labels are wanted.

    Args:
        file: For the message.
        labels: (I, J, K) whole numbers.

    Raises:
        InputError: It holds more values than label maps do.
    """
    count = len(np.unique(labels))
    if count > MOST_VALUES:
        raise InputError(
            "labels-are-scan",
            f"{file}: holds {count} values, so it is a scan and no label map",
            "give the labels alone; in a folder, their names end in _dseg",
        )


def _has_air(values: NDArray[np.floating]) -> bool:
    return _share(values, CT_AIR) > CT_AIR_SHARE


def _has_fat_and_muscle(values: NDArray[np.floating]) -> bool:
    """Whether a histogram has the two peaks of soft tissue in a CT, apart from each other."""
    tissue = values[values > CT_GAS]
    if values.size == 0 or values.min() < CT_LOWEST or tissue.size < CT_LEAST_PEAK * values.size:
        return False
    if min(_share(tissue, CT_FAT), _share(tissue, CT_MUSCLE)) < CT_LEAST_PEAK:
        return False
    if _share(tissue, (CT_FAT[0], CT_MUSCLE[1])) < CT_LEAST_TISSUE:
        return False
    if max(_most_common(tissue, span) for span in (CT_FAT, CT_MUSCLE)) > CT_SAME_VALUE:
        return False
    fat, between, muscle = (_densities(tissue, span) for span in (CT_FAT, CT_BETWEEN, CT_MUSCLE))
    return bool(between.min() <= CT_VALLEY * min(fat.max(), muscle.max()))


def _share(values: NDArray[np.floating], span: tuple[float, float]) -> float:
    """Share of the values within a span; 0 for no values."""
    inside = np.count_nonzero((values >= span[0]) & (values <= span[1]))
    return inside / max(1, values.size)


def _most_common(values: NDArray[np.floating], span: tuple[float, float]) -> float:
    """Share that the most common whole number has of the values within a span that holds some."""
    inside = values[(values >= span[0]) & (values <= span[1])]
    counts = np.unique(np.rint(inside), return_counts=True)[1]
    return float(counts.max() / inside.size)


def _densities(values: NDArray[np.floating], span: tuple[float, float]) -> NDArray[np.intp]:
    """How many values lie in each bin of a span."""
    return np.histogram(values, bins=round((span[1] - span[0]) / _BIN), range=span)[0]


def doubt_prediction(parts_probs: NDArray[np.floating], instances: Instances) -> tuple[Notice, ...]:
    """Tell whether a spine was found, and whether the model was sure of what it saw.

    Args:
        parts_probs: (7, I, J, K) probabilities.
        instances: What was found in them.

    Returns:
        `no-spine`, `contrast-unlike-training`, or nothing.
    """
    items = instances.items
    if not any(item.kind != "sacrum" for item in items):
        rest = "only the sacrum was" if items else "the labels are empty"
        return (Notice("no-spine", f"no vertebra and no disc was found; {rest}"),)
    found = [_confidence(parts_probs, instances.parts, kinds) for kinds in (ALL, COLUMN)]
    confidence = min(p for p in found if p is not None)
    if confidence < LEAST_CONFIDENCE:
        text = (
            f"the model is unsure of what it sees (mean confidence {confidence:.2f}): contrast "
            "or anatomy unlike its training; check the preview with care"
        )
        return (Notice("contrast-unlike-training", text),)
    return ()


def doubt_orientation(doubts: Sequence[Notice], grid: Grid) -> list[Notice]:
    """Say with `no-spine` that slices are axial by a header that may know of no directions.

    Args:
        doubts: Notices.
        grid: Of the scan as it was read.
    """
    matrix = grid.affine[:3, :3]
    is_plain = np.count_nonzero(matrix) == 3 and bool(np.diag(matrix).all())
    if not is_plain or min(grid.shape[:2]) <= grid.shape[2]:
        return list(doubts)
    hint = "by its header the slices are axial; if they are not, repair its orientation"
    return [
        Notice(doubt.code, f"{doubt.text}; {hint}") if doubt.code == "no-spine" else doubt
        for doubt in doubts
    ]


def doubt_spine(parts_probs: NDArray[np.floating], instances: Instances) -> tuple[Notice, ...]:
    """Tell what the model sees in noise, or in tissue without a spine, from a spine.

    Args:
        parts_probs: (7, I, J, K) probabilities.
        instances: What was found in them.

    Returns:
        A notice `no-spine` where all is unsure and the bodies are small, of all sizes, or none;
        nothing otherwise, without bodies and discs, and for a field of view of few vertebrae.
    """
    limits = (
        (COLUMN, NOISE_CONFIDENCE),
        (ALL, NOISE_CONFIDENCE_OF_ALL),
        (TUBES, NOISE_CONFIDENCE_OF_TUBES),
    )
    found = [_confidence(parts_probs, instances.parts, kinds) for kinds, _ in limits]
    is_sure = any(p is not None and p >= limit for p, (_, limit) in zip(found, limits, strict=True))
    confidence = found[0]
    height_mm = instances.parts.shape[2] * instances.spacing_mm[2]
    if is_sure or confidence is None or height_mm < LEAST_HEIGHT_MM:
        return ()
    area_mm2 = _body_areas(instances)
    uneven = np.abs(np.diff(np.log(area_mm2)))
    is_even = len(uneven) > 0 and float(np.median(uneven)) <= UNEVEN_BODIES
    if is_even and float(np.median(area_mm2)) >= SMALL_BODY_MM2:
        return ()
    text = (
        f"what resembles a spine is as unsure as in noise (mean confidence {confidence:.2f}); "
        "the labels are empty; it is labelled only with --force"
    )
    return (Notice("no-spine", text),)


def _body_areas(instances: Instances) -> NDArray[np.float64]:
    """(n,) largest area of each body in a sagittal slice, mm2, from the top."""
    is_body = instances.parts == BODY
    layers = len(is_body)
    at = np.nonzero(is_body)[0] * 256 + instances.vertebra_map[is_body]
    largest = np.bincount(at, minlength=256 * layers).reshape(layers, 256)[:, 1:].max(axis=0)
    return largest[largest > 0] * instances.spacing_mm[1] * instances.spacing_mm[2]


def _confidence(
    parts_probs: NDArray[np.floating], parts: NDArray[np.uint8], kinds: Sequence[int]
) -> float | None:
    """Mean probability of the parts taken, over those of some kinds; None where there is none."""
    where = np.nonzero(np.isin(parts, kinds))
    taken = parts_probs[(parts[where], *where)]
    return float(taken.mean(dtype=np.float64)) if taken.size else None
