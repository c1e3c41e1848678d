"""Self-training: a mask's word stays, sure and possible parts are filled in, others left open."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

torch = pytest.importorskip("torch")

from spinekit.training.network import build_network  # noqa: E402
from spinekit.training.selftraining import (  # noqa: E402
    BODY,
    CANAL,
    POSTERIOR,
    SACRUM,
    fill_case,
    fill_open,
    fill_sets,
    plausible,
    read_case,
)
from spinekit.training.start import Start  # noqa: E402

OPEN = 127
SPACING = (4.0, 1.0, 1.0)


@pytest.fixture
def parts():
    """A body in front of the canal, an arch behind it, 5 slices of 60 × 60 mm."""
    parts = np.zeros((5, 60, 60), np.int64)
    parts[:, 30:55, 20:40] = BODY
    parts[:, 20:28, 14:46] = CANAL
    parts[:, 8:18, 25:35] = POSTERIOR
    return parts


def one_hot(parts: np.ndarray, share: float = 0.97) -> np.ndarray:
    """Probabilities with `share` on each voxel's part, the rest on all others."""
    probs = np.full((7, *parts.shape), (1 - share) / 6, np.float32)
    np.put_along_axis(probs, parts[None], share, axis=0)
    return probs


def test_what_both_readings_are_sure_of_is_filled(parts):
    allowed = np.full(parts.shape, OPEN, np.uint8)
    filled = fill_open(allowed, [one_hot(parts), one_hot(parts)], SPACING)
    np.testing.assert_array_equal(filled, 1 << parts)


def test_the_word_of_a_mask_stays(parts):
    allowed = np.full(parts.shape, OPEN, np.uint8)
    allowed[:, 30:55, 20:40] = 1  # the person says background where the teacher says body
    allowed[:, 8:18, 25:35] = OPEN & ~(1 << POSTERIOR)
    filled = fill_open(allowed, [one_hot(parts), one_hot(parts)], SPACING)
    assert (filled[:, 30:55, 20:40] == 1).all()
    assert not (filled & (1 << POSTERIOR) & ~allowed).any()
    assert ((filled & ~allowed) == 0).all()
    assert (filled[:, 8:18, 25:35] == OPEN & ~(1 << POSTERIOR)).all()


def test_beside_bodies_that_persons_drew_no_body_is_filled(parts):
    parts[:, 30:55, 44:60] = BODY
    allowed = np.full(parts.shape, OPEN, np.uint8)
    allowed[1:4, 30:55, 20:40] = 1 << BODY  # the outermost slices were left open
    filled = fill_open(allowed, [one_hot(parts), one_hot(parts)], SPACING)
    assert (filled[[0, 4], 30:55, 20:40] == OPEN).all()
    assert (filled[:, 30:55, 44:60] == 1 << BODY).all()
    assert (filled[:, 20:28, 14:46] == 1 << CANAL).all()


def test_doubt_and_disagreement_leave_a_voxel_open(parts):
    allowed = np.full(parts.shape, OPEN, np.uint8)
    doubtful = fill_open(allowed, [one_hot(parts, 0.8), one_hot(parts, 0.8)], SPACING)
    np.testing.assert_array_equal(doubtful, allowed)
    other = np.where(parts == BODY, SACRUM, parts)
    differing = fill_open(allowed, [one_hot(parts, 0.99), one_hot(other, 0.5)], SPACING)
    assert (differing[parts == BODY] == OPEN).all()


@pytest.mark.parametrize(("bone", "side"), [(BODY, slice(28, 60)), (POSTERIOR, slice(0, 20))])
def test_where_a_bone_was_overlooked_background_is_left_open(parts, bone, side):
    parts[:, 20:28] = CANAL
    parts[parts == bone] = 0
    kept = plausible(parts, SPACING)
    background = parts == 0
    assert not kept[:, side][background[:, side]].any()
    # 12 mm beyond the bone on the other side of the canal, one is missing there too.
    other = slice(0, 20) if bone == BODY else slice(28, 60)
    bones = np.flatnonzero((parts[:, other] > 0).any(axis=(0, 1)))
    near = slice(bones[0] - 12, bones[-1] + 13)
    assert kept[:, other, near].all()
    assert not kept[:, other, : near.start].any()
    assert not kept[:, other, near.stop :].any()


def test_below_the_canal_nothing_is_said_to_be_overlooked(parts):
    parts[:, :, 14:46][parts[:, :, 14:46] != CANAL] = 0
    kept = plausible(parts, SPACING)
    assert kept[:, :, :14].all()
    assert kept[:, :, 46:].all()


def test_small_pieces_and_second_canals_are_not_plausible(parts):
    parts[2, 50:52, 50:52] = POSTERIOR
    parts[:, 0:3, 0:10] = CANAL
    kept = plausible(parts, SPACING)
    assert not kept[2, 50:52, 50:52].any()
    assert not kept[:, 0:3, 0:10].any()
    assert kept[:, 20:28].all()
    assert kept[parts == 0].all()


def test_front_and_back_of_the_canal_decide(parts):
    parts[:, 40:50, 45:55] = POSTERIOR
    parts[:, 2:18, 40:58] = BODY
    kept = plausible(parts, SPACING)
    assert not kept[:, 40:50, 45:55].any()
    assert not kept[:, 2:18, 40:58].any()
    assert kept[:, 8:18, 25:35].all()
    assert kept[:, 30:55, 20:40].all()


def test_without_a_canal_no_arch_is_plausible(parts):
    parts[parts == CANAL] = 0
    kept = plausible(parts, SPACING)
    assert not kept[parts == POSTERIOR].any()
    assert kept[parts == BODY].all()


class Bright(torch.nn.Module):
    """Calls body what is bright in the slice itself, whatever lies beside it."""

    def forward(self, slices):
        logits = torch.full((len(slices), 7, *slices.shape[-2:]), -60.0)
        logits[:, 0] = 0.0
        logits[:, BODY] = 60.0 * (slices[:, slices.shape[1] // 2] - 0.5)
        return logits, None


@pytest.mark.parametrize("pixel_mm", [0.87, 1.1])
def test_a_reading_lies_on_the_case_s_own_grid(cases, recipe, pixel_mm):
    image = np.zeros_like(cases[0].image)
    image[0::2, 23:51, 31:78] = 255
    image[1::2, 11:33, 12:48] = 255
    case = dataclasses.replace(cases[0], image=image, spacing_mm=(4.0, 0.7, 1.3))
    probs = read_case(case, Bright(), recipe, pixel_mm, torch.device("cpu"))
    assert probs.shape == (7, *image.shape)
    np.testing.assert_allclose(probs.sum(axis=0), 1.0, atol=1e-5)
    wrong = (probs.argmax(axis=0) == BODY) != (image == 255)
    box = np.ones((1, 3, 3), bool)
    edge = ndimage.binary_dilation(image == 255, box) & ndimage.binary_dilation(image == 0, box)
    assert not (wrong & ~edge).any()


def test_filled_sets_are_kept_by_teacher_and_cases(cases, recipe, tmp_path, monkeypatch):
    open_cases = [
        dataclasses.replace(case, allowed=np.full_like(case.allowed, OPEN)) for case in cases
    ]
    network = build_network(recipe).eval()
    start = Start("first", recipe, network.state_dict(), {})
    sets = {"blocks": open_cases, "phantom": cases}
    cpu = torch.device("cpu")
    filled = fill_sets(sets, start, tmp_path, device=cpu)
    assert filled["phantom"] is cases
    wanted = [fill_case(case, network, recipe, cpu).allowed for case in open_cases]
    for case, allowed in zip(filled["blocks"], wanted, strict=True):
        np.testing.assert_array_equal(case.allowed, allowed)
    lines: list[str] = []
    fill_sets(sets, start, tmp_path, device=cpu, report=lines.append)
    assert not lines
    changed = {name: value + 0.01 for name, value in start.weights.items()}
    fill_sets(
        sets, dataclasses.replace(start, weights=changed), tmp_path, device=cpu, report=lines.append
    )
    assert len(lines) == 1 + len(cases)
    assert len(list(tmp_path.glob("self-blocks-*.npz"))) == 2
    respaced = [dataclasses.replace(case, spacing_mm=(4.0, 0.5, 0.5)) for case in open_cases[:1]]
    corrected = fill_sets({"blocks": respaced}, start, tmp_path, device=cpu)["blocks"]
    assert corrected[0].spacing_mm == (4.0, 0.5, 0.5)
