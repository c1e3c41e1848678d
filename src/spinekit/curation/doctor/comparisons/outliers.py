"""Cases unlike the rest of their set: spacing, field of view, brightness, sizes of structures.

It compares measures on a logarithmic scale, within one set and one contrast, and only speaks
where the rest agree and there are enough of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import MISLEADING, Finding
from spinekit.curation.doctor.meaning import kind_of, rank_of

LEAST_CASES = 8
LEAST_RATIO = {"vertebra": 2.0, "disc": 2.5}
"""Volumes within this factor of the usual are never outliers; worn discs vary more than bone."""
TIP_SHARE = 0.5
"""Of the usual volume."""
DEVIATIONS = 5.0
"""Robust standard deviations (1.4826 × median absolute deviation) that make an outlier."""


def compare(examinations: Sequence[Examination]) -> Iterator[Finding]:
    """Report outliers of every measure."""
    groups: dict[tuple[str, str | None], list[Examination]] = defaultdict(list)
    for examination in examinations:
        groups[examination.case.dataset, examination.case.contrast].append(examination)
    for members in groups.values():
        yield from _spacings(members)
        yield from _sizes(members)
        yield from _brightness(members)
        yield from _volumes(members)


def far_out(values: NDArray[np.float64], least_ratio: float) -> NDArray[np.bool_]:
    """Which positive values lie far from the median on a logarithmic scale.

    Args:
        values: (N,) positive numbers.
        least_ratio: A value within this factor of the median is never far.

    Returns:
        (N,) mask; all False for fewer than 8 values.
    """
    if len(values) < LEAST_CASES:
        return np.zeros(len(values), bool)
    logs = np.log(np.maximum(values, 1e-12))
    away = np.abs(logs - np.median(logs))
    spread = 1.4826 * float(np.median(away))
    return np.asarray(away > max(DEVIATIONS * spread, np.log(least_ratio)))


def _spacings(members: list[Examination]) -> Iterator[Finding]:
    shown = [(e, e.image) for e in members if e.image is not None]
    if not shown:
        return
    # Sorted, so that axial and sagittal stacks compare; which axis is thick is no matter of scale.
    spacing = np.array([sorted(image.spacing_mm) for _, image in shown])
    far = np.stack([far_out(spacing[:, n], 1.8) for n in range(3)], axis=1)
    usual = "×".join(f"{mm:.3g}" for mm in np.median(spacing, axis=0))
    for (examination, image), flags in zip(shown, far, strict=True):
        if flags.any():
            here = "×".join(f"{mm:.3g}" for mm in image.spacing_mm)
            text = f"spacing {here} mm, where {usual} mm (sorted) is usual"
            yield _about_image("spacing-outlier", examination, text)


def _sizes(members: list[Examination]) -> Iterator[Finding]:
    shown = [(e, e.image) for e in members if e.image is not None]
    if not shown:
        return
    size = np.array([image.size_mm for _, image in shown])
    for axis, word in enumerate(("left-right", "front to back", "upwards")):
        for (examination, _), flag, mm in zip(
            shown, far_out(size[:, axis], 2.2), size[:, axis], strict=True
        ):
            if flag:
                text = f"{mm:.0f} mm {word}, where {np.median(size[:, axis]):.0f} mm is usual"
                yield _about_image("size-outlier", examination, text)


def _brightness(members: list[Examination]) -> Iterator[Finding]:
    shown = [(e, e.image) for e in members if e.image is not None]
    if not shown:
        return
    ranges = np.array([max(image.levels[2] - image.levels[0], 1e-9) for _, image in shown])
    for (examination, _), flag, value in zip(shown, far_out(ranges, 12.0), ranges, strict=True):
        if flag:
            text = f"brightness ranges over {value:.4g}, where {np.median(ranges):.4g} is usual"
            yield _about_image("intensity-outlier", examination, text)
    negative = [image.levels[0] < -0.05 * (image.levels[2] - image.levels[0]) for _, image in shown]
    if len(shown) >= LEAST_CASES and 0 < sum(negative) <= 0.1 * len(shown):
        for (examination, image), flag in zip(shown, negative, strict=True):
            if flag:
                text = f"has negative values (1 % lie below {image.levels[0]:.4g}), unlike others"
                yield _about_image("intensity-outlier", examination, text)


def _volumes(members: list[Examination]) -> Iterator[Finding]:
    """Structures far larger or smaller than under the same name in other cases.

    Volumes are divided by the case's own median, since patients differ in size. Outermost
    structures and those cut by the upper or lower edge are passed over, as are canal, cord and
    cases whose axes or names are wrong.
    """
    members = [e for e in members if not {f.code for f in e.findings} & MISLEADING]
    own = {e.case.name: _relative(e) for e in members}
    names = sorted({name for relative in own.values() for name in relative})
    for name in names:
        having = [e for e in members if name in own[e.case.name]]
        values = np.array([own[e.case.name][name] for e in having])
        far = far_out(values, LEAST_RATIO[kind_of(name)])
        for examination, flag, value in zip(having, far, values, strict=True):
            if flag:
                ratio = value / float(np.median(values))
                text = f"{name} is {ratio:.2g} times as large as its like, beside its neighbours"
                yield Finding("volume-outlier", examination.case.name, text, structures=(name,))


def _relative(examination: Examination) -> dict[str, float]:
    """Volume of each whole vertebra and disc over the median of the case's own kind."""
    result: dict[str, float] = {}
    for kind in ("vertebra", "disc"):
        ranked = sorted(
            (rank, name)
            for name in examination.structures
            if kind_of(name) == kind and (rank := rank_of(name)) is not None
        )
        whole = {
            name: examination.structures[name].volume_mm3
            for _, name in ranked[1:-1]
            if not examination.structures[name].is_cut
        }
        if len(whole) >= 2:
            usual = float(np.median(list(whole.values())))
            # Beside the uppermost, one of which hardly anything is in view is cut as well.
            second = ranked[1][1]
            if whole.get(second, usual) < TIP_SHARE * usual:
                del whole[second]
            result |= {name: mm3 / usual for name, mm3 in whole.items()}
    return result


def _about_image(code: str, examination: Examination, text: str) -> Finding:
    return Finding(code, examination.case.name, text, examination.case.image.name)
