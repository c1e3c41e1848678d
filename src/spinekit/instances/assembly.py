"""Numbers for every voxel and a description of every instance, once the separators are known.

It decides what is bone of which stretch, what is sacrum and what is noise, and knows no names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import Instance, Instances
from spinekit.instances.atlas import part_atlas
from spinekit.instances.bodies import Planes, assign_bodies, assign_discs
from spinekit.instances.column import (
    BODY,
    CANAL,
    CORD,
    DISC,
    POSTERIOR,
    SACRUM,
    Column,
    coords_mm,
)
from spinekit.instances.curve import STEP_MM
from spinekit.instances.measure import SACRAL_CORE_MM, measure_items
from spinekit.instances.posterior import REAR_MM, SPECK, assign_posterior
from spinekit.instances.profile import BIN_MM, Profile

MIN_SACRUM_MM3 = 800.0
"""Less sacrum than this (mm³) is taken for a mistaken part."""
MIN_BODY_MM3 = 80.0
MIN_DISC_MM3 = 60.0
MIN_SHARE = 0.08
"""A body or disc smaller than this share of the scan's median is noise."""
FRAGMENT_SHARE = 0.25
"""A lowest body smaller than this share of the scan's larger ones is no vertebra."""
SPILL_MM = 10.0
"""How far sacrum may reach above its separator before it counts as body, mm."""
BESIDE_MM = 35.0
"""Stray sacrum this near the curve may be part of a body, mm."""
SPILL_CORE_MM = 15.0
"""Only this near the curve: beside the last body the wings of the sacrum rise higher, mm."""
MIN_CANAL_MM3 = 100.0

Floats = NDArray[np.float32]
Numbers = NDArray[np.int64]


def assemble(
    column: Column,
    profile: Profile,
    planes: Planes,
    box: tuple[slice, ...],
    shape: tuple[int, ...],
    spacing_mm: tuple[float, float, float],
) -> Instances:
    """Give every voxel of the column its instance.

    Args:
        column: parts and straightened coordinates in the crop.
        profile: areas and depth along the column.
        planes: the separators.
        box: where the crop lies in the scan.
        shape: (I, J, K) of the scan.
        spacing_mm: voxel size.

    Returns:
        Maps on the scan's grid and the items from the top.
    """
    voxel_mm3 = float(np.prod(spacing_mm))
    mask = {part: column.parts == part for part in (BODY, POSTERIOR, DISC, SACRUM)}
    stretch = assign_bodies(mask[BODY], column.straight[BODY], planes, voxel_mm3)
    stretch, planes = part_atlas(
        mask[BODY], column.straight[BODY], stretch, planes, profile.depth_mm, voxel_mm3
    )
    sacrum, body_of_sacrum, first_sacral = _decide_sacrum(column, stretch, planes, voxel_mm3)
    disc = assign_discs(mask[DISC], column.straight[DISC], planes, voxel_mm3)

    m = len(planes.at)
    straight = np.concatenate([column.straight[BODY], column.straight[SACRUM]])
    where = np.concatenate([np.argwhere(mask[BODY]), np.argwhere(mask[SACRUM])])
    is_sacrum = np.concatenate([stretch >= first_sacral, sacrum])
    stretch = np.where(is_sacrum, -1, np.concatenate([stretch, body_of_sacrum]))
    at_edge = (where[:, 2] + box[2].start == 0) | (where[:, 2] + box[2].start == shape[2] - 1)
    cut = np.bincount(stretch[at_edge & (stretch >= 0)], minlength=m + 1) > 0
    is_vertebra = _large_enough(stretch, m + 1, voxel_mm3, MIN_BODY_MM3, cut)
    is_vertebra = _without_fragments_below(stretch, is_vertebra, cut & (first_sacral > m))
    index = np.cumsum(is_vertebra) * is_vertebra
    body = np.where(stretch >= 0, index[stretch], 0)

    disc_index = _number_discs(disc, is_vertebra, first_sacral, voxel_mm3)
    is_rudiment = (disc >= first_sacral) & (first_sacral <= m)
    disc_number = np.where(disc >= 0, disc_index[disc], 0) if m else np.zeros(len(disc), int)

    place = _place_posterior(
        column, profile, _borders(planes, is_vertebra, stretch, straight, profile), spacing_mm
    )
    first = int(np.flatnonzero(is_vertebra)[0]) if is_vertebra.any() else 0
    owner = np.where(place >= 0, index[np.clip(place + first, 0, m)], 0)

    offset = np.array([axis.start for axis in box])
    rows = [where[body > 0], np.argwhere(mask[POSTERIOR]), np.argwhere(mask[DISC])]
    parts = _clean_parts(column.parts, spacing_mm)
    parts[mask[BODY] | mask[SACRUM] | mask[DISC]] = 0
    vertebra_map, disc_map = np.zeros((2, *parts.shape), dtype=np.uint8)
    for target, at, value in (
        (parts, rows[0], BODY),
        (parts, where[is_sacrum], SACRUM),
        (parts, rows[2][disc_number > 0], DISC),
        (parts, rows[2][is_rudiment], SACRUM),
        (parts, rows[1][place == SPECK], 0),
        (vertebra_map, rows[0], body[body > 0]),
        (vertebra_map, rows[1], owner),
        (disc_map, rows[2], disc_number),
    ):
        target[_at(at)] = value

    depth = shape[2]
    vertebrae = measure_items(
        "vertebra", body[body > 0], rows[0] + offset, straight[body > 0], spacing_mm, depth
    )
    vertebrae = add_posterior(vertebrae, owner, rows[1][:, 2] + offset[2], voxel_mm3, depth)
    discs = measure_items(
        "disc", disc_number, rows[2] + offset, column.straight[DISC], spacing_mm, depth
    )
    items = sorted([*vertebrae, *discs], key=lambda item: item.position_mm)
    items += measure_items(
        "sacrum", is_sacrum.astype(np.int64), where + offset, straight, spacing_mm, depth
    )
    return Instances(
        _paste(parts, box, shape),
        _paste(vertebra_map, box, shape),
        _paste(disc_map, box, shape),
        tuple(items),
        spacing_mm,
    )


def _place_posterior(
    column: Column,
    profile: Profile,
    borders: NDArray[np.float64],
    spacing_mm: tuple[float, float, float],
) -> Numbers:
    """Order of the vertebra of each posterior voxel, negative for none."""
    mask = column.parts == POSTERIOR
    curve = column.curve
    depth = np.interp(
        np.arange(len(curve.points_mm)) * STEP_MM,
        np.arange(len(profile.depth_mm)) * BIN_MM,
        profile.depth_mm,
    )
    rear = curve.behind(depth / 2 + REAR_MM)
    at = np.clip(np.rint(borders / STEP_MM), 0, len(depth) - 1).astype(np.int64)
    wall = curve.points_mm[at] - curve.anterior[at] * (depth[at] / 2)[:, None].astype(np.float32)
    return assign_posterior(
        mask,
        rear.straighten(coords_mm(mask, spacing_mm), rounds=4),
        np.maximum.accumulate(rear.straighten(wall)[:, 0].astype(np.float64)),
        depth[at],
        float(np.prod(spacing_mm)),
    )


def _at(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _paste(
    crop: NDArray[np.uint8], box: tuple[slice, ...], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    whole = np.zeros(shape, dtype=np.uint8)
    whole[box] = crop
    return whole


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


def _large_enough(
    number: Numbers,
    count: int,
    voxel_mm3: float,
    least_mm3: float,
    cut: NDArray[np.bool_] | None = None,
) -> Numbers:
    """(count,) 1 for the numbers with a volume that is no noise, else 0.

    A piece is noise if it is far smaller than its neighbours, unless the scan's edge cuts it.
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
    stretch: Numbers, is_vertebra: Numbers, cut: NDArray[np.bool_]
) -> Numbers:
    """Drop what is left of mistaken bone under the last real vertebra.

    Bodies grow downward, so a lowest one far smaller than the larger ones of the scan is none,
    unless the scan's edge cuts it.
    """
    volume = np.bincount(stretch[stretch >= 0], minlength=len(is_vertebra))[: len(is_vertebra)]
    kept = is_vertebra.copy()
    seen = np.flatnonzero(kept)
    while len(seen) > 2:
        lowest = seen[-1]
        if cut[lowest] or volume[lowest] >= FRAGMENT_SHARE * np.quantile(volume[seen], 0.75):
            break
        kept[lowest] = 0
        seen = seen[:-1]
    return kept


def _number_discs(
    disc: Numbers, is_vertebra: Numbers, first_sacral: int, voxel_mm3: float
) -> Numbers:
    """(m,) index of the disc at each separator, 0 for none.

    A disc needs bone on one side at least, and none is counted within the sacrum.
    """
    m = len(is_vertebra) - 1
    bone = is_vertebra.astype(bool).copy()
    bone[first_sacral:] = True
    is_disc = _large_enough(disc, m, voxel_mm3, MIN_DISC_MM3) * (bone[:-1] | bone[1:])
    is_disc[first_sacral:] = 0
    return np.cumsum(is_disc) * is_disc


def _borders(
    planes: Planes, is_vertebra: Numbers, stretch: Numbers, straight: Floats, profile: Profile
) -> NDArray[np.float64]:
    """Borders of the vertebrae along the curve, the outer ones of the first and last included."""
    seen = np.flatnonzero(is_vertebra)
    if len(seen) == 0:
        return np.zeros(0)
    first, last = int(seen[0]), int(seen[-1])
    inner = planes.at[first:last].astype(np.float64)
    outer = []
    for end, plane, quantile in ((first, first - 1, 0.02), (last, last, 0.98)):
        t = straight[stretch == end, 0]
        edge = float(np.quantile(t, quantile))
        at = int(np.clip(edge / BIN_MM, 0, len(profile.depth_mm) - 1))
        # A body cut by the scan's edge is as tall as it is deep, whatever is left of it.
        whole = float(profile.depth_mm[at])
        if 0 <= plane < len(planes.at):
            edge = float(planes.at[plane])
        elif quantile < 0.5:
            edge = min(edge - 2.0, (inner[0] if len(inner) else edge + whole) - 0.9 * whole)
        else:
            edge = max(edge + 2.0, (inner[-1] if len(inner) else edge - whole) + 0.9 * whole)
        outer.append(edge)
    return np.array([outer[0], *inner, outer[1]])


def _clean_parts(
    parts: NDArray[np.uint8], spacing_mm: tuple[float, float, float]
) -> NDArray[np.uint8]:
    """A copy without specks of canal and cord."""
    clean = parts.copy()
    tube = (parts == CANAL) | (parts == CORD)
    labels, _ = ndimage.label(tube, structure=np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel()) * float(np.prod(spacing_mm))
    clean[tube & (size[labels] < MIN_CANAL_MM3)] = 0
    return clean


def add_posterior(
    vertebrae: list[Instance], owner: Numbers, k: Numbers, voxel_mm3: float, depth: int
) -> list[Instance]:
    """Add the volume of posterior elements and whether they reach the scan's edge."""
    volume = np.bincount(owner, minlength=256) * voxel_mm3
    at_edge = np.bincount(owner[(k == 0) | (k == depth - 1)], minlength=256) > 0
    return [
        replace(
            item,
            posterior_mm3=float(volume[item.index]),
            touches_edge=item.touches_edge or bool(at_edge[item.index]),
            partial=item.partial or bool(at_edge[item.index]),
        )
        for item in vertebrae
    ]
