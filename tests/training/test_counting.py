"""Names beyond a mask's own: counted from it, never from what a network believes."""

import numpy as np
import pytest

from spinekit.anatomy.scheme import LEVELS
from spinekit.synth.phantom import draw_phantom
from spinekit.training.counting import fill_levels
from spinekit.training.targets import DISC_PAIRS, level_codes

OPEN = 127


@pytest.fixture(scope="module")
def loin():
    """A loin with the sacrum and usual counts: truth as codes, parts as allowed bytes and probs."""
    phantom = draw_phantom(11, fov="lumbar", anomalies=())
    parts = phantom.parts.astype(np.int64)
    probs = np.full((7, *parts.shape), 0.005, np.float32)
    np.put_along_axis(probs, parts[None], 0.97, axis=0)
    truth = level_codes(phantom.labels, present=set(phantom.truth["levels"]))
    return truth, (1 << parts).astype(np.uint8), probs, phantom.grid.spacing_mm


def code(name: str) -> int:
    return LEVELS.index(name) + 1


def disc_code(above: str, below: str) -> int:
    return len(LEVELS) + 1 + DISC_PAIRS.index((above, below))


def only(truth: np.ndarray, *codes: int) -> np.ndarray:
    return np.where(np.isin(truth, codes), truth, 0)


@pytest.mark.parametrize("known", [["L3"], ["L1", "L2", "L3", "L4", "L5"]])
def test_bones_and_discs_beside_named_ones_follow(loin, known):
    truth, allowed, probs, spacing = loin
    level = only(truth, *map(code, known))
    filled = fill_levels(level, allowed, probs, spacing)
    np.testing.assert_array_equal(filled[level > 0], level[level > 0])
    told = (filled > 0) & (truth > 0)
    assert (filled[told] == truth[told]).mean() > 0.99
    whole = np.isin(allowed, (2, 8)) & np.isin(truth, [code(f"L{n}") for n in range(1, 6)])
    assert (filled[whole] > 0).mean() > 0.95
    assert (filled == disc_code("L2", "L3")).any()


def test_a_disc_names_the_bones_beside_it(loin):
    truth, allowed, probs, spacing = loin
    filled = fill_levels(only(truth, disc_code("L2", "L3")), allowed, probs, spacing)
    for name in ("L2", "L3", "L4"):
        of_it = (truth == code(name)) & (allowed == 2)
        assert (filled[of_it] == code(name)).mean() > 0.9


def test_a_point_in_the_canal_names_the_body_before_it(loin):
    truth, allowed, probs, spacing = loin
    canal = np.isin(allowed, (16, 32))
    heights = np.flatnonzero(((truth == code("L2")) & (allowed == 2)).any(axis=(0, 1)))
    middle = int(np.median(heights))
    i, j = (int(np.median(axis)) for axis in np.nonzero(canal[:, :, middle]))
    level = np.zeros_like(truth)
    level[i, j, middle] = code("L2")
    filled = fill_levels(level, allowed, probs, spacing)
    of_it = (truth == code("L1")) & (allowed == 2)
    assert (filled[of_it] == code("L1")).mean() > 0.9


def test_what_masks_leave_open_keeps_no_level(loin):
    truth, allowed, probs, spacing = loin
    above = truth == code("L1")
    allowed = np.where(above, OPEN, allowed).astype(np.uint8)
    filled = fill_levels(only(truth, code("L3")), allowed, probs, spacing)
    assert not filled[above].any()


def test_without_a_name_or_with_names_that_contradict_nothing_is_filled(loin):
    truth, allowed, probs, spacing = loin
    nothing = np.zeros_like(truth)
    assert not fill_levels(nothing, allowed, probs, spacing).any()
    swapped = only(truth, code("L2"), code("L4"))
    swapped = np.select(
        [swapped == code("L2"), swapped == code("L4")], [code("L4"), code("L2")], 0
    ).astype(np.uint8)
    np.testing.assert_array_equal(fill_levels(swapped, allowed, probs, spacing), swapped)
