"""What a model file promises: its grid, its classes, where it came from, how it scored.

Stored as one JSON string in the ONNX file's metadata. It knows nothing of ONNX or torch.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spinekit.core.errors import ModelError

METADATA_KEY = "spinekit"
"""Key of the JSON string in the model file's metadata."""


@dataclass(frozen=True)
class ModelSpec:
    """Promise of one model file."""

    name: str
    """Shown in the sidecar."""
    in_plane_mm: float
    """Spacing along A and S that the slices must have."""
    min_slice_mm: float
    """Sagittal slices thinner than this are averaged before the network."""
    neighbour_mm: float
    """Distance along R of the neighbouring slices."""
    context: int
    """Slices the network reads."""
    size_multiple: int
    """Slice sizes must be padded to multiples of this."""
    level_stride: int
    """Pixels per cell of the level map."""
    parts: tuple[str, ...]
    """Classes of the parts output, in order."""
    levels: tuple[str, ...]
    """Classes of the level output, in order."""
    gmac_per_megapixel: float
    """Multiply-accumulates (10⁹) for 10⁶ pixels."""
    recipe: dict[str, Any] = field(default_factory=dict)
    """The resolved recipe."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Data hash, sets and versions of the training."""
    scores: dict[str, Any] = field(default_factory=dict)
    """Measured scores, each saying on what."""

    def to_json(self) -> str:
        """One JSON object with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def spec_from_json(text: str, *, source: str) -> ModelSpec:
    """Read a promise back.

    Raises:
        ModelError: The text is no promise of this version.
    """
    try:
        values = json.loads(text)
        for key in ("parts", "levels"):
            values[key] = tuple(values[key])
        return ModelSpec(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            "model-spec",
            f"{source}: its SpineKit metadata cannot be read ({error})",
            "export the model again with this version",
        ) from error


def ancestors(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What is known of every start and teacher that a model goes back to; some come twice."""
    yield from facts.get("lineage", ())
    for role in ("start", "teacher"):
        if role in facts:
            yield facts[role]
            yield from ancestors(facts[role])
