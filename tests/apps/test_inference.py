import warnings

import numpy as np
import pytest

from blocks import NAMES, BlockSpine, oracle_for
from spinekit.apps import inference
from spinekit.apps.inference import SegmentationInference, affine_for
from spinekit.core.errors import SpineKitError


@pytest.fixture(autouse=True)
def oracle_model(spine: BlockSpine, monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> object:
        oracle = oracle_for(spine)
        # The adapter puts the first voxel at the origin, in LPI order.
        flipped = affine_for("LPI", (4.0, 1.0, 1.0)) @ np.linalg.inv(np.diag([-4.0, -1, -1, 1]))
        start = np.array([(n - 1) * s for n, s in zip(spine.grid.shape, (4, 1, 1), strict=True)])
        affine = flipped @ np.diag([4.0, 1, 1, 1])
        affine[:3, 3] = -start
        grid = type(spine.grid)(spine.grid.shape, affine)
        oracle.parts = type(oracle.parts)(spine.parts, grid)
        oracle.labels = type(oracle.labels)(spine.labels, grid)
        return oracle

    monkeypatch.setattr(inference, "load_predictor", load)


def picture(spine: BlockSpine) -> np.ndarray:
    """Slices as pictures: width runs backwards, height downwards."""
    return spine.image[::-1, ::-1, ::-1]


def test_the_seed_interface(spine: BlockSpine) -> None:
    result = SegmentationInference("CPU", "CPU", output_same_shape_as_input=True).segment(
        picture(spine), only_2class_segmentation=False
    )

    parts = spine.parts[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(result.semantic_segmentation == 2, parts == 3)
    np.testing.assert_array_equal(result.semantic_segmentation == 1, np.isin(parts, (1, 2, 6)))
    names = result.id_to_label
    assert [names[number] for number in sorted(names) if number % 2] == [*NAMES, "S1"]
    assert names[48] == "L5-S1"
    assert set(names) == set(np.unique(result.instance_segmentation)) - {0}
    labels = spine.labels[::-1, ::-1, ::-1]
    np.testing.assert_array_equal(result.instance_segmentation == 43, labels == 44)


def test_classes_alone(spine: BlockSpine) -> None:
    result = SegmentationInference().segment(picture(spine), True)

    assert result.instance_segmentation is None
    assert result.id_to_label == {}
    classes = np.array([0, 1, 1, 2, 0, 0, 1])[spine.parts[::-1, ::-1, ::-1]]
    np.testing.assert_array_equal(result.semantic_segmentation, classes)


def test_a_single_slice_keeps_its_shape(spine: BlockSpine) -> None:
    flat = picture(spine)[8]

    result = SegmentationInference().segment(flat)

    assert result.semantic_segmentation.shape == flat.shape
    assert result.instance_segmentation.shape == flat.shape


@pytest.mark.parametrize("device", ["GPU", 0])
def test_other_devices_warn_and_work(spine: BlockSpine, device: object) -> None:
    with pytest.warns(UserWarning, match="running on the CPU"):
        model = SegmentationInference(device)
    assert 48 in model.segment(picture(spine)).id_to_label
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SegmentationInference("CPU")


def test_wrong_arrays_and_orientations_are_told() -> None:
    with pytest.raises(SpineKitError, match="4 dimensions"):
        SegmentationInference().segment(np.zeros((1, 2, 3, 4)))
    with pytest.raises(SpineKitError, match="no orientation"):
        SegmentationInference(orientation="LLA")
    with pytest.raises(SpineKitError, match="a spacing of"):
        SegmentationInference(spacing_mm=(4.0, 1.0))


def test_orientation_letters_give_directions() -> None:
    affine = affine_for("PIR", (1.0, 2.0, 3.0))

    np.testing.assert_array_equal(affine[:3, :3], [[0, 0, 3], [-1, 0, 0], [0, -2, 0]])
