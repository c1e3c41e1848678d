"""Partial-label losses against answers worked out by hand."""

import math

import pytest

torch = pytest.importorskip("torch")

from spinekit.training.losses import allowed_bits, level_loss, parts_losses  # noqa: E402

ONES = torch.ones(3)


def pixel(logits, allowed):
    """One-pixel batch of three classes."""
    shaped = torch.tensor(logits, dtype=torch.float32).view(1, 3, 1, 1).requires_grad_()
    return shaped, allowed_bits(torch.tensor([[[allowed]]], dtype=torch.uint8), 3)


def test_bits_are_read_from_the_lowest():
    bits = allowed_bits(torch.tensor([[[0b101]]], dtype=torch.uint8), 3)
    assert bits[0, :, 0, 0].tolist() == [True, False, True]


def test_single_label_is_ordinary_cross_entropy():
    logits, bits = pixel([1.0, 2.0, 0.5], 0b010)
    loss, _ = parts_losses(logits, bits, ONES)
    wanted = -math.log(math.exp(2.0) / (math.exp(1.0) + math.exp(2.0) + math.exp(0.5)))
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_a_set_costs_minus_log_of_its_summed_probability():
    logits, bits = pixel([0.0, 0.0, 0.0], 0b011)
    loss, _ = parts_losses(logits, bits, ONES)
    assert loss.item() == pytest.approx(-math.log(2 / 3), rel=1e-5)


def test_unknown_pixels_cost_nothing_and_pull_nowhere():
    logits, bits = pixel([3.0, -1.0, 0.2], 0b111)
    cross_entropy, dice = parts_losses(logits, bits, ONES)
    (cross_entropy + dice).backward()
    assert cross_entropy.item() == 0
    assert dice.item() == 0
    assert torch.count_nonzero(logits.grad) == 0


def test_unknown_pixels_do_not_dilute_known_ones():
    logits = torch.zeros(1, 3, 1, 2)
    both = allowed_bits(torch.tensor([[[0b010, 0b111]]], dtype=torch.uint8), 3)
    loss, _ = parts_losses(logits, both, ONES)
    assert loss.item() == pytest.approx(math.log(3), rel=1e-5)


def test_dice_is_zero_for_a_perfect_and_near_one_for_a_wrong_map():
    truth = torch.zeros(1, 40, 40, dtype=torch.uint8) + 1
    truth[:, 10:30, 10:30] = 2
    bits = allowed_bits(truth, 3)
    right = 40.0 * bits.float() - 20.0
    wrong = right[:, [1, 0, 2]]
    assert parts_losses(right, bits, ONES)[1].item() == pytest.approx(0, abs=1e-3)
    assert parts_losses(wrong, bits, ONES)[1].item() == pytest.approx(1, abs=1e-2)


def test_dice_ignores_what_may_or_may_not_be_the_class():
    truth = torch.full((1, 8, 8), 0b001, dtype=torch.uint8)
    truth[:, :4] = 0b010
    unsure = truth.clone()
    unsure[:, 4:] = 0b011
    logits = torch.zeros(1, 3, 8, 8)
    logits[:, 1] = 20.0
    assert parts_losses(logits, allowed_bits(unsure, 3), ONES)[1].item() < 0.02
    assert parts_losses(logits, allowed_bits(truth, 3), ONES)[1].item() > 0.3


def test_a_confidently_wrong_pixel_still_has_a_gradient():
    logits, bits = pixel([40.0, 0.0, 0.0], 0b010)
    parts_losses(logits, bits, ONES)[0].backward()
    assert logits.grad[0, 0, 0, 0] > 0.1


@pytest.mark.parametrize("lead", [60.0, 70.0, 200.0])
@pytest.mark.parametrize("allowed", [0b010, 0b110])
def test_however_sure_of_the_wrong_part_a_pixel_costs_its_lead_and_pulls_back(lead, allowed):
    logits, bits = pixel([lead, 0.0, 0.0], allowed)
    loss, _ = parts_losses(logits, bits, ONES)
    loss.backward()
    assert loss.item() == pytest.approx(lead - math.log(allowed.bit_count()), rel=1e-6)
    share = 1 / allowed.bit_count()
    wanted = [1.0, *(-share if allowed >> c & 1 else 0.0 for c in (1, 2))]
    assert logits.grad.flatten().tolist() == pytest.approx(wanted, abs=1e-5)


def test_level_loss_is_least_at_the_soft_target():
    target = torch.zeros(1, 4, 1, 1)
    target[0, 1], target[0, 2] = 0.5, 0.5
    at_target = level_loss(torch.tensor([-20.0, 0, 0, -20.0]).view(1, 4, 1, 1), target)
    off = level_loss(torch.tensor([-20.0, 1.0, 0, -20.0]).view(1, 4, 1, 1), target)
    assert at_target.item() == pytest.approx(math.log(2), rel=1e-4)
    assert off > at_target


def test_level_loss_without_targets_is_zero():
    assert level_loss(torch.randn(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)).item() == 0
