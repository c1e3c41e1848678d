"""Which voxels of body and sacrum are a vertebra, which the sacrum, and which are noise.

It knows parts and separators along the curve, and nothing of discs, posterior elements or names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.parts import BODY, DISC, SACRUM
from spinekit.instances.atlas import add_arch, part_atlas
from spinekit.instances.bodies import Planes, assign_bodies, assign_discs
from spinekit.instances.column import Column
from spinekit.instances.measure import SACRAL_CORE_MM
from spinekit.instances.profile import Profile

MIN_SACRUM_MM3 = 800.0
"""Less sacrum than this (mm³) is taken for a mistaken part."""
MIN_BODY_MM3 = 80.0
"""A smaller body is a speck, mm³."""
MIN_SHARE = 0.08
"""A body or disc smaller than this share of the scan's median is noise."""
FRAGMENT_SHARE = 0.25
"""A lowest body smaller than this share of the scan's larger ones is no vertebra."""
FRAGMENT_DISC_MM3 = 300.0
"""Unless a disc of this volume lies below it, mm³."""
SPILL_MM = 10.0
"""How far sacrum may reach above its separator before it counts as body, mm."""
BESIDE_MM = 35.0
"""Stray sacrum this near the curve may be part of a body, mm."""
SPILL_CORE_MM = 15.0
"""Only this near the curve: beside the last body the wings of the sacrum rise higher, mm."""

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bones:
    """Every voxel of the parts body and sacrum, and what it was found to be.

    Attributes:
        where: (N, 3) voxels in the crop, the part body first.
        straight: (N, 3) straightened coordinates.
        stretch: (N,) stretch between separators, -1 for sacrum and for what is no bone.
        is_sacrum: (N,) whether it is sacrum.
        is_vertebra: (m + 1,) 1 for each stretch that is a vertebra.
        planes: the separators, those of the second look included.
        first_sacral: the first stretch of the sacrum, m + 1 for none.
        disc: separator of each voxel of the part disc, -1 for none.
    """

    where: NDArray[np.intp]
    straight: Floats
    stretch: Numbers
    is_sacrum: NDArray[np.bool_]
    is_vertebra: Numbers
    planes: Planes
    first_sacral: int
    disc: Numbers

    @property
    def index(self) -> Numbers:
        """(m + 1,) number from the top of the vertebra of each stretch, 0 for none."""
        return np.cumsum(self.is_vertebra) * self.is_vertebra

    @property
    def number(self) -> Numbers:
        """(N,) number of the vertebra of each voxel, 0 for none."""
        return np.where(self.stretch >= 0, self.index[self.stretch], 0)


def sort_bones(
    column: Column,
    profile: Profile,
    planes: Planes,
    arch: NDArray[np.intp],
    lowest: int,
    depth: int,
    spacing_mm: tuple[float, float, float],
) -> Bones:
    """Tell vertebrae, sacrum and noise apart.

    Args:
        column: parts and straightened coordinates in the crop.
        profile: areas and depth along the column.
        planes: the separators.
        arch: (n, 3) voxels of an anterior arch of C1 that was taken out of the column.
        lowest: layer of the scan that the crop starts at.
        depth: number of layers of the scan.
        spacing_mm: voxel size.

    Returns:
        What every voxel of the parts body and sacrum is.
    """
    voxel_mm3 = float(np.prod(spacing_mm))
    body, straight = column.parts == BODY, column.straight[BODY]
    stretch = assign_bodies(body, straight, planes, voxel_mm3)
    ring = column.curve.straighten((arch * np.asarray(spacing_mm)).astype(np.float32))
    top = 0
    if len(arch):
        stretch, planes, top = add_arch(stretch, planes, ring)
    else:
        stretch, planes = part_atlas(body, straight, stretch, planes, profile.depth_mm, voxel_mm3)
    sacrum, body_of_sacrum, first_sacral = _decide_sacrum(column, stretch, planes, voxel_mm3)
    m = len(planes.at)
    straight = np.concatenate([straight, column.straight[SACRUM], ring])
    where = np.concatenate([np.argwhere(body), np.argwhere(column.parts == SACRUM), arch])
    is_sacrum = np.concatenate([stretch >= first_sacral, sacrum, np.zeros(len(arch), dtype=bool)])
    of_arch = np.full(len(arch), top, dtype=np.int64)
    stretch = np.where(is_sacrum, -1, np.concatenate([stretch, body_of_sacrum, of_arch]))
    layer = where[:, 2] + lowest
    at_edge = (layer == 0) | (layer == depth - 1)
    cut = np.bincount(stretch[at_edge & (stretch >= 0)], minlength=m + 1) > 0
    is_vertebra = large_enough(stretch, m + 1, voxel_mm3, MIN_BODY_MM3, cut)
    disc = assign_discs(column.parts == DISC, column.straight[DISC], planes, voxel_mm3)
    on_disc = np.bincount(disc[disc >= 0], minlength=m + 1) * voxel_mm3 >= FRAGMENT_DISC_MM3
    told = on_disc | (cut & (first_sacral > m))
    is_vertebra = _without_fragments_below(stretch, is_vertebra, told)
    return Bones(where, straight, stretch, is_sacrum, is_vertebra, planes, first_sacral, disc)


def _decide_sacrum(
    column: Column, body: Numbers, planes: Planes, voxel_mm3: float
) -> tuple[NDArray[np.bool_], Numbers, int]:
    """Which voxels of the sacrum class are sacrum, and the rest's stretch.

    Returns:
        (N,) True for sacrum, (N,) stretch of those that are body (-1 for none), and the first
        sacral stretch (one past the last for a scan without sacrum).
    """
    mask, straight = column.parts == SACRUM, column.straight[SACRUM]
    body_core = np.abs(column.straight[BODY][:, 1:]).max(axis=1) < SACRAL_CORE_MM
    m = len(planes.at)
    nothing = np.zeros(len(straight), dtype=bool)
    if len(straight) == 0:
        return nothing, np.zeros(0, dtype=np.int64), m + 1
    stretch = planes.stretch(straight)
    # The sacrum bends away from the continued curve: what lies far from it may seem to lie beside
    # the last vertebra. Only its upper end, near the curve, tells where it begins.
    core = np.abs(straight[:, 1:]).max(axis=1) < SACRAL_CORE_MM
    sacral = np.bincount(stretch[core], minlength=m + 1)
    bony = np.bincount(body[(body >= 0) & body_core], minlength=m + 1)
    # Bone above, sacrum below: the border that agrees with most voxels, whatever single stretches
    # say. A fragment taken for a body inside the sacrum then stays sacrum.
    agreeing = np.concatenate([[0], np.cumsum(bony - sacral)])
    first = m + 1 - int(np.argmax(agreeing[::-1]))
    if first > m or np.count_nonzero(stretch >= first) * voxel_mm3 < MIN_SACRUM_MM3:
        return nothing, np.where(core & (bony[stretch] > sacral[stretch]), stretch, -1), m + 1
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    piece = labels[mask]
    size = np.bincount(piece, minlength=count + 1)
    # Voxels off the curve go with those of their piece that lie near it.
    weight = np.where(core, 1.0, 0.01)
    low = np.bincount(piece, weights=weight * (stretch >= first), minlength=count + 1)
    real = (low > 0.5 * np.bincount(piece, weights=weight, minlength=count + 1)) & (
        size > 0.03 * size.max()
    )
    is_sacrum = real[piece]
    if first > 0:
        lower = np.full(len(straight), first - 1)
        spill = np.abs(straight[:, 1:]).max(axis=1) < SPILL_CORE_MM
        is_sacrum &= ~spill | (planes.height_mm(lower, straight) > -SPILL_MM)
    beside = np.abs(straight[:, 1:]).max(axis=1) < BESIDE_MM
    is_body = ~is_sacrum & beside & (bony[stretch] > 0) & (stretch < first)
    return is_sacrum, np.where(is_body, stretch, -1), first


def large_enough(
    number: Numbers,
    count: int,
    voxel_mm3: float,
    least_mm3: float,
    cut: NDArray[np.bool_] | None = None,
) -> Numbers:
    """Tell structures from noise by their volume.

    A piece is noise if it is far smaller than its neighbours, unless the scan's edge cuts it.

    Args:
        number: (N,) structure of each voxel, negative for none.
        count: how many structures there may be.
        voxel_mm3: volume of a voxel.
        least_mm3: anything smaller is noise.
        cut: (count,) whether the scan's edge cuts it.

    Returns:
        (count,) 1 for a structure, 0 for noise.
    """
    volume = np.bincount(number[number >= 0], minlength=count)[:count] * voxel_mm3
    usual = np.zeros(count)
    for n in range(count):
        near = volume[max(0, n - 3) : n + 4]
        usual[n] = np.median(near[near > least_mm3]) if (near > least_mm3).any() else np.inf
    share = MIN_SHARE * usual
    if cut is not None:
        share = np.where(cut, 0.0, share)
    return (volume >= np.maximum(least_mm3, share)).astype(np.int64)


def _without_fragments_below(
    stretch: Numbers, is_vertebra: Numbers, told: NDArray[np.bool_]
) -> Numbers:
    """Drop what is left of mistaken bone under the last real vertebra.

    Bodies grow downward, so a lowest one far smaller than the larger ones of the scan is none,
    unless a disc below it or the scan's edge that cuts it tells of one.
    """
    volume = np.bincount(stretch[stretch >= 0], minlength=len(is_vertebra))[: len(is_vertebra)]
    kept = is_vertebra.copy()
    seen = np.flatnonzero(kept)
    while len(seen) > 2:
        lowest = seen[-1]
        if told[lowest] or volume[lowest] >= FRAGMENT_SHARE * np.quantile(volume[seen], 0.75):
            break
        kept[lowest] = 0
        seen = seen[:-1]
    return kept
