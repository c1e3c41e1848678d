"""The optimiser: orthogonalised momentum for convolutions, AdamW for everything else.

It knows parameters by their shape alone. `torch.optim.Muon` is not used: it takes matrices only,
and iterates in bfloat16 wherever it runs, which processors without that type emulate at a tenth of
the speed (`precision.fast_type`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = 0.95
"""Of the gradients, with Nesterov's look ahead (Jordan et al. 2024)."""
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton–Schulz iteration (Jordan et al. 2024)."""
ITERATIONS = 5
"""Of Newton–Schulz; singular values end between about 0.7 and 1.2."""


class Optimiser:
    """Muon for the hidden convolutions of a network, AdamW for stem, heads, norms and biases.

    Args:
        network: Any with 4-D weights in its hidden layers.
        learning_rate: Of AdamW; Muon's steps are scaled to the same root mean square.
        weight_decay: Decoupled, for both.
        ends: Names of the first and last layers, which AdamW keeps.
        kind: Number type in which the iterations run.
    """

    def __init__(
        self,
        network: nn.Module,
        learning_rate: float,
        weight_decay: float,
        ends: tuple[str, ...] = ("stem", "parts_head", "level_head"),
        kind: torch.dtype = torch.float32,
    ) -> None:
        named = list(network.named_parameters())
        hidden = [p for name, p in named if p.ndim == 4 and name.split(".")[0] not in ends]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in named if id(p) not in chosen]
        self._muon = Muon(hidden, learning_rate, weight_decay, kind)
        self._adam = torch.optim.AdamW(rest, lr=learning_rate, weight_decay=weight_decay)

    def step(self, learning_rate: float) -> None:
        """Move the weights along their gradients, then forget the gradients."""
        for optimiser in (self._muon, self._adam):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"muon": self._muon.state_dict(), "adam": self._adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a stored state."""
        self._muon.load_state_dict(state["muon"])
        self._adam.load_state_dict(state["adam"])


class Muon(torch.optim.Optimizer):
    """Orthogonalised momentum (Jordan et al. 2024) of weights (O, …), seen as (O, rest) matrices.

    Steps are 0.2 √max(O, rest) times the orthogonal matrix nearest to the momentum, so that their
    root mean square is AdamW's (Liu et al. 2025, arXiv 2502.16982, eq. 4).
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, weight_decay: float, kind: torch.dtype
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self.kind = kind

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group["lr"], group["weight_decay"])

    def _move(self, weight: Tensor, lr: float, weight_decay: float) -> None:
        momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
        momentum.lerp_(weight.grad, 1.0 - MOMENTUM)
        ahead = weight.grad.lerp(momentum, MOMENTUM).flatten(1)
        direction = orthogonalise(ahead.to(self.kind)).to(weight.dtype)
        weight.mul_(1.0 - lr * weight_decay)
        scale = 0.2 * max(ahead.shape) ** 0.5
        weight.add_(direction.view(weight.shape), alpha=-lr * scale)


def orthogonalise(matrix: Tensor) -> Tensor:
    """(A, B) → about U Vᵀ of its singular value decomposition, by Newton–Schulz (see `QUINTIC`)."""
    a, b, c = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
