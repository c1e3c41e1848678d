"""Which device training runs on, and in which number type its heavy arithmetic.

It knows devices, nothing of networks. bfloat16 halves the time where the processor multiplies it;
where it does not, torch emulates it ten times slower than float32.
"""

from __future__ import annotations

import torch

from spinekit.core.errors import UsageError

NATIVE = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16")
"""Names under which processors report that they multiply bfloat16."""


def choose_device(name: str) -> torch.device:
    """The device of a name; "auto" is a GPU where torch sees one.

    Raises:
        UsageError: There is none of this name, or torch sees no GPU where one was asked for.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            "unknown-option", f"no device is called '{name}'", "choose auto, cpu or cuda"
        ) from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "no-gpu",
            f"device {name}: {_why_no_gpu()}",
            "install a torch for your GPU (https://pytorch.org), or train on the device cpu",
        )
    return device


def describe_device(name: str, device: torch.device) -> str:
    """What training runs on, in words, and why no GPU where "auto" found none."""
    words = f"{device} in {str(fast_type(device)).removeprefix('torch.')}"
    return f"{words} ({_why_no_gpu()})" if name == "auto" and device.type == "cpu" else words


def _why_no_gpu() -> str:
    built = torch.version.cuda or torch.version.hip
    return "torch sees no GPU" if built else "this torch is built without GPU support"


def fast_type(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies it in hardware, float32 elsewhere."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    native = any(capabilities.get(name) for name in NATIVE)
    return torch.bfloat16 if native else torch.float32


def memory_format(kind: torch.dtype) -> torch.memory_format:
    """The layout of images and weights that convolutions of this type are fastest in."""
    return torch.contiguous_format if kind == torch.float32 else torch.channels_last
