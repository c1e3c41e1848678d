from __future__ import annotations

from functools import cache

import pytest

from spinekit.synth.phantom import Phantom, draw_phantom


@cache
def _cached(seed: int, fov: str, anomalies: tuple[str, ...]) -> Phantom:
    return draw_phantom(seed, fov=fov, contrast="T2", anomalies=anomalies, spacing_mm=(4, 1, 1))


@pytest.fixture(scope="session")
def drawn():
    """Draw a phantom once per session: drawn(seed, fov, *anomalies)."""

    def draw(seed: int = 1, fov: str = "lumbar", *anomalies: str) -> Phantom:
        return _cached(seed, fov, anomalies)

    return draw
