"""From a normalised volume to probabilities, with ONNX Runtime on the CPU.

It knows nothing of files, names or instances; the volume already lies on the model's grid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.column import LEVELS
from spinekit.anatomy.scheme import PARTS
from spinekit.core.errors import ModelError
from spinekit.core.modelspec import METADATA_KEY, OTHER_VERSION, ModelSpec, spec_from_json
from spinekit.core.slices import neighbour_slices
from spinekit.core.volume import Volume

if TYPE_CHECKING:
    import onnxruntime

BATCH_PIXELS = 700_000
"""Pixels sent to the network at once; bounds memory (about 0.4 GB of activations)."""

_LEAST_HALF = np.float32(np.finfo(np.float16).smallest_normal)


@dataclass(frozen=True)
class Model:
    """A loaded model file."""

    session: onnxruntime.InferenceSession
    spec: ModelSpec
    sha256: str


@dataclass(frozen=True)
class Prediction:
    """Probabilities on the working grid.

    Attributes:
        parts_probs: (7, I, J, K) float16, summing to 1 over parts.
        level_probs: (27, I, J', K') float32, summing to 1 over levels; cell (a, b) covers pixels
            8a…8a+7, 8b…8b+7 where the stride is 8.
        level_stride: Pixels per cell.
    """

    parts_probs: NDArray[np.float16]
    level_probs: NDArray[np.float32]
    level_stride: int


def load_model(path: Path | None = None, *, threads: int = 2) -> Model:
    """Load a model file, the embedded one when no path is given.

    Raises:
        ModelError: The file is missing, is no ONNX model, carries no promise, or one of other
            classes or slices than this version reads.
    """
    import onnxruntime

    name = path.name if path else "default.onnx"
    try:
        data = (
            path.read_bytes()
            if path
            else resources.files("spinekit.models").joinpath("default.onnx").read_bytes()
        )
    except OSError as error:
        raise ModelError(
            "model-missing",
            f"{name}: {error.strerror or error}",
            "give a file that exists (--model, from Python model=)",
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            "model-unreadable",
            f"{name}: no ONNX model that this runtime reads",
            "export it with 'spinekit train'",
        ) from error
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            "model-foreign",
            f"{name}: an ONNX model, but not one of SpineKit's",
            "export it with 'spinekit train'",
        )
    spec = spec_from_json(text, source=name)
    _check_promise(session, spec, name)
    return Model(session, spec, hashlib.sha256(data).hexdigest())


def _check_promise(session: onnxruntime.InferenceSession, spec: ModelSpec, name: str) -> None:
    """Refuse a model whose classes or slices are not those read here, or of another grid."""
    for key, promised, read in (("parts", spec.parts, PARTS), ("levels", spec.levels, LEVELS)):
        if promised != read:
            raise ModelError(
                "model-spec",
                f"{name}: its {key} are {', '.join(promised)}",
                f"train one with the {key} {', '.join(read)}",
            )
    slices = session.get_inputs()[0].shape[1]
    if slices != spec.context:
        raise ModelError(
            "model-spec",
            f"{name}: its network reads {slices} slices, its metadata say {spec.context}",
            OTHER_VERSION,
        )
    _check_maps(session, spec, name)


def _check_maps(session: onnxruntime.InferenceSession, spec: ModelSpec, name: str) -> None:
    """Refuse a model that cannot read slices of its own sizes, or answers with other cells."""
    # One and three of the least side, so that it shows where that is half of the true one.
    sides = (spec.size_multiple, 3 * spec.size_multiple)
    try:
        blank = np.zeros((1, spec.context, *sides), np.float32)
        answer = session.run(["parts_probs", "level_probs"], {"slices": blank})
    except Exception as error:
        told = f"{name}: its network cannot read slices of {sides[0]} × {sides[1]} pixels"
        raise ModelError("model-spec", told, OTHER_VERSION) from error
    cells = tuple(-(-side // spec.level_stride) for side in sides)
    if [array.shape[2:] for array in answer] != [sides, cells]:
        raise ModelError(
            "model-spec",
            f"{name}: its network answers with other pixels, or cells of levels, than its metadata "
            f"say ({spec.size_multiple} and {spec.level_stride})",
            OTHER_VERSION,
        )


def predict(
    model: Model,
    working: Volume,
    *,
    progress: Callable[[float], None] | None = None,
) -> Prediction:
    """Run the network over every sagittal slice.

    Args:
        model: From `load_model`.
        working: (I, J, K) image in [0, 1] on the model's grid, i→R, j→A, k→S.
        progress: Called with the finished fraction, 0 … 1.

    Returns:
        Probabilities on the volume's grid.
    """
    spec = model.spec
    image = np.asarray(working.array, np.float32)
    total, size_j, size_k = image.shape
    pad = [(-size) % spec.size_multiple for size in (size_j, size_k)]
    padded = np.pad(image, ((0, 0), (0, pad[0]), (0, pad[1])))
    near = neighbour_slices(
        total,
        slice_mm=working.grid.spacing_mm[0],
        neighbour_mm=spec.neighbour_mm,
        context=spec.context,
    )
    parts = np.empty((len(spec.parts), total, size_j, size_k), np.float16)
    cells = tuple(-(-size // spec.level_stride) for size in (size_j, size_k))
    levels = np.empty((len(spec.levels), total, *cells), np.float32)
    batch = max(1, BATCH_PIXELS // (padded.shape[1] * padded.shape[2]))
    for start in range(0, total, batch):
        stop = min(start + batch, total)
        part, level = model.session.run(
            ["parts_probs", "level_probs"], {"slices": padded[near[start:stop]]}
        )
        parts[:, start:stop] = _to_half(part).transpose(1, 0, 2, 3)[:, :, :size_j, :size_k]
        levels[:, start:stop] = level.transpose(1, 0, 2, 3)[:, :, : cells[0], : cells[1]]
        if progress is not None:
            progress(stop / total)
    return Prediction(parts, levels, spec.level_stride)


def _to_half(probs: NDArray[np.float32]) -> NDArray[np.float16]:
    """Probabilities as 16-bit floats, those below their least normal number (6e-5) as 0.

    Two thirds of a scan's probabilities lie below it, and numpy takes ten times as long to round
    them to subnormal numbers: a quarter of the whole prediction.
    """
    return np.where(probs < _LEAST_HALF, np.float32(0), probs).astype(np.float16)
