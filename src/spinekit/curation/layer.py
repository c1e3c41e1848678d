"""One mask in memory, with what its values mean.

It knows neither how masks were read nor how they go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spinekit.core.volume import Volume
from spinekit.datasets.case import MaskFile


@dataclass(frozen=True)
class Layer:
    """One mask in memory."""

    mask: MaskFile
    volume: Volume
    """(I, J, K) whole numbers."""
    names: Mapping[int, str]
    """What its values mean; guessed, for the doctor alone, where the set does not say."""

    @property
    def file(self) -> str:
        """Name of the file."""
        return self.mask.path.name
