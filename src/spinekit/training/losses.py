"""Losses for labels that say which classes a pixel *may* have.

It knows nothing of datasets: a target is one byte per pixel whose bit c allows class c. 127 with seven classes is
"unknown" and costs nothing, a single bit is an ordinary label.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def allowed_bits(allowed: Tensor, classes: int) -> Tensor:
    """(B, J, K) bytes → (B, classes, J, K) bool, True where the class is allowed."""
    shifts = torch.arange(classes, device=allowed.device, dtype=torch.uint8).view(1, -1, 1, 1)
    return (allowed.unsqueeze(1) >> shifts) & 1 > 0


def set_cross_entropy(logits: Tensor, bits: Tensor, weight: Tensor) -> Tensor:
    """Mean of −log Σ_{c allowed} p_c over the pixels that say anything (Fidon et al. 2021, eq. 5, leaf sets).

    Args:
        logits: (B, C, J, K).
        bits: (B, C, J, K) bool, as `allowed_bits` gives them.
        weight: (C,) weight of a pixel with the single label c; a set weighs as its lightest member.

    Returns:
        A scalar; 0 when every pixel is unknown.
    """
    log_probs = functional.log_softmax(logits, dim=1)
    nll = -torch.logsumexp(log_probs.masked_fill(~bits, -30.0), dim=1)
    informative = ~bits.all(dim=1)
    column = weight.view(1, -1, 1, 1)
    pixel_weight = torch.where(bits, column, torch.inf).amin(dim=1)
    pixel_weight = torch.where(informative, pixel_weight, 0.0)
    return (nll * pixel_weight).sum() / pixel_weight.sum().clamp(min=1.0)


def known_dice_loss(logits: Tensor, bits: Tensor) -> Tensor:
    """1 − soft Dice of each class over the pixels where that class is known to be or known not to be.

    Per class and batch (Milletari et al. 2016, eq. 1, linear denominator): intersection over sums restricted to pixels
    whose allowed set is {c} (certainly c) or lacks c (certainly not c). Classes without a certain pixel are left out.
    """
    probs = functional.softmax(logits, dim=1)
    certain = bits & (bits.sum(dim=1, keepdim=True) == 1)
    known = certain | ~bits
    axes = (0, 2, 3)
    inter = (probs * certain).sum(axes)
    total = (probs * known).sum(axes) + certain.sum(axes)
    dice = (2 * inter + 1.0) / (total + 1.0)
    present = certain.sum(axes) > 0
    return 1.0 - (dice * present).sum() / present.sum().clamp(min=1)


def level_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the level head against soft targets (B, L, J', K') over cells whose target sums to 1."""
    log_probs = functional.log_softmax(logits, dim=1)
    mass = target.sum(dim=1)
    return -(target * log_probs).sum() / mass.sum().clamp(min=1.0)
