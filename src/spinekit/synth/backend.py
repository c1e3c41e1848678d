"""The few array operations that numpy and torch spell differently.

Knows no anatomy. The namespace comes from the caller: this package never imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Backend:
    """An array namespace (numpy or torch) and the device its arrays live on."""

    xp: Any = np
    device: Any = None

    @property
    def is_numpy(self) -> bool:
        """Whether arrays are plain numpy arrays."""
        return self.xp is np

    def asarray(self, values: Any) -> Any:
        """Numpy array or nested numbers → array of this backend; floats become float32."""
        array = np.asarray(values)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        if self.is_numpy:
            return array
        return self.xp.asarray(array, device=self.device)

    def to_numpy(self, array: Any) -> NDArray[Any]:
        """Array of this backend → numpy array."""
        return np.asarray(array if self.is_numpy else array.cpu().numpy())

    def zeros(self, shape: tuple[int, ...], dtype: str = "float32") -> Any:
        """Zeros of a dtype given by name."""
        kind = getattr(self.xp, dtype)
        if self.is_numpy:
            return np.zeros(shape, dtype=kind)
        return self.xp.zeros(shape, dtype=kind, device=self.device)

    def cast(self, array: Any, dtype: str) -> Any:
        """Array converted to a dtype given by name."""
        kind = getattr(self.xp, dtype)
        return array.astype(kind) if self.is_numpy else array.to(kind)

    def ramp(self, distance: Any, width: float) -> Any:
        """Share of a voxel inside, from signed distance (negative inside) in mm.

        One at −width/2 and below, zero at +width/2 and above.
        """
        return self.xp.clip(0.5 - distance / width, 0.0, 1.0)

    def step(self, x: Any, sharpness: float) -> Any:
        """Smooth step from 0 to 1 around x = 0: a cheap sigmoid x / (1 + |x|)."""
        y = x * sharpness
        return 0.5 + 0.5 * y / (1.0 + self.xp.abs(y))
