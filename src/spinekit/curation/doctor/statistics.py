"""Statistics of a set as plain values, and the diagnosis as JSON.

It counts and sorts; it judges nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from spinekit import __version__
from spinekit.curation.doctor.comparisons.balance import count_regions
from spinekit.curation.doctor.examination import Examination
from spinekit.curation.doctor.meaning import rank_of
from spinekit.curation.doctor.rounds import Diagnosis

SCHEMA_VERSION = 1


def describe_set(examinations: Sequence[Examination]) -> dict[str, Any]:
    """Counts, sizes, spacings, orientations, contrasts, regions and structures of a set.

    Args:
        examinations: All cases.

    Returns:
        Plain values; lengths in mm as lowest, median and highest.
    """
    images = [e.image for e in examinations if e.image is not None]
    return {
        "cases": len(examinations),
        "subjects": len({(e.case.dataset, e.case.subject) for e in examinations}),
        "datasets": _count(e.case.dataset for e in examinations),
        "contrasts": _count(e.case.contrast or "unknown" for e in examinations),
        "splits": _count(e.case.facts["split"] for e in examinations if "split" in e.case.facts),
        "images_read": len(images),
        "orientations": _count(image.orientation for image in images),
        "spacing_mm": {
            axis: _spread([image.spacing_mm[n] for image in images]) for n, axis in enumerate("RAS")
        },
        "size_mm": {
            axis: _spread([image.size_mm[n] for image in images]) for n, axis in enumerate("RAS")
        },
        "brightness_99": _spread([image.levels[2] for image in images]),
        "regions": count_regions(examinations),
        "structures": _structures(examinations),
    }


def describe_diagnosis(diagnosis: Diagnosis, *, source: str, dataset: str) -> dict[str, Any]:
    """Everything but the pictures, for `doctor.json`.

    Args:
        diagnosis: Of the set.
        source: Name of its folder.
        dataset: Layout it was read as.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "spinekit_version": __version__,
        "source": source,
        "dataset": dataset,
        "counts": diagnosis.counts,
        "findings": [finding.to_dict() for finding in diagnosis.findings],
        "statistics": describe_set(diagnosis.examinations),
        "cases": [_case(examination) for examination in diagnosis.examinations],
    }


def _case(examination: Examination) -> dict[str, Any]:
    case, image = examination.case, examination.image
    return {
        "name": case.name,
        "dataset": case.dataset,
        "subject": case.subject,
        "contrast": case.contrast,
        "facts": dict(case.facts),
        "image": None
        if image is None
        else {
            "file": case.image.name,
            "shape": list(image.shape),
            "spacing_ras_mm": list(image.spacing_mm),
            "size_ras_mm": list(image.size_mm),
            "orientation": image.orientation,
            "brightness_1_50_99": [float(f"{level:.6g}") for level in image.levels],
            "voxel_digest": image.digest,
        },
        "axes": None
        if examination.axes is None
        else {
            "found": examination.axes.found,
            "told": examination.axes.told,
            "by": examination.axes.source,
        },
        "structures": {
            name: {"voxels": facts.voxels, "volume_mm3": facts.volume_mm3}
            for name, facts in examination.structures.items()
        },
    }


def _count(words: Any) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _spread(values: list[float]) -> list[float] | None:
    if not values:
        return None
    return [float(f"{n:.4g}") for n in (min(values), float(np.median(values)), max(values))]


def _structures(examinations: Sequence[Examination]) -> list[dict[str, Any]]:
    """One row per name, from the top, names without a level last."""
    rows: dict[str, list[tuple[int, float]]] = {}
    for examination in examinations:
        for name, facts in examination.structures.items():
            rows.setdefault(name, []).append((facts.voxels, facts.volume_mm3))
    total = sum(voxels for found in rows.values() for voxels, _ in found) or 1
    ordered = sorted(rows, key=lambda name: (rank_of(name) is None, rank_of(name) or 0.0, name))
    return [
        {
            "name": name,
            "cases": len(rows[name]),
            "voxels": sum(voxels for voxels, _ in rows[name]),
            "share": round(sum(voxels for voxels, _ in rows[name]) / total, 6),
            "volume_mm3": _spread([mm3 for _, mm3 in rows[name]]),
        }
        for name in ordered
    ]
