"""From a checkpoint to the one file that prediction reads.

Weights are stored as 16-bit floats and widened when the file is loaded, which halves it; the
promise (`ModelSpec`) travels in the metadata.
"""

from __future__ import annotations

import dataclasses
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spinekit.anatomy.scheme import LEVELS, PARTS
from spinekit.core.errors import ModelError
from spinekit.core.modelspec import METADATA_KEY, ModelSpec, spec_from_json
from spinekit.io.writing import write_bytes
from spinekit.networks.slice_unet import DOWNSCALE, LEVEL_STRIDE, SliceUNet
from spinekit.training.checkpoint import hash_weights, load_checkpoint
from spinekit.training.network import shape_network
from spinekit.training.recipe import Recipe
from spinekit.training.start import read_model, recipe_from_plain

OPSET = 18
SMALL = 256
"""Weights of fewer numbers stay 32-bit (normalisation gains, biases)."""


class Probabilities(nn.Module):
    """The network with softmax over parts and levels."""

    def __init__(self, network: SliceUNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, slices: Tensor) -> tuple[Tensor, Tensor]:
        """(B, context, J, K) → parts and level probabilities."""
        parts, levels = self.network(slices)
        return _softmax(parts), _softmax(levels)


def _softmax(logits: Tensor) -> Tensor:
    """Softmax over channels, in steps that ONNX Runtime computes faster than its own operator."""
    powers = (logits - logits.amax(dim=1, keepdim=True)).exp()
    return powers * (1.0 / powers.sum(dim=1, keepdim=True))


def load_network(checkpoint: Path) -> tuple[SliceUNet, Recipe, dict[str, Any]]:
    """The checkpoint's mean weights in a network, its recipe and its facts.

    Raises:
        ModelError: The checkpoint cannot be read.
    """
    state = load_checkpoint(checkpoint, torch.device("cpu"))
    recipe = recipe_from_plain(state["recipe"], source=checkpoint.name)
    network = shape_network(recipe)
    network.load_state_dict(state["mean"])
    return network.eval(), recipe, state["facts"]


def export_checkpoint(
    checkpoint: Path,
    target: Path,
    *,
    scores: dict[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """Write `target` as ONNX with its promise inside, whole or not at all.

    `weights_sha256` in it is that of the trained weights (`hash_weights`), before they are halved.

    Raises:
        ModelError: The checkpoint cannot be read.
        OutputError: The file cannot be written.
    """
    import onnx

    network, recipe, facts = load_network(checkpoint)
    model = onnx.load_from_string(_export_graph(network, recipe))
    halve_weights(model)
    spec = ModelSpec(
        name=recipe.name,
        in_plane_mm=recipe.working_mm,
        min_slice_mm=recipe.min_slice_mm,
        neighbour_mm=recipe.neighbour_mm,
        context=recipe.context,
        size_multiple=DOWNSCALE,
        level_stride=LEVEL_STRIDE,
        parts=PARTS,
        levels=LEVELS,
        gmac_per_megapixel=count_gmac(network, recipe),
        recipe=dataclasses.asdict(recipe),
        facts={**facts, "weights_sha256": hash_weights(network.state_dict())},
        scores=scores or {},
    )
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    write_bytes(target, model.SerializeToString())
    report(f"exported {target.name}: {target.stat().st_size / 1e6:.1f} MB")
    return target


def is_exported(checkpoint: Path, target: Path) -> bool:
    """Whether `target` is a model file of the checkpoint's weights, as scored as it may be by now.

    Raises:
        ModelError: The checkpoint cannot be read.
    """
    weights = hash_weights(load_checkpoint(checkpoint, torch.device("cpu"))["mean"])
    try:
        _, spec = read_model(target)
    except ModelError:
        return False
    return spec.facts.get("weights_sha256") == weights


def store_scores(path: Path, scores: dict[str, Any]) -> None:
    """Put measured scores into a model file, whole or not at all.

    Raises:
        ModelError: The file carries no promise of this version.
        OutputError: It cannot be written.
    """
    import onnx

    model = onnx.load(path)
    text = {item.key: item.value for item in model.metadata_props}.get(METADATA_KEY, "")
    spec = dataclasses.replace(spec_from_json(text, source=path.name), scores=scores)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    write_bytes(path, model.SerializeToString())


def _export_graph(network: SliceUNet, recipe: Recipe) -> bytes:
    """The network traced with free batch and slice sizes, as an ONNX file's content."""
    traced = io.BytesIO()
    sample = torch.zeros(2, recipe.context, 2 * DOWNSCALE, 3 * DOWNSCALE)
    axes = {0: "batch", 2: "j", 3: "k"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Probabilities(network).eval(),
            (sample,),
            traced,
            input_names=["slices"],
            output_names=["parts_probs", "level_probs"],
            dynamic_axes={"slices": axes, "parts_probs": axes, "level_probs": axes},
            opset_version=OPSET,
            dynamo=False,
        )
    return traced.getvalue()


def halve_weights(model: Any) -> None:
    """Store large weights as 16-bit floats behind a Cast that the runtime folds away on loading."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    casts = []
    for weight in list(graph.initializer):
        array = numpy_helper.to_array(weight)
        if array.dtype != np.float32 or array.size < SMALL:
            continue
        stored = numpy_helper.from_array(array.astype(np.float16), f"{weight.name}_half")
        casts.append(helper.make_node("Cast", [stored.name], [weight.name], to=TensorProto.FLOAT))
        graph.initializer.remove(weight)
        graph.initializer.append(stored)
    for node in reversed(casts):
        graph.node.insert(0, node)


def count_gmac(network: SliceUNet, recipe: Recipe) -> float:
    """Multiply-accumulates of all convolutions, 10⁹ per 10⁶ pixels."""
    total = 0

    def hook(module: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            taps = module.kernel_size[0] * module.kernel_size[1] * module.in_channels
            total += output.numel() * taps // module.groups

    handles = [m.register_forward_hook(hook) for m in network.modules()]
    side = 8 * DOWNSCALE
    with torch.no_grad():
        network(torch.zeros(1, recipe.context, side, side))
    for handle in handles:
        handle.remove()
    return total / side**2 / 1e3
