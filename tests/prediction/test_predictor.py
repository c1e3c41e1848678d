"""What a predictor answers is checked before anything is made of it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from blocks import BlockSpine, Oracle, draw_blocks, oracle_for
from spinekit.core.errors import ModelError
from spinekit.core.volume import Volume
from spinekit.pipeline import segment
from spinekit.prediction.predictor import ask_predictor
from spinekit.prediction.runner import Prediction


@dataclass
class Wrapped:
    """A predictor that asks an oracle."""

    oracle: Oracle

    @property
    def card(self):
        return self.oracle.card

    @property
    def grid_mm(self):
        return self.oracle.grid_mm


@dataclass
class Changed(Wrapped):
    """An oracle whose answer is changed on the way."""

    change: dict

    def predict(self, working, progress) -> Prediction:
        true = self.oracle.predict(working, progress)
        return replace(true, **{key: make(true) for key, make in self.change.items()})


def with_value(probs, value):
    probs = probs.copy()
    probs[-1, 0, 0, 0] = value
    return probs


WRONG = {
    "a part too few": ({"parts_probs": lambda p: p.parts_probs[:6]}, "shape"),
    "cut": ({"parts_probs": lambda p: p.parts_probs[..., 1:]}, "shape"),
    "one map": ({"parts_probs": lambda p: p.parts_probs.argmax(axis=0)}, "shape"),
    "NaN": ({"parts_probs": lambda p: with_value(p.parts_probs, np.nan)}, "parts_probs holds NaN"),
    "inf": ({"level_probs": lambda p: with_value(p.level_probs, np.inf)}, "level_probs holds NaN"),
    "a level too few": ({"level_probs": lambda p: p.level_probs[:-1]}, "shape"),
    "another stride": ({"level_stride": lambda p: 4}, "level_probs has the shape"),
    "no stride": ({"level_stride": lambda p: 0}, "level_stride is 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_answer_of_no_use_is_an_error_that_names_the_predictor(
    spine: BlockSpine, case: str
) -> None:
    change, text = WRONG[case]
    with pytest.raises(ModelError, match=f"oracle: .*{text}") as caught:
        segment(spine.image, affine=spine.grid.affine, predictor=Changed(oracle_for(spine), change))
    assert caught.value.code == "model-answer"


def test_a_good_answer_comes_as_it_is(spine: BlockSpine) -> None:
    working = Volume(spine.image, spine.grid)
    oracle, told = oracle_for(spine), []
    found = ask_predictor(oracle, working, told.append)
    np.testing.assert_array_equal(found.parts_probs, oracle.predict(working, None).parts_probs)
    assert told == [1.0]


@dataclass
class Kept(Wrapped):
    """An oracle that answers with the arrays it keeps, as one that reads them from a file does."""

    answer: Prediction | None = None
    working: Volume | None = None

    def predict(self, working, progress) -> Prediction:
        if self.answer is None:
            self.working, self.answer = working, self.oracle.predict(working, progress)
        return self.answer


def test_arrays_that_a_predictor_keeps_stay_as_they_are() -> None:
    truth = draw_blocks((4.0, 0.5, 0.5))
    crumbs = truth.parts.copy()
    crumbs[2:4, 200:208, 30:38] = 1
    seen = replace(truth, parts=crumbs)
    kept = Kept(oracle_for(seen))

    segment(truth.image, affine=truth.grid.affine, predictor=kept)

    answer = kept.oracle.predict(kept.working, None)
    np.testing.assert_array_equal(kept.answer.parts_probs, answer.parts_probs)
