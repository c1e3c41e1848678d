"""Losses for labels that say which classes a pixel *may* have.

It knows nothing of datasets: a target is one byte per pixel whose bit c allows class c. 127 with
seven classes is "unknown" and costs nothing, a single bit is an ordinary label.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def allowed_bits(allowed: Tensor, classes: int) -> Tensor:
    """(B, J, K) bytes → (B, classes, J, K) bool, True where the class is allowed."""
    shifts = torch.arange(classes, device=allowed.device, dtype=torch.uint8).view(1, -1, 1, 1)
    return (allowed.unsqueeze(1) >> shifts) & 1 > 0


def parts_losses(logits: Tensor, bits: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and Dice loss of the parts head over what the labels say.

    Cross-entropy: mean of −log Σ_{c allowed} p_c over the pixels that say anything (Fidon et al.
    2021, eq. 5, leaf sets); a set weighs as its lightest member. Dice: 1 − soft Dice of each class
    (Milletari et al. 2016, eq. 1, linear denominator) over the pixels whose allowed set is {c}
    (certainly c) or lacks c (certainly not c); classes without a certain pixel are left out.

    Args:
        logits: (B, C, J, K).
        bits: (B, C, J, K) bool, as `allowed_bits` gives them.
        weight: (C,) cross-entropy weight of each class.

    Returns:
        Two scalars; both 0 when every pixel is unknown.
    """
    log_probs = functional.log_softmax(logits, dim=1)
    probs = log_probs.exp()
    allowed = bits.to(probs.dtype)
    count = allowed.sum(dim=1, keepdim=True)
    nll = -log_probs.masked_fill(~bits, -torch.inf).logsumexp(dim=1)
    lightest = torch.where(bits, weight.view(1, -1, 1, 1), torch.inf).amin(dim=1)
    pixel_weight = torch.where(count[:, 0] < bits.shape[1], lightest, 0.0)
    cross_entropy = (nll * pixel_weight).sum() / pixel_weight.sum().clamp(min=1.0)

    certain = allowed * (count == 1)
    known = certain + 1.0 - allowed
    axes = (0, 2, 3)
    positives = certain.sum(axes)
    dice = (2 * (probs * certain).sum(axes) + 1.0) / ((probs * known).sum(axes) + positives + 1.0)
    present = positives > 0
    dice_loss = ((1.0 - dice) * present).sum() / present.sum().clamp(min=1)
    return cross_entropy, dice_loss


def level_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the level head over the cells that have a target.

    Args:
        logits: (B, L, J', K').
        target: (B, L, J', K'), summing to 1 over levels, or to 0 in cells that say nothing.
    """
    log_probs = functional.log_softmax(logits, dim=1)
    mass = target.sum(dim=1)
    return -(target * log_probs).sum() / mass.sum().clamp(min=1.0)
