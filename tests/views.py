"""Views of a block spine as several scans of one patient, and a predictor blind to levels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from blocks import STRIDE, BlockSpine, Oracle, draw_blocks
from spinekit.anatomy.scheme import LEVELS
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.prediction.runner import Prediction

SPINE = draw_blocks((4.0, 2.0, 2.0))


@dataclass
class Blind(Oracle):
    """Knows every part and no level, unless one is claimed for the whole picture."""

    shift: int = 0
    """Levels that what is claimed lies below the truth."""
    claims: float = 0.0
    """How much is claimed, 0 nothing, 1 certainty."""

    def predict(self, working: Volume, progress: Any) -> Prediction:
        """The oracle's parts with levels that say what is claimed."""
        true = super().predict(working, progress)
        moved = np.roll(true.level_probs, self.shift, axis=0)
        level = self.claims * moved + (1 - self.claims) / len(LEVELS)
        return Prediction(true.parts_probs, level, STRIDE)


def blind(spine: BlockSpine = SPINE, *, shift: int = 0, claims: float = 0.0) -> Blind:
    """A predictor for the spine that knows nothing of levels, or claims something."""
    parts, labels = Volume(spine.parts, spine.grid), Volume(spine.labels, spine.grid)
    return Blind(parts, labels, shift=shift, claims=claims)


def stretch(low_mm: float, high_mm: float, spacing: tuple[float, float, float] = (4, 2, 2)) -> Grid:
    """A grid on the block spine from one height above its lower end to another."""
    base = SPINE.grid
    size = (base.size_mm[0], base.size_mm[1], high_mm - low_mm)
    shape = tuple(max(1, round(mm / step)) for mm, step in zip(size, spacing, strict=True))
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = base.affine[:3, 3] + [0, 0, low_mm] + (np.array(spacing) - [4, 2, 2]) / 2
    return Grid((shape[0], shape[1], shape[2]), affine)


def save_view(path: Path, grid: Grid, *, of: str = "image", moved_mm: float = 0.0) -> Path:
    """Write what the spine shows on a grid; `moved_mm` lies about where it is, along S."""
    array = resample_nearest(getattr(SPINE, of), SPINE.grid, grid)
    affine = grid.affine.copy()
    affine[2, 3] += moved_mm
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = np.uint8 if of != "image" else np.int16
    nib.save(nib.Nifti1Image(array.astype(kind), affine), path)
    return path


def truth_on(grid: Grid) -> np.ndarray:
    """The spine's labels on a grid."""
    return np.asarray(resample_nearest(SPINE.labels, SPINE.grid, grid))
