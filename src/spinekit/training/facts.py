"""What a model file says of the data and tools that made it; plain values.

It knows cases, nothing of networks or of how they are trained.
"""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from typing import Any

from spinekit import __version__
from spinekit.loaders.pack import PackedCase, pack_hash
from spinekit.training.patients import describe_patients


def describe(
    sets: dict[str, list[PackedCase]],
    train_sets: dict[str, list[PackedCase]],
    valid_sets: dict[str, list[PackedCase]],
    torch_version: str,
) -> dict[str, Any]:
    """What a model file must say about its data and tools.

    `trained_on` counts cases by the sets they were taken from, `found` by those they lie in; 0 are
    of a set that chose the weights and trained nothing. `patients` are hashes.
    """
    import numpy as np

    return {
        "data_sha256": _hash_sets(train_sets),
        "validation_sha256": _hash_sets(valid_sets),
        "trained_on": {**dict.fromkeys(count_sources(valid_sets), 0), **count_sources(train_sets)},
        "found": {name: len(cases) for name, cases in sets.items()},
        "patients": describe_patients(train_sets, valid_sets),
        "versions": {
            "spinekit": __version__,
            "torch": str(torch_version),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def count_sources(sets: dict[str, list[PackedCase]]) -> Counter[str]:
    """Number of cases by the set they were taken from."""
    return Counter(case.source or name for name, cases in sets.items() for case in cases)


def _hash_sets(sets: dict[str, list[PackedCase]]) -> str:
    """SHA-256 over names and cases."""
    digest = hashlib.sha256()
    for name in sorted(sets):
        digest.update(name.encode() + pack_hash(sets[name]).encode())
    return digest.hexdigest()
