"""Checkpoints, written whole or not at all.

A kill costs the steps since the last one and nothing else. It knows nothing of what is trained.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spinekit.core.errors import ModelError
from spinekit.io.writing import write_bytes

CONTENT = frozenset({"network", "mean", "optimiser", "progress", "recipe", "facts"})
"""What a checkpoint holds: weights and their mean, state of the optimiser, and how they came."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` beside `path`, then rename.

    Raises:
        OutputError: It cannot be written.
    """
    # torch turns a file's own errors, such as a full disk, into others.
    content = io.BytesIO()
    torch.save(state, content)
    write_bytes(path, content.getvalue())


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint onto a device.

    Raises:
        ModelError: The file is missing or is no checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(state, dict) or not state.keys() >= CONTENT:
        raise _unreadable(path, "a file of torch's, but no checkpoint")
    return state


def _unreadable(path: Path, why: str) -> ModelError:
    first = (why.splitlines() or [""])[0]
    return ModelError(
        "checkpoint-unreadable",
        f"{path}: {first}",
        f"delete the folder {path.parent} to have its run trained again",
    )


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of all weights in order, which scores or metadata added later do not change."""
    digest = hashlib.sha256()
    for value in weights.values():
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
