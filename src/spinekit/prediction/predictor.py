"""A predictor: whatever turns a normalised volume into probabilities, a model file usually.

It knows models and threads, and nothing of scans, instances or names.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from spinekit.core.volume import Volume
from spinekit.prediction.runner import Model, Prediction, load_model, predict

Progress = Callable[[float], None]
"""Told the share of the prediction that is done, 0 to 1."""


class Predictor(Protocol):
    """Whatever turns a normalised volume into probabilities."""

    @property
    def card(self) -> dict[str, Any]:
        """`name`, `sha256`, `recipe` and `scores` for the report."""

    @property
    def grid_mm(self) -> tuple[float, float]:
        """In-plane spacing and least slice spacing of the working grid, mm."""

    def predict(self, working: Volume, progress: Progress | None) -> Prediction:
        """Probabilities of an (I, J, K) volume in [0, 1] on the working grid."""


@dataclass(frozen=True)
class ModelPredictor:
    """A model file as a predictor."""

    model: Model

    @property
    def card(self) -> dict[str, Any]:
        """What the model file says of itself."""
        spec = self.model.spec
        return {
            "name": spec.name,
            "sha256": self.model.sha256,
            "recipe": spec.recipe.get("name", spec.name),
            "scores": spec.scores,
        }

    @property
    def grid_mm(self) -> tuple[float, float]:
        """In-plane spacing and least slice spacing the model was trained for, mm."""
        return self.model.spec.in_plane_mm, self.model.spec.min_slice_mm

    def predict(self, working: Volume, progress: Progress | None) -> Prediction:
        """Run the network over the volume."""
        return predict(self.model, working, progress=progress)


def load_predictor(model: str | None = None, *, threads: int = 0) -> Predictor:
    """Load a model file, once for many scans.

    Args:
        model: Path of a model file; None is the one that ships with the package.
        threads: Threads of the network; 0 takes every core this process may use.

    Raises:
        ModelError: The file is missing or is no model of this package.
    """
    path = None if model is None else Path(model)
    return ModelPredictor(load_model(path, threads=threads or available_cores()))


def available_cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
