"""The optimiser: orthogonalised momentum for convolutions, AdamW for everything else.

It knows parameters by their shape alone. Muon (Jordan et al. 2024; Liu et al. 2025, arXiv
2502.16982, eq. 4 for its step size) takes matrices, so every hidden convolution is shown to it as
one: output channels by the rest, sharing the weights' memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Optimiser:
    """Muon for the hidden convolutions of a network, AdamW for stem, heads, norms and biases.

    Args:
        network: Its 4-D weights lie in channels-last memory.
        learning_rate: Of AdamW; Muon's steps are scaled to the same root mean square.
        weight_decay: Decoupled, for both.
        ends: Names of the first and last layers, which AdamW keeps.
    """

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float,
        weight_decay: float,
        ends: tuple[str, ...] = ("stem", "parts_head", "level_head"),
    ) -> None:
        named = list(network.named_parameters())
        hidden = [p for name, p in named if p.ndim == 4 and name.split(".")[0] not in ends]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in named if id(p) not in chosen]
        self._pairs = [(p, nn.Parameter(_matrix(p.detach()))) for p in hidden]
        self._muon = torch.optim.Muon(
            [matrix for _, matrix in self._pairs],
            lr=learning_rate,
            weight_decay=weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adam = torch.optim.AdamW(rest, lr=learning_rate, weight_decay=weight_decay)

    def step(self, learning_rate: float) -> None:
        """Move the weights along their gradients, then forget the gradients."""
        for optimiser in (self._muon, self._adam):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate
        for weight, matrix in self._pairs:
            matrix.grad = None if weight.grad is None else _matrix(weight.grad)
            weight.grad = None
        self._muon.step()
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a stored state."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


def _matrix(weight: Tensor) -> Tensor:
    """(O, I, H, W) in channels-last memory as (O, H·W·I), without a copy of weights."""
    return weight.permute(0, 2, 3, 1).flatten(1)
