"""A lumbar spine of blocks, whose every size is known, and a predictor that knows the truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.scheme import LEVELS, PARTS, VALUES
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from spinekit.core.volume import Volume
from spinekit.prediction.predictor import Predictor
from spinekit.prediction.runner import Prediction

BODY_MM = (40.0, 32.0, 26.0)
DISC_MM = 10.0
STRIDE = 8
NAMES = ("T12", "L1", "L2", "L3", "L4", "L5")
INTENSITY = np.array([20, 90, 80, 160, 220, 140, 100], np.float32)
"""Of each part."""
PredictWith = Callable[[Predictor], None]
"""The fixture `predict_with`: what the command line predicts with from now on."""


@dataclass(frozen=True)
class BlockSpine:
    """A drawn spine in RAS order on a grid."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    grid: Grid
    names: tuple[str, ...]

    @property
    def body_mm3(self) -> float:
        """Volume of one body."""
        return float(np.prod(BODY_MM))


def draw_blocks(
    spacing_mm: tuple[float, float, float] = (4.0, 1.0, 1.0),
    names: tuple[str, ...] = NAMES,
) -> BlockSpine:
    """Draw bodies, discs, posterior elements, a canal and a sacrum, all with straight faces."""
    size_mm = (64.0, 120.0, 40.0 + len(names) * (BODY_MM[2] + DISC_MM) + 50.0)
    shape = tuple(round(size / step) for size, step in zip(size_mm, spacing_mm, strict=True))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = (-32.0, -60.0, -120.0)
    parts = np.zeros(shape, np.uint8)
    labels = np.zeros(shape, np.uint8)

    def fill(low: tuple[float, ...], high: tuple[float, ...], part: str, name: str) -> None:
        box = tuple(
            slice(round(a / step), round(b / step))
            for a, b, step in zip(low, high, spacing_mm, strict=True)
        )
        parts[box] = PARTS.index(part)
        labels[box] = VALUES[name]

    top = size_mm[2] - 16.0
    fill((24, 40, 0), (40, 56, size_mm[2]), "canal", "spinal_canal")
    below = [*names[1:], "sacrum"]
    for name, lower in zip(names, below, strict=True):
        low = top - BODY_MM[2]
        fill((12, 56, low), (52, 88, top), "body", name)
        fill((24, 24, low + 4), (40, 40, low + 20), "posterior", name)
        disc = f"{name}-{'S1' if lower == 'sacrum' else lower}"
        fill((12, 56, low - DISC_MM), (52, 88, low), "disc", disc)
        top = low - DISC_MM
    fill((12, 52, top - 44), (52, 88, top), "sacrum", "sacrum")
    noise = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    grid = Grid((shape[0], shape[1], shape[2]), affine)
    return BlockSpine(INTENSITY[parts] + noise, labels, parts, grid, names)


def turn(array: NDArray[Any], grid: Grid, codes: str) -> Volume:
    """An array stored with other axes, in the same place."""
    image = nib.Nifti1Image(array, grid.affine)
    wanted = nib.orientations.axcodes2ornt(codes)
    moved = image.as_reoriented(
        nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted)
    )
    stored = np.asarray(moved.dataobj)
    return Volume(stored, Grid(stored.shape, moved.affine))


def turned(spine: BlockSpine, codes: str) -> Volume:
    """The scan stored with other axes, in the same place."""
    return turn(spine.image, spine.grid, codes)


def draw_loin() -> BlockSpine:
    """T12 to L3 and no sacrum, on voxels of 4, 2 and 2 mm."""
    whole = draw_blocks((4.0, 2.0, 2.0))
    k = slice(whole.parts.shape[2] - 78, None)
    image, labels, parts = (array[:, :, k] for array in (whole.image, whole.labels, whole.parts))
    affine = whole.grid.affine.copy()
    affine[2, 3] += k.start * 2.0
    return BlockSpine(image, labels, parts, Grid(image.shape, affine), whole.names)


@dataclass
class Oracle:
    """A predictor that looks the answer up in drawn truth, wherever the scan lies in it."""

    parts: Volume
    labels: Volume
    sure: float = 0.95
    grid_mm: tuple[float, float] = (1.0, 2.0)
    card: dict[str, Any] = field(
        default_factory=lambda: {"name": "oracle", "sha256": "0", "recipe": "oracle", "scores": {}}
    )

    def predict(self, working: Volume, progress: Any) -> Prediction:
        """Probabilities that are `sure` of the truth."""
        parts = resample_nearest(self.parts.array, self.parts.grid, working.grid)
        labels = resample_nearest(self.labels.array, self.labels.grid, working.grid)
        rest = (1 - self.sure) / (len(PARTS) - 1)
        probs = np.where(np.arange(len(PARTS))[:, None, None, None] == parts, self.sure, rest)
        if progress is not None:
            progress(1.0)
        return Prediction(probs.astype(np.float16), _levels(labels), STRIDE)


def oracle_for(spine: BlockSpine, *, sure: float = 0.95) -> Oracle:
    """A predictor that knows this spine."""
    return Oracle(Volume(spine.parts, spine.grid), Volume(spine.labels, spine.grid), sure)


def _levels(labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(27, I, J/8, K/8): for every cell the share of each level in it, discs half and half."""
    _, size_j, size_k = labels.shape
    pad = [(0, 0), (0, -size_j % STRIDE), (0, -size_k % STRIDE)]
    padded = np.pad(labels, pad)
    cells = padded.reshape(
        padded.shape[0], padded.shape[1] // STRIDE, STRIDE, padded.shape[2] // STRIDE, STRIDE
    )
    found = np.full((len(LEVELS), *cells.shape[:2], cells.shape[3]), 1e-4, np.float32)
    for name, value in VALUES.items():
        share = (cells == value).mean(axis=(2, 4))
        for level in _levels_of(name):
            found[LEVELS.index(level)] += share
    return found / found.sum(axis=0)


def _levels_of(name: str) -> list[str]:
    ends = [("sacrum" if end == "S1" else end) for end in name.split("-")]
    return ends if all(end in LEVELS for end in ends) else []
