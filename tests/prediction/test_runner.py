"""Model files that are missing, damaged or foreign are named."""

import dataclasses
from importlib import resources

import pytest

from spinekit.core.errors import ModelError
from spinekit.core.modelspec import METADATA_KEY, ModelSpec, spec_from_json
from spinekit.prediction.runner import load_model


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx"):
        load_model(tmp_path / "none.onnx")


def test_damaged_file(tmp_path):
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08\x07 no graph")
    with pytest.raises(ModelError, match=r"broken\.onnx.*no ONNX model"):
        load_model(path)


def test_foreign_model(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])],
        "g",
        [helper.make_tensor_value_info("a", kind, [1])],
        [helper.make_tensor_value_info("b", kind, [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ModelError, match="not one of SpineKit's"):
        load_model(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parts": ("background", "disc")}, "parts are background, disc"),
        ({"levels": ("C2", "C1")}, "levels are C2, C1"),
        ({"context": 5}, "reads 3 slices, its metadata say 5"),
        ({"level_stride": 0}, "its level_stride is 0; use the version"),
        ({"level_stride": 4}, r"cells of levels, .* \(32 and 4\)"),
        ({"size_multiple": 16}, "16 × 48"),
        ({"in_plane_mm": "0.87"}, "its in_plane_mm is '0.87'"),
        ({"in_plane_mm": 0.0}, "its in_plane_mm is 0.0"),
        ({"min_slice_mm": float("nan")}, "its min_slice_mm is nan"),
        ({"facts": []}, r"its facts is \[\]"),
    ],
)
def test_a_model_that_promises_other_classes_or_slices_is_refused(tmp_path, changes, said):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(resources.files("spinekit.models").joinpath("default.onnx"))
    text = {entry.key: entry.value for entry in model.metadata_props}[METADATA_KEY]
    spec = dataclasses.replace(spec_from_json(text, source="default.onnx"), **changes)
    onnx.helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, tmp_path / "changed.onnx")
    with pytest.raises(ModelError, match=f"changed.onnx: .*{said}"):
        load_model(tmp_path / "changed.onnx")


def test_promise_round_trip():
    spec = ModelSpec("m", 1.0, 2.0, 4.0, 3, 32, 8, ("a", "b"), ("C1",), 12.5, {"seed": 1})
    assert spec_from_json(spec.to_json(), source="m") == spec


@pytest.mark.parametrize("text", ["", "{}", '{"parts": [], "levels": [], "new": 1}'])
def test_unreadable_promise_is_named(text):
    with pytest.raises(ModelError, match=r"m\.onnx"):
        spec_from_json(text, source="m.onnx")
