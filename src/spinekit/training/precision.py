"""Which number type the heavy arithmetic of training runs in on a machine.

It knows devices, nothing of networks. bfloat16 halves the time where the processor multiplies it;
where it does not, torch emulates it ten times slower than float32.
"""

from __future__ import annotations

import torch

NATIVE = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16")
"""Names under which processors report that they multiply bfloat16."""


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, float32 elsewhere."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = any(capabilities.get(name) for name in NATIVE)
    return torch.bfloat16 if native else torch.float32


def memory_format(kind: torch.dtype) -> torch.memory_format:
    """The layout of images and weights that convolutions of this type are fastest in."""
    return torch.contiguous_format if kind == torch.float32 else torch.channels_last
