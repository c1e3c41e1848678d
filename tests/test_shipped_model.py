"""The model in the package on phantoms it has not seen: names, sizes, and the same bytes twice."""

from importlib import resources
from typing import Any

import numpy as np
import pytest

from spinekit.anatomy.scheme import VALUES
from spinekit.pipeline import segment
from spinekit.prediction.predictor import Predictor, load_predictor
from spinekit.synth.phantom import Phantom, draw_phantom

pytestmark = pytest.mark.skipif(
    not resources.files("spinekit.models").joinpath("default.onnx").is_file(),
    reason="no model has been trained yet",
)
PLAIN: dict[str, Any] = {
    "fov": "lumbar",
    "contrast": "T2",
    "spacing_mm": (4.0, 1.0, 1.0),
    "anomalies": (),
}
SEEDS = (900_001, 900_002, 900_003)
"""Far from those that training draws."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return load_predictor(threads=2)


@pytest.fixture(scope="module", params=SEEDS)
def phantom(request: pytest.FixtureRequest) -> Phantom:
    return draw_phantom(request.param, **PLAIN)


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_a_phantom_comes_back_with_the_names_and_sizes_that_drew_it(
    phantom: Phantom, predictor: Predictor
) -> None:
    found = segment(phantom.image, affine=phantom.grid.affine, predictor=predictor)

    assert dice(found.parts == 4, phantom.parts == 4) > 0.75
    right, wrong = [], []
    for name in phantom.truth["levels_complete"]:
        drawn = phantom.labels == VALUES[name]
        if name == "sacrum" or not (found.labels == VALUES[name]).any():
            continue
        body = phantom.parts == 1
        overlap = dice((found.labels == VALUES[name]) & (found.parts == 1), drawn & body)
        (right if overlap > 0.75 else wrong).append(name)
    assert wrong == []
    assert len(right) >= 3


def test_any_number_of_threads_gives_the_same_labels_and_report(predictor: Predictor) -> None:
    phantom = draw_phantom(SEEDS[0], **PLAIN)

    two = segment(phantom.image, affine=phantom.grid.affine, predictor=predictor)
    one = segment(phantom.image, affine=phantom.grid.affine, predictor=load_predictor(threads=1))

    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.parts, two.parts)
    assert {**one.report, "seconds": None} == {**two.report, "seconds": None}


def test_the_model_says_what_it_is_and_how_good(predictor: Predictor) -> None:
    card = predictor.card

    assert len(card["sha256"]) == 64
    assert card["name"]
    assert {"shipped", "h1", "h2", "h3", "within"} <= set(card["scores"])
    for row in card["scores"].values():
        assert all(0.0 < dice <= 1.0 for dice in row.values())


@pytest.mark.parametrize("seed", [3, 4, 6])
def test_noise_has_no_spine(seed: int, predictor: Predictor) -> None:
    noise = np.random.default_rng(seed).normal(100, 20, (13, 172, 372)).astype(np.float32)
    spacing = (4.7, 0.77, 0.77)

    told = segment(noise, spacing_mm=spacing, predictor=predictor)

    assert not told.labels.any()
    assert [warning["code"] for warning in told.report["warnings"]] == ["no-spine"]


def test_what_is_seen_in_noise_is_kept_by_force(predictor: Predictor) -> None:
    noise = np.random.default_rng(3).normal(100, 20, (13, 172, 372)).astype(np.float32)

    told = segment(noise, spacing_mm=(4.7, 0.77, 0.77), predictor=predictor, force=True)

    assert told.labels.any()
    codes = [warning["code"] for warning in told.report["warnings"]]
    assert codes == ["contrast-unlike-training"]
