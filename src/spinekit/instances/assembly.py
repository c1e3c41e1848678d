"""Numbers for every voxel and a description of every instance, once the separators are known.

It paints and measures what was told apart, and decides on discs; it knows no names.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.parts import BODY, CANAL, CORD, DISC, POSTERIOR, SACRUM
from spinekit.instances.atlas import take_arch
from spinekit.instances.bodies import Planes
from spinekit.instances.column import Column, coords_mm, without_specks
from spinekit.instances.curve import STEP_MM
from spinekit.instances.measure import measure_items
from spinekit.instances.posterior import REAR_MM, SPECK, assign_posterior
from spinekit.instances.profile import BIN_MM, Profile
from spinekit.instances.sorting import Bones, large_enough, sort_bones

MIN_DISC_MM3 = 60.0
"""A smaller disc is a speck, mm³."""
MIN_CORD_MM3 = 300.0
"""Smaller pieces beside a larger one are nerve roots below the conus."""

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
    column, arch = take_arch(column, profile, spacing_mm)
    bones = sort_bones(column, profile, planes, arch, box[2].start, shape[2], spacing_mm)
    disc_number, is_rudiment = _sort_discs(bones, float(np.prod(spacing_mm)))
    layers = range(-box[2].start, shape[2] - box[2].start)
    owner, is_speck = _own_posterior(column, profile, bones, layers, spacing_mm)
    posterior, discs = (np.argwhere(column.parts == part) for part in (POSTERIOR, DISC))

    parts = _clean_parts(column.parts, spacing_mm)
    parts[np.isin(parts, (BODY, SACRUM, DISC))] = 0
    vertebra_map, disc_map = np.zeros((2, *parts.shape), dtype=np.uint8)
    number = bones.number
    is_body = number > 0
    for target, at, value in (
        (parts, bones.where[is_body], BODY),
        (parts, bones.where[bones.is_sacrum], SACRUM),
        (parts, discs[disc_number > 0], DISC),
        (parts, discs[is_rudiment], SACRUM),
        (parts, posterior[is_speck], 0),
        (vertebra_map, bones.where[is_body], number[is_body]),
        (vertebra_map, posterior, owner),
        (disc_map, discs, disc_number),
    ):
        target[_at(at)] = value

    offset, depth = np.array([axis.start for axis in box]), shape[2]
    where, discs_at = bones.where + offset, discs + offset
    vertebrae = measure_items("vertebra", number, where, bones.straight, spacing_mm, depth)
    at_k, voxel_mm3 = posterior[:, 2] + offset[2], float(np.prod(spacing_mm))
    items = add_posterior(vertebrae, owner, at_k, voxel_mm3, depth)
    straight = column.straight[DISC]
    items += measure_items("disc", disc_number, discs_at, straight, spacing_mm, depth)
    items.sort(key=lambda item: item.position_mm)
    sacral = bones.is_sacrum.astype(np.int64)
    items += measure_items("sacrum", sacral, where, bones.straight, spacing_mm, depth)
    return Instances(
        _paste(parts, box, shape),
        _paste(vertebra_map, box, shape),
        _paste(disc_map, box, shape),
        tuple(items),
        spacing_mm,
    )


def _sort_discs(bones: Bones, voxel_mm3: float) -> tuple[Numbers, NDArray[np.bool_]]:
    """(N,) number of the disc of each voxel, 0 for none, and whether it lies in the sacrum."""
    disc, m = bones.disc, len(bones.planes.at)
    index = _number_discs(disc, bones.is_vertebra, bones.first_sacral, voxel_mm3)
    is_rudiment = (disc >= bones.first_sacral) & (bones.first_sacral <= m)
    return np.where(disc >= 0, index[disc], 0) if m else np.zeros(len(disc), int), is_rudiment


def _own_posterior(
    column: Column,
    profile: Profile,
    bones: Bones,
    layers: range,
    spacing_mm: tuple[float, float, float],
) -> tuple[Numbers, NDArray[np.bool_]]:
    """(N,) number of the vertebra of each posterior voxel, 0 for none, and whether it is noise."""
    borders = _borders(bones.planes, bones.is_vertebra, bones.stretch, bones.straight, profile)
    place = _place_posterior(column, profile, borders, layers, spacing_mm)
    seen = np.flatnonzero(bones.is_vertebra)
    first = int(seen[0]) if len(seen) else 0
    beside = bones.index[np.clip(place + first, 0, len(bones.planes.at))]
    return np.where(place >= 0, beside, 0), place == SPECK


def _place_posterior(
    column: Column,
    profile: Profile,
    borders: NDArray[np.float64],
    layers: range,
    spacing_mm: tuple[float, float, float],
) -> Numbers:
    """Order of the vertebra of each posterior voxel, negative for none.

    `layers` are those of the whole scan, counted from the crop's first.
    """
    mask = column.parts == POSTERIOR
    curve = column.curve
    depth = np.interp(
        np.arange(len(curve.points_mm)) * STEP_MM,
        np.arange(len(profile.depth_mm)) * BIN_MM,
        profile.depth_mm,
    )
    rear = curve.behind(depth / 2 + REAR_MM)
    at = np.clip(np.rint(borders / STEP_MM), 0, len(depth) - 1).astype(np.int64)

    def in_view(straight: Floats) -> NDArray[np.bool_]:
        layer = rear.bend(straight)[:, 2] / spacing_mm[2]
        return (layer > layers[0] - 0.5) & (layer < layers[-1] + 0.5)

    wall = curve.points_mm[at] - curve.anterior[at] * (depth[at] / 2)[:, None].astype(np.float32)
    return assign_posterior(
        mask,
        rear.straighten(coords_mm(mask, spacing_mm), rounds=4),
        np.maximum.accumulate(rear.straighten(wall)[:, 0].astype(np.float64)),
        depth[at],
        float(np.prod(spacing_mm)),
        in_view,
    )


def _at(rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], ...]:
    return rows[:, 0], rows[:, 1], rows[:, 2]


def _paste(
    crop: NDArray[np.uint8], box: tuple[slice, ...], shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    whole = np.zeros(shape, dtype=np.uint8)
    whole[box] = crop
    return whole


def _number_discs(
    disc: Numbers, is_vertebra: Numbers, first_sacral: int, voxel_mm3: float
) -> Numbers:
    """(m,) index of the disc at each separator, 0 for none.

    A disc needs bone on one side at least, and none is counted within the sacrum.
    """
    m = len(is_vertebra) - 1
    bone = is_vertebra.astype(bool).copy()
    bone[first_sacral:] = True
    is_disc = large_enough(disc, m, voxel_mm3, MIN_DISC_MM3) * (bone[:-1] | bone[1:])
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
    """A copy without specks of canal and of cord, which is canal where it is no cord."""
    clean = parts.copy()
    tube = (parts == CANAL) | (parts == CORD)
    clean[tube & ~without_specks(tube, float(np.prod(spacing_mm)))] = 0
    labels, _ = ndimage.label(clean == CORD, structure=np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel()) * float(np.prod(spacing_mm))
    size[0] = 0.0
    clean[(labels > 0) & (size[labels] < min(MIN_CORD_MM3, size.max()))] = CANAL
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
