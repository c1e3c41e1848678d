"""The curved mid-sagittal surface of a scan and the part of it that is shown.

Knows parts maps and spacings, neither names nor colours. Volumes are (I, J, K) with i→R, j→A,
k→S; on the surface and in the picture anterior is left and superior is up.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from spinekit.anatomy.scheme import PARTS

IMAGE_HEIGHT_PX = 1040  # of the image alone, for a scan of ordinary shape
LEAST_PX = 160  # least side of the image alone: a scan of one row is shown in a black field
PANEL_WIDTH_PX = (300, 760)  # narrower panels are widened, wider ones make the picture lower
BEHIND_MM, ENDS_MM = 22.0, 14.0  # shown behind, and above and below what was found
NAMES_PX = 118  # shown in front of what was found, black where the scan ends: room for the names
CURVE_SMOOTHING_MM = 12.0  # standard deviation; follows a scoliosis, not a single vertebra
MIDLINE_PARTS = [PARTS.index(name) for name in ("body", "disc", "canal", "cord", "sacrum")]

Mask = NDArray[np.bool_]
Spacing = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Plane:
    """The curved mid-sagittal surface: which slices every height is taken from.

    Attributes:
        lower: (K,) slice on the left of the curve.
        upper: (K,) its neighbour on the right, or the same slice.
        share: (K,) weight of the upper slice, 0…1.
    """

    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    share: NDArray[np.float64]

    def cut_image(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        """(I, J, K) → (K, J) intensities on the surface."""
        k = np.arange(image.shape[2])
        lower, upper = image[self.lower, :, k], image[self.upper, :, k]
        blended = lower * (1.0 - self.share[:, None]) + upper * self.share[:, None]
        return np.asarray(blended, dtype=np.float32)

    def cut_labels(self, label_map: NDArray[np.integer]) -> NDArray[np.integer]:
        """(I, J, K) → (K, J) values on the surface, from the nearer slice."""
        k = np.arange(label_map.shape[2])
        nearer = np.where(self.share > 0.5, self.upper, self.lower)
        return np.asarray(label_map[nearer, :, k])


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a (K, J) surface that is shown, and its size in the picture.

    Attributes:
        j: first and last + 1 voxel shown along A, fractional; they may lie beyond the scan.
        k: first and last + 1 voxel shown along S, as above.
        size_px: width and height.
        step_mm: voxel size of the surface along K and J.
    """

    j: tuple[float, float]
    k: tuple[float, float]
    size_px: tuple[int, int]
    step_mm: tuple[float, float]

    def draw(self, surface: NDArray[np.floating], *, scale: int = 1) -> NDArray[np.float32]:
        """(K, J) surface → (height, width) pixels, anterior left, superior up."""
        beyond = [
            (max(0, -math.floor(low)), max(0, math.ceil(high) - size))
            for (low, high), size in zip((self.k, self.j), surface.shape, strict=True)
        ]
        padded = np.pad(surface, beyond, constant_values=surface.min())
        rows, columns = (
            size - before for size, (before, _) in zip(padded.shape, beyond, strict=True)
        )
        flipped = Image.fromarray(np.ascontiguousarray(padded[::-1, ::-1], dtype=np.float32))
        box = (columns - self.j[1], rows - self.k[1], columns - self.j[0], rows - self.k[0])
        size = (self.size_px[0] * scale, self.size_px[1] * scale)
        return np.asarray(flipped.resize(size, Image.Resampling.BICUBIC, box=box))

    def around(
        self, k: tuple[int, int], j: tuple[int, int], *, scale: int
    ) -> tuple["Window", int, int]:
        """The part of the picture that shows some voxels, so that it can be drawn by itself.

        Args:
            k: first and last + 1 voxel along S.
            j: first and last + 1 voxel along A.
            scale: the part is cut from a picture that many times larger.

        Returns:
            A window on whole pixels of the larger picture, and its top and left pixel there.
        """
        width, height = (side * scale for side in self.size_px)
        across, down = width / (self.j[1] - self.j[0]), height / (self.k[1] - self.k[0])
        left = max(0, math.floor((self.j[1] - j[1]) * across))
        right = min(width, math.ceil((self.j[1] - j[0]) * across))
        top = max(0, math.floor((self.k[1] - k[1]) * down))
        bottom = min(height, math.ceil((self.k[1] - k[0]) * down))
        part = Window(
            (self.j[1] - right / across, self.j[1] - left / across),
            (self.k[1] - bottom / down, self.k[1] - top / down),
            (right - left, bottom - top),
            self.step_mm,
        )
        return part, top, left

    def moved(self, k: float, j: float) -> "Window":
        """The same window on a surface whose first voxel is voxel (k, j) of this one."""
        return replace(
            self,
            j=(self.j[0] - j, self.j[1] - j),
            k=(self.k[0] - k, self.k[1] - k),
        )


def follow_spine(parts: NDArray[np.integer], spacing_mm: Spacing) -> Plane:
    """The curved mid-sagittal surface through the middle of canal, bodies, discs and sacrum.

    Args:
        parts: (I, J, K) parts.
        spacing_mm: voxel size along i, j, k.

    Returns:
        The surface; the middle slice where nothing was found at all. Between two slices it
        changes over quickly, because halves of two thick slices make a blurred image.
    """
    slices, _, heights = parts.shape
    midline = np.isin(parts, MIDLINE_PARTS)
    weight = midline.sum(axis=(0, 1)).astype(np.float64)
    moment = (midline.sum(axis=1) * np.arange(slices)[:, None]).sum(axis=0)
    sigma = CURVE_SMOOTHING_MM / spacing_mm[2]
    weight = ndimage.gaussian_filter1d(weight, sigma, mode="constant")
    moment = ndimage.gaussian_filter1d(moment.astype(np.float64), sigma, mode="constant")
    known = np.flatnonzero(weight > 1e-6)
    if known.size == 0:
        curve = np.full(heights, (slices - 1) / 2.0)
    else:
        curve = np.interp(np.arange(heights), known, moment[known] / weight[known])
    curve = np.clip(curve, 0.0, slices - 1.0)
    lower = np.floor(curve).astype(np.intp)
    share = np.clip((curve - lower - 0.5) * 4.0 + 0.5, 0.0, 1.0)
    return Plane(lower, np.minimum(lower + 1, slices - 1), share)


def choose_window(found: Mask, spacing_mm: Spacing) -> Window:
    """What to show of a surface: all that was found with a margin, else everything.

    Args:
        found: (K, J) mask of everything labelled.
        spacing_mm: voxel size along i, j, k.

    Returns:
        A window with square pixels, beyond a scan that is too low or too narrow for `LEAST_PX`.
    """
    rows, columns = found.shape
    _, step_j, step_k = spacing_mm
    j, k = (0.0, float(columns)), (0.0, float(rows))
    if found.any():
        hit_j, hit_k = np.flatnonzero(found.any(axis=0)), np.flatnonzero(found.any(axis=1))
        ends = ENDS_MM / step_k
        k = (max(0.0, hit_k[0] - ends), min(float(rows), hit_k[-1] + 1 + ends))
        posterior = max(0.0, hit_j[0] - BEHIND_MM / step_j)
        spine_mm = (hit_j[-1] + 1 - posterior) * step_j
        px_per_mm = min(
            IMAGE_HEIGHT_PX / ((k[1] - k[0]) * step_k), (PANEL_WIDTH_PX[1] - NAMES_PX) / spine_mm
        )
        anterior = hit_j[-1] + 1 + NAMES_PX / px_per_mm / step_j
        narrowest = posterior + PANEL_WIDTH_PX[0] / px_per_mm / step_j
        j = (posterior, max(anterior, min(narrowest, float(columns))))
    width_mm, height_mm = (j[1] - j[0]) * step_j, (k[1] - k[0]) * step_k
    scale = min(IMAGE_HEIGHT_PX / height_mm, PANEL_WIDTH_PX[1] / width_mm)
    j, k = _at_least(LEAST_PX / scale / step_j, j), _at_least(LEAST_PX / scale / step_k, k)
    width_mm, height_mm = (j[1] - j[0]) * step_j, (k[1] - k[0]) * step_k
    return Window(j, k, (round(width_mm * scale), round(height_mm * scale)), (step_k, step_j))


def _at_least(length: float, ends: tuple[float, float]) -> tuple[float, float]:
    """The stretch, widened on both sides where it is shorter."""
    more = max(0.0, length - (ends[1] - ends[0])) / 2
    return ends[0] - more, ends[1] + more
