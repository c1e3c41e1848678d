"""What is drawn on: image, parts and labels of some slices, painted structure by structure.

Knows no anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spinekit.synth.backend import Backend


@dataclass
class Canvas:
    """Three arrays (I, P) of one shape that structures are painted into, later over earlier."""

    backend: Backend
    image: Any
    parts: Any
    labels: Any
    soft_mm: float
    """Width of the border over which two tissues mix."""

    def paint(self, distance: Any, value: Any) -> None:
        """Mix a value in where the signed distance (mm, negative inside) says so."""
        share = self.backend.ramp(distance, self.soft_mm)
        self.image += share * (value - self.image)

    def mark(self, inside: Any, part: int, label: Any) -> None:
        """Give voxels a part and a label (number or array)."""
        xp = self.backend.xp
        kind = self.parts.dtype
        self.parts[...] = xp.where(inside, xp.asarray(part, dtype=kind), self.parts)
        if isinstance(label, int):
            label = xp.asarray(label, dtype=kind)
        self.labels[...] = xp.where(inside, label, self.labels)


def shade_bone(backend: Backend, distance: Any, marrow: Any, cortical: float, rim: float) -> Any:
    """Brightness of bone: a rim of ``rim`` mm as dark as ``cortical``, then marrow."""
    share = backend.xp.clip((-distance - rim) * 1.4, 0.0, 1.0)
    return cortical + share * (marrow - cortical)
