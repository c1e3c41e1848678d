"""A predictor: whatever turns a normalised volume into probabilities, a model file usually.

It knows models and threads, and nothing of scans, instances or names.
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import ModelError
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


def ask_predictor(
    predictor: Predictor, working: Volume, progress: Progress | None = None
) -> Prediction:
    """What a predictor answers, if it is of use.

    Args:
        predictor: Any, also one that is not of this package.
        working: (I, J, K) image in [0, 1] on the predictor's grid, i→R, j→A, k→S.
        progress: Told the share that is done, 0 to 1.

    Returns:
        Finite probabilities of the parts and levels, of the shapes that Prediction promises; those
        of the parts may be changed, for they are no array that another predictor keeps.

    Raises:
        ModelError: The answer has another shape, or holds what is no number.
    """
    answer = predictor.predict(working, progress)
    stride = answer.level_stride
    if stride < 1:
        raise _no_answer(predictor, f"level_stride is {stride}", "give pixels per cell, 1 or more")
    slices, *in_plane = working.shape
    _check_probs(predictor, "parts_probs", answer.parts_probs, (len(PARTS), *working.shape))
    cells = (-(-size // stride) for size in in_plane)
    _check_probs(predictor, "level_probs", answer.level_probs, (len(LEVELS), slices, *cells))
    if isinstance(predictor, ModelPredictor):
        return answer
    return dataclasses.replace(answer, parts_probs=np.array(answer.parts_probs))


def _check_probs(
    predictor: Predictor, name: str, probs: NDArray[np.floating], shape: tuple[int, ...]
) -> None:
    if probs.shape != shape:
        text = f"{name} has the shape {probs.shape}"
        raise _no_answer(predictor, text, f"for this scan it must have {shape}")
    if not all(np.isfinite(channel).all() for channel in probs):
        text = f"{name} holds NaN or infinite values"
        raise _no_answer(predictor, text, "probabilities are 0 to 1")


def _no_answer(predictor: Predictor, text: str, remedy: str) -> ModelError:
    return ModelError("model-answer", f"{predictor.card['name']}: {text}", remedy)


def available_cores() -> int:
    """Number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
