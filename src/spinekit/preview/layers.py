"""The mid-sagittal image under one layer of labels, with names beside the structures or without.

Knows arrays, spacings and texts; neither files nor what a value means. All arrays are (I, J, K)
with i→R, j→A, k→S; in the picture anterior is left and superior is up.
"""

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spinekit.anatomy.scheme import PARTS
from spinekit.preview.surface import Mask, Plane, Spacing, Window, choose_window, follow_spine
from spinekit.preview.tags import Colour, Shape, make_tag, write_tags

OPACITY = 0.6  # of the labels over the image
POINT_MM = 2.5  # radius of a point
COLUMN_PARTS = [PARTS.index(name) for name in ("body", "disc", "sacrum")]
DARKEST_PCT, BRIGHTEST_PCT = 1.0, 99.5


@dataclass(frozen=True)
class Sheet:
    """The curved mid-sagittal image of a scan, on which layers are drawn.

    Attributes:
        plane: which slices every height is taken from.
        window: what is shown, and how large: all of the scan.
        grey: (height, width) grey values.
        column: (K, J) mask of bodies, discs and sacrum on the surface, which names point at.
    """

    plane: Plane
    window: Window
    grey: NDArray[np.uint8]
    column: Mask

    def draw(
        self, label_map: NDArray[np.integer] | None = None, names: Mapping[int, str] | None = None
    ) -> Image.Image:
        """Draw a layer of labels over the image.

        Args:
            label_map: (I, J, K) values, 0 for nothing; None leaves the image alone.
            names: Value → text to write beside it.

        Returns:
            An RGB picture.
        """
        pixels = np.repeat(self.grey[:, :, None], 3, axis=2).astype(np.float32)
        if label_map is None:
            return Image.fromarray(pixels.astype(np.uint8))
        surface = self.plane.cut_labels(label_map)
        tags = []
        for value in (int(value) for value in np.unique(surface) if value > 0):
            mask = self._enlarge(surface == value)
            colour = colour_of(value)
            pixels[mask] += OPACITY * (np.asarray(colour, np.float32) - pixels[mask])
            shape = _shape(self._enlarge((surface == value) & self.column)) or _shape(mask)
            if names and value in names and shape is not None:
                tags.append(make_tag(shape, names[value], colour, is_disc="-" in names[value]))
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        write_tags(picture, tags)
        return picture

    def _enlarge(self, mask: Mask) -> Mask:
        """(K, J) mask → (height, width) mask."""
        return self.window.draw(mask.astype(np.float32)) > 0.5


def make_sheet(
    image: NDArray[np.floating], parts: NDArray[np.integer], spacing_mm: Spacing
) -> Sheet:
    """Cut the image along the curve of the spine.

    Args:
        image: (I, J, K) intensities; values that are not finite are drawn black.
        parts: (I, J, K) parts, for the curve.
        spacing_mm: voxel size along i, j, k.
    """
    plane = follow_spine(parts, spacing_mm)
    surface = plane.cut_image(np.nan_to_num(image, posinf=0.0, neginf=0.0))
    window = choose_window(np.zeros(surface.shape, bool), spacing_mm)
    drawn = window.draw(surface)
    low, high = np.percentile(drawn, [DARKEST_PCT, BRIGHTEST_PCT])
    share = np.clip((drawn - low) / max(float(high - low), 1e-6), 0, 1)
    column = np.isin(plane.cut_labels(parts), COLUMN_PARTS)
    return Sheet(plane, window, np.asarray(255 * share, np.uint8), column)


def spread_points(
    points_ijk: Sequence[tuple[int, NDArray[np.floating]]],
    shape: tuple[int, int, int],
    spacing_mm: Spacing,
) -> NDArray[np.uint8]:
    """A label map in which every point is a dot that shows in any slice.

    Args:
        points_ijk: Value and (3,) position in voxels of each point.
        shape: (I, J, K) of the map.
        spacing_mm: voxel size along i, j, k.

    Returns:
        (I, J, K) uint8; all zeros for no point.
    """
    drawn = np.zeros(shape[1:], np.uint8)
    front, up = np.indices(shape[1:])
    for value, at in points_ijk:
        far = np.hypot((front - at[1]) * spacing_mm[1], (up - at[2]) * spacing_mm[2])
        drawn[far <= POINT_MM] = value
    return np.broadcast_to(drawn, shape)


def colour_of(value: int) -> Colour:
    """A constant colour; values that follow one another differ widely."""
    red, green, blue = colorsys.hsv_to_rgb((value * 0.381966) % 1.0, 0.75, 0.95)
    return round(red * 255), round(green * 255), round(blue * 255)


def _shape(mask: Mask) -> Shape | None:
    """A mask cropped to what is in it; None for an empty one."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    top, left = int(rows[0]), int(columns[0])
    return Shape(mask[top : rows[-1] + 1, left : columns[-1] + 1], top, left, 1)
