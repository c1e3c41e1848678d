"""Cases with the same content: voxels, looks, or masks.

It compares digests and signatures, so that headers, compression and turned axes hide nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.findings import Finding

ALIKE = 0.985
"""Correlation of two signatures above which scans look the same."""
_BLOCK = 512


def compare(examinations: Sequence[Examination]) -> Iterator[Finding]:
    """Report images with the same voxels, images that look the same, and masks used twice."""
    twins: set[frozenset[str]] = set()
    for group in _groups([(e, e.image.digest) for e in examinations if e.image is not None]):
        for one in group:
            others = [other for other in group if other is not one]
            twins |= {frozenset((one.case.name, other.case.name)) for other in others}
            yield _same_voxels(one, others)
    yield from _alike(examinations, twins)
    yield from _shared_masks(examinations, twins)


def _groups(pairs: list[tuple[Examination, str]]) -> list[list[Examination]]:
    by_key: dict[str, list[Examination]] = defaultdict(list)
    for examination, key in pairs:
        by_key[key].append(examination)
    return [group for group in by_key.values() if len(group) > 1]


def _same_voxels(one: Examination, others: list[Examination]) -> Finding:
    names = ", ".join(other.case.name for other in others[:5])
    same_file = one.image is not None and all(
        other.image is not None and other.image.file_digest == one.image.file_digest
        for other in others
    )
    how = "the same file" if same_file else "the same voxels under another header or compression"
    patients = {e.case.subject for e in (one, *others)}
    who = "" if len(patients) == 1 else f"; they are said to be {len(patients)} patients"
    text = f"{how} as {names}{who}"
    facts = {"with": [other.case.name for other in others]}
    return Finding("duplicate-image", one.case.name, text, one.case.image.name, facts=facts)


def _alike(examinations: Sequence[Examination], twins: set[frozenset[str]]) -> Iterator[Finding]:
    """Pairs whose signatures agree, block by block so that memory stays flat."""
    shown = [(e, e.image) for e in examinations if e.image is not None]
    if len(shown) < 2:
        return
    signatures = np.stack([image.signature for _, image in shown])
    for start in range(0, len(shown), _BLOCK):
        close = signatures[start : start + _BLOCK] @ signatures.T
        for row, column in np.argwhere(close > ALIKE):
            one, other = shown[start + row][0], shown[column][0]
            pair = frozenset((one.case.name, other.case.name))
            if start + row < column and pair not in twins:
                likeness = float(close[row, column])
                for here, there in ((one, other), (other, one)):
                    text = f"looks the same as {there.case.name} (correlation {likeness:.3f})"
                    facts = {"with": [there.case.name]}
                    name = here.case.image.name
                    yield Finding("near-duplicate", here.case.name, text, name, facts=facts)


def _shared_masks(
    examinations: Sequence[Examination], twins: set[frozenset[str]]
) -> Iterator[Finding]:
    """Masks with the same voxels at the same places beside different images."""
    pairs = [(e, digest) for e in examinations for digest in set(e.mask_digests.values())]
    for group in _groups(pairs):
        for one in group:
            others = [
                other
                for other in group
                if other is not one
                and other.case.subject != one.case.subject
                and frozenset((one.case.name, other.case.name)) not in twins
            ]
            if others:
                names = ", ".join(other.case.name for other in others[:5])
                text = f"has the same mask as {names}, but another image"
                facts = {"with": [other.case.name for other in others]}
                yield Finding("duplicate-mask", one.case.name, text, facts=facts)
