"""A model file of a few nodes that reads block spines by their brightness.

It is a real model file to everything that loads one; it knows parts, and nothing of levels.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from blocks import INTENSITY, STRIDE
from spinekit.anatomy.scheme import LEVELS, PARTS
from spinekit.core.modelspec import METADATA_KEY, ModelSpec

SHARPNESS = -80.0


def write_tiny_model(path: Path) -> Path:
    """Write the model file and return its path."""
    bright = (INTENSITY - INTENSITY.min()) / (INTENSITY.max() - INTENSITY.min())
    weights = {
        "middle": np.array([1], np.int64),
        "bright": bright.reshape(1, -1, 1, 1).astype(np.float32),
        "sharpness": np.array(SHARPNESS, np.float32),
        "nothing": np.array(0, np.float32),
        "even": np.full((1, len(LEVELS), 1, 1), 1 / len(LEVELS), np.float32),
    }
    square = [STRIDE, STRIDE]
    nodes = [
        helper.make_node("Gather", ["slices", "middle"], ["slice"], axis=1),
        helper.make_node("Sub", ["slice", "bright"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Mul", ["distance", "sharpness"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["parts_probs"], axis=1),
        helper.make_node("AveragePool", ["slice"], ["cells"], kernel_shape=square, strides=square),
        helper.make_node("Mul", ["cells", "nothing"], ["empty"]),
        helper.make_node("Add", ["empty", "even"], ["level_probs"]),
    ]
    kind = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("slices", kind, ["b", 3, "j", "k"])],
        [
            helper.make_tensor_value_info("parts_probs", kind, None),
            helper.make_tensor_value_info("level_probs", kind, None),
        ],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    spec = ModelSpec(
        name="tiny",
        in_plane_mm=1.0,
        min_slice_mm=2.0,
        neighbour_mm=4.0,
        context=3,
        size_multiple=32,
        level_stride=STRIDE,
        parts=PARTS,
        levels=LEVELS,
        gmac_per_megapixel=0.01,
        recipe={"name": "tiny"},
    )
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path
