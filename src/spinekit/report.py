"""The report beside a result: all that is known of how it came about, and enough to name again.

It puts what the steps found into plain values and reads them back; it decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.scheme import LEVELS
from spinekit.core.errors import InputError, Notice
from spinekit.core.grid import Grid
from spinekit.io.reports import StoredReport
from spinekit.labelling.naming import Naming
from spinekit.structures import NamedInstance, Structure

SCHEMA_VERSION = 1
"""Of the report's layout; grows when a key changes its meaning."""


def build_report(
    *,
    source: Mapping[str, Any],
    card: Mapping[str, Any],
    options: Mapping[str, Any],
    seconds: dict[str, float],
    structures: Sequence[Structure],
    naming: Naming,
    notices: Sequence[Notice],
    evidence: Mapping[str, Any],
    outside: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Put a result into the sidecar's keys.

    Args:
        source: What was read: file name, hash, shape, spacing, orientation.
        card: What the model says of itself; its values are None where none was used.
        options: All that could change the result.
        seconds: Step → time it took.
        structures: The table.
        naming: How the names were decided.
        notices: What there is to doubt.
        evidence: From `describe_evidence`.
        outside: What each other source, such as a localizer, says of the names.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "spinekit_version": version("spinekit"),
        "not_a_medical_device": True,
        "input": source,
        "model": card,
        "options": options,
        "seconds": seconds,
        "structures": [asdict(structure) for structure in structures],
        "canal_with_cord_mm3": sum_canal(structures),
        "column": {**describe_column(naming), "outside": list(outside)},
        "warnings": [asdict(notice) for notice in notices],
        "evidence": evidence,
        "provenance": [],
        "files": [],
        "voxels_sha256": {},
    }


def sum_canal(structures: Sequence[Structure]) -> float | None:
    """Volume of canal and cord together, mm³; None where neither was found."""
    sizes = [row.volume_mm3 for row in structures if row.part.startswith("spinal_")]
    return round(sum(sizes), 1) if sizes else None


def describe_column(naming: Naming) -> dict[str, Any]:
    """The sidecar's `column`: what is ambiguous or odd about the names."""
    return {
        "ambiguous": naming.ambiguous,
        "reason": naming.reason,
        "anomalies": [
            {"name": found.name, "probability": found.probability, "text": found.text}
            for found in naming.anomalies
        ],
        "alternatives": [
            {"names": list(names), "probability": round(float(probability), 4)}
            for names, probability in naming.alternatives
        ],
    }


def describe_evidence(
    instances: Instances,
    evidence: NDArray[np.floating],
    named: Sequence[NamedInstance],
    grid: Grid,
    outside: NDArray[np.floating] | None = None,
) -> dict[str, Any]:
    """What naming was decided from, so that names can be given again without the network.

    Args:
        instances: The split column.
        evidence: (n, 27) distribution over LEVELS per item.
        named: The items with the names they bear in the results.
        grid: Working grid the instances lie on.
        outside: (n, 27) log likelihood of LEVELS from other sources, None without any.
    """
    places = grid.ijk_to_ras([item.centroid_ijk for item in instances.items])
    names = {id(entry.item): entry.name for entry in named}
    items = [
        {
            "name": names.get(id(item)),
            **{key: _plain(value) for key, value in asdict(item).items()},
            "centroid_ras_mm": place,
            "levels": np.round(row.astype(np.float64), 4).tolist(),
            "outside": None if outside is None else np.round(outside[n], 3).tolist(),
        }
        for n, (item, place, row) in enumerate(
            zip(instances.items, np.round(places, 2).tolist(), evidence, strict=True)
        )
    ]
    return {
        "level_names": list(LEVELS),
        "shape": list(grid.shape),
        "spacing_mm": list(grid.spacing_mm),
        "told_apart": instances.told_apart,
        "items": items,
    }


def recall_evidence(
    stored: Mapping[str, Any],
) -> tuple[Instances, NDArray[np.float64], tuple[str | None, ...]]:
    """Read back what `describe_evidence` wrote.

    Args:
        stored: The sidecar's `evidence`.

    Returns:
        Instances whose maps are empty, (n, 27) distributions, and the names the items bear.

    Raises:
        InputError: It is incomplete, or of another version.
    """
    try:
        if tuple(stored["level_names"]) != LEVELS:
            raise KeyError("level_names")
        keys = [field.name for field in fields(Instance)]
        items = tuple(
            Instance(**{**{key: row[key] for key in keys}, "centroid_ijk": (*row["centroid_ijk"],)})
            for row in stored["items"]
        )
        shape = tuple(int(size) for size in stored["shape"])
        right, front, up = (float(step) for step in stored["spacing_mm"])
        levels = np.array([row["levels"] for row in stored["items"]], dtype=np.float64)
        names = tuple(row["name"] for row in stored["items"])
        empty = np.broadcast_to(np.uint8(0), shape)
        is_told = bool(stored.get("told_apart", False))
        instances = Instances(empty, empty, empty, items, (right, front, up), is_told)
        return instances, levels.reshape(len(items), len(LEVELS)), names
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "report-without-evidence",
            f"lacks what names are decided from ({error})",
            "segment the scan again",
        ) from error


def read_report(path: Path) -> StoredReport:
    """Read a report that names can be decided from again.

    Args:
        path: The JSON file.

    Raises:
        InputError: It is not there, no report of this program, or of another version.
    """
    stored = StoredReport.read(path)
    try:
        recall_evidence(stored.evidence)
    except InputError as error:
        raise InputError(error.code, f"{path.name}: {error.message}", error.remedy) from error
    return stored


def recall_outside(stored: Mapping[str, Any]) -> NDArray[np.float64] | None:
    """Read back the (n, 27) log likelihood from other sources; None where there was none.

    Args:
        stored: The sidecar's `evidence`, as `recall_evidence` accepts it.
    """
    rows = [row.get("outside") for row in stored["items"]]
    if not any(rows):
        return None
    return np.array([row or [0.0] * len(LEVELS) for row in rows], dtype=np.float64)


def _plain(value: Any) -> Any:
    """Numbers rounded to what they can mean, tuples as lists."""
    if isinstance(value, float):
        return round(value, 3)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value
