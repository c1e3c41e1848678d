"""What can make a scan worse: noise, coils, blur, contrast, lost slices, resolution, pose, view.

Every disturbance is a function of a scan, one strength and a random generator; what the strength
means stands beside its name. It knows scans and references (i→R, j→A, k→S), no model and no score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.core.grid import Grid
from spinekit.core.volume import Volume
from spinekit.evaluation.reference import Reference

Image = NDArray[np.float32]
Labels = NDArray[np.integer]
WHOLE_FROM = 0.95
"""Of its voxels must be in view for an instance to be scored."""
MARGIN_MM = 6.0
"""Beyond the outermost vertebra that a crop leaves: half a disc."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the model is shown, and where its voxels really lie."""

    array: Image
    shown: NDArray[np.float64]
    """(4, 4) affine that the model is told."""
    true: NDArray[np.float64]
    """(4, 4) affine of the same voxels in the frame of the reference."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """A disturbed scan, and by what its result is judged."""

    seen: Seen
    reference: Reference
    grid: Grid
    """Of the reference."""

    def bring_back(self, labels: Labels) -> Labels:
        """Labels on the shown voxels → nearest on the reference's grid, 0 beyond the view."""
        back = np.linalg.inv(self.seen.true) @ self.grid.affine
        moved: Labels = ndimage.affine_transform(
            labels, back, output_shape=self.grid.shape, order=0, mode="grid-constant"
        )
        return moved

    def judged(self) -> Reference:
        """The reference without what is not in view; instances that are cut go as a whole."""
        inside = self.bring_back(np.ones(self.seen.array.shape, np.uint8)) > 0

        def keep(label_map: Any) -> Any:
            if label_map is None:
                return None
            there = np.bincount(label_map.ravel(), minlength=256)
            left = np.bincount(label_map[inside], minlength=256)
            return np.where((left >= WHOLE_FROM * there)[label_map] & inside, label_map, 0)

        return dataclasses.replace(
            self.reference,
            bodies=keep(self.reference.bodies),
            vertebrae=keep(self.reference.vertebrae),
            discs=keep(self.reference.discs),
            masks=tuple((name, mask & inside) for name, mask in self.reference.masks),
        )


def untouched(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """The scan as it is."""
    return _same_grid(image, image.array)


def noise(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Rician noise; strength is its σ over the 99th percentile."""
    sigma = strength * np.percentile(image.array, 99)
    real = image.array + rng.normal(0, sigma, image.shape)
    return _same_grid(image, np.hypot(real, rng.normal(0, sigma, image.shape)))


def coil(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Fall-off of a surface coil: e^strength between the back and the front."""
    weight = np.exp(-strength * np.linspace(0, 1, image.shape[1]))
    return _same_grid(image, image.array * weight[None, :, None])


def blur(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Gaussian blur in the sagittal plane; strength is σ in mm."""
    sigmas = [0.0, *(strength / s for s in image.grid.spacing_mm[1:])]
    return _same_grid(image, ndimage.gaussian_filter(image.array, sigmas))


def gamma(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """The image, scaled to its 99.5th percentile, to a power; strength is the power."""
    return _same_grid(image, _scaled(image, 99.5) ** strength)


def inverted(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Dark becomes bright, air included; strength 1."""
    return _same_grid(image, 1 - _scaled(image, 99.5))


def greys(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """As few grey values as an 8-bit window leaves of a bright coil; strength is their number."""
    return _same_grid(image, np.round(_scaled(image, 99.9) * (strength - 1)))


def lost_slices(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Sagittal slices as dark as air; strength is their share, one at least."""
    count = max(1, round(strength * image.shape[0]))
    lost = rng.choice(image.shape[0], count, replace=False)
    array = image.array.copy()
    array[lost] = array.min()
    return _same_grid(image, array)


def slice_mm(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Sagittal slices this thick, averaged from the thinner ones."""
    return _resample(image, (strength, *image.grid.spacing_mm[1:]))


def in_plane_mm(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """Pixels of this size, averaged or interpolated."""
    return _resample(image, (image.grid.spacing_mm[0], strength, strength))


def rotation(image: Volume, strength: float, rng: np.random.Generator) -> Seen:
    """The patient turned about the left-right axis; strength in degrees, either way."""
    angle = np.deg2rad(strength) * rng.choice([-1, 1])
    cos, sin = np.cos(angle), np.sin(angle)
    turn, centre = np.eye(4), np.eye(4)
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    middle = image.grid.affine @ [*((n - 1) / 2 for n in image.shape), 1.0]
    centre[:3, 3] = middle[:3]
    true = centre @ turn @ np.linalg.inv(centre) @ image.grid.affine
    return Seen(_cut(image, image.shape, true), image.grid.affine, true)


Disturbance = Callable[[Volume, float, np.random.Generator], Seen]
DISTURBANCES: dict[str, tuple[Disturbance, tuple[float, ...]]] = {
    "none": (untouched, (0,)),
    "noise": (noise, (0.06, 0.12, 0.25)),
    "coil": (coil, (1.5, 3.0)),
    "blur": (blur, (1.0, 2.0)),
    "gamma": (gamma, (0.5, 2.0)),
    "inverted": (inverted, (1,)),
    "greys": (greys, (256, 64, 16)),
    "lost_slices": (lost_slices, (0.1, 0.25)),
    "slice_mm": (slice_mm, (1.0, 2.0, 4.0, 6.0)),
    "in_plane_mm": (in_plane_mm, (0.4, 1.5)),
    "rotation": (rotation, (10, 20)),
}
"""Name → function and the strengths that are measured."""
CROPS = (8, 6, 5, 4, 3)
"""Vertebrae that crops leave in view, from the lowest annotated one upward."""


def applies(title: str, strength: float, image: Volume) -> bool:
    """Whether a disturbance changes this scan: slices can be made thicker, not thinner."""
    return title != "slice_mm" or strength > 1.05 * image.grid.spacing_mm[0]


def disturb(title: str, strength: float, image: Volume, reference: Reference) -> Trial:
    """Apply a disturbance; the same arguments give the same trial."""
    seen = DISTURBANCES[title][0](image, strength, np.random.default_rng(7))
    return Trial(seen, reference, image.grid)


def crop(count: int, image: Volume, reference: Reference) -> Trial | None:
    """A field of view of so many annotated vertebrae and half a disc; None for fewer of them."""
    bones = reference.bodies if reference.bodies is not None else reference.vertebrae
    if bones is None or len(np.unique(bones[bones > 0])) < count:
        return None
    heights = [np.flatnonzero((bones == v).any(axis=(0, 1))) for v in np.unique(bones[bones > 0])]
    lowest_first = sorted((int(k.min()), int(k.max())) for k in heights)[:count]
    margin = round(MARGIN_MM / image.grid.spacing_mm[2])
    first = max(0, lowest_first[0][0] - margin)
    last = min(image.shape[2], lowest_first[-1][1] + margin + 1)

    def cut(array: Any) -> Any:
        return None if array is None else array[:, :, first:last]

    affine = image.grid.affine.copy()
    affine[:3, 3] += first * affine[:3, 2]
    part = Volume(cut(image.array), Grid(cut(image.array).shape, affine))
    left = dataclasses.replace(
        reference,
        bodies=cut(reference.bodies),
        vertebrae=cut(reference.vertebrae),
        discs=cut(reference.discs),
        masks=tuple((structure, cut(mask)) for structure, mask in reference.masks),
        points=(),
    )
    return Trial(_same_grid(part, part.array), left, part.grid)


def _scaled(image: Volume, percentile: float) -> Image:
    scaled: Image = np.clip(image.array / np.percentile(image.array, percentile), 0, 1)
    return scaled


def _same_grid(image: Volume, array: NDArray[Any]) -> Seen:
    return Seen(np.asarray(array, np.float32), image.grid.affine, image.grid.affine)


def _resample(image: Volume, spacing_mm: tuple[float, ...]) -> Seen:
    """The scan averaged or interpolated to another spacing over the same field of view."""
    shape = [
        max(1, round(n * old / new))
        for n, old, new in zip(image.shape, image.grid.spacing_mm, spacing_mm, strict=True)
    ]
    steps = np.array([n / m for n, m in zip(image.shape, shape, strict=True)])
    scale = np.diag([*steps, 1.0])
    scale[:3, 3] = (steps - 1) / 2
    sigmas = [0.42 * step if step > 1 else 0.0 for step in steps]
    smooth = Volume(ndimage.gaussian_filter(image.array, sigmas), image.grid)
    true = image.grid.affine @ scale
    return Seen(_cut(smooth, tuple(shape), true, beyond="nearest"), true, true)


def _cut(
    image: Volume, shape: tuple[int, ...], affine: NDArray[np.float64], *, beyond: str = "constant"
) -> Image:
    """The scan on another grid, linear; beyond its edges as dark as air, or the nearest value."""
    to_source = np.linalg.inv(image.grid.affine) @ affine
    cut: Image = ndimage.affine_transform(
        image.array, to_source, output_shape=shape, order=1, mode=beyond, cval=image.array.min()
    )
    return cut
