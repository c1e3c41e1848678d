"""What a model file promises: its grid, its classes, where it came from, how it scored.

Stored as one JSON string in the ONNX file's metadata. It knows nothing of ONNX or torch.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spinekit.core.errors import ModelError

METADATA_KEY = "spinekit"
"""Key of the JSON string in the model file's metadata."""
OTHER_VERSION = "use the version of spinekit that made it, or export the model again with this one"
"""What to do with a model that another version made."""


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= 1024


def _is_names(value: Any) -> bool:
    return bool(value) and all(isinstance(name, str) for name in value)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


_RULES: dict[str, Callable[[Any], bool]] = {
    "name": lambda value: isinstance(value, str),
    **dict.fromkeys(
        ("in_plane_mm", "min_slice_mm", "neighbour_mm", "gmac_per_megapixel"), _is_positive
    ),
    **dict.fromkeys(("context", "size_multiple", "level_stride"), _is_count),
    **dict.fromkeys(("parts", "levels"), _is_names),
    **dict.fromkeys(("recipe", "facts", "scores"), _is_table),
}
"""What the values of a promise must be."""


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
        ModelError: The text is no promise of this version, or one that cannot be kept.
    """
    try:
        values = json.loads(text)
        for key in ("parts", "levels"):
            values[key] = tuple(values[key])
        spec = ModelSpec(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(
            "model-spec",
            f"{source}: its SpineKit metadata cannot be read ({error})",
            OTHER_VERSION,
        ) from error
    for key, holds in _RULES.items():
        if not holds(getattr(spec, key)):
            raise ModelError(
                "model-spec", f"{source}: its {key} is {getattr(spec, key)!r}", OTHER_VERSION
            )
    return spec


def ancestors(facts: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What is known of every start and teacher that a model goes back to; some come twice."""
    yield from facts.get("lineage", ())
    for role in ("start", "teacher"):
        if role in facts:
            yield facts[role]
            yield from ancestors(facts[role])
