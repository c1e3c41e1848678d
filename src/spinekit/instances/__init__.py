"""From a parts map to instances: every vertebra, disc and the sacrum, ordered from the top.

Straighten the column, find the separators, give every voxel to its stretch. It knows the parts
and nothing of the names of levels; nothing here needs a trained model.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinekit.anatomy.items import Instance, Instances
from spinekit.anatomy.parts import BODY, DISC, SACRUM
from spinekit.instances.assembly import assemble
from spinekit.instances.bodies import fit_planes
from spinekit.instances.column import decide_parts, find_column, keep_sacrum
from spinekit.instances.measure import measure_items
from spinekit.instances.profile import build_profile, find_separators, part_sacrum

__all__ = ["Instance", "Instances", "split_instances"]


def split_instances(
    parts_probs: NDArray[np.floating], spacing_mm: tuple[float, float, float]
) -> Instances:
    """Split the parts of a spine into instances.

    Args:
        parts_probs: (7, I, J, K) probabilities of the parts, i to the right, j to the front, k
            upwards; a single slice (I = 1) is fine.
        spacing_mm: voxel size.

    Returns:
        Instances from the top; the sacrum alone where there is no vertebra and no disc; no items
        and empty maps for a scan without spine.
    """
    spacing = (float(spacing_mm[0]), float(spacing_mm[1]), float(spacing_mm[2]))
    parts, box = decide_parts(parts_probs)
    column = find_column(parts[box], spacing) if parts.any() else None
    if column is None:
        return _without_column(parts, box, spacing)
    voxel_mm3 = float(np.prod(spacing))
    kinds = (BODY, DISC, SACRUM)
    straight = np.concatenate([column.straight[kind] for kind in kinds])
    kind = np.concatenate([np.full(len(column.straight[k]), k, np.uint8) for k in kinds])
    profile = build_profile(straight, kind, voxel_mm3, column.curve.length_mm)
    if profile is None:
        return _without_column(parts, box, spacing)
    separators = part_sacrum(profile, find_separators(profile))
    planes = fit_planes(separators, column.straight[DISC], voxel_mm3)
    found = assemble(column, profile, planes, box, parts.shape, spacing)
    return found if found.items else _without_column(parts, box, spacing)


def _without_column(
    parts: NDArray[np.uint8], box: tuple[slice, ...], spacing_mm: tuple[float, float, float]
) -> Instances:
    """The sacrum alone, measured from the top down; no items without one."""
    kept, empty = np.zeros_like(parts), np.zeros_like(parts)
    if parts.any():
        kept[box] = keep_sacrum(parts[box], spacing_mm)
    if not kept.any():
        return Instances(kept, empty, empty, (), spacing_mm)
    voxels = np.argwhere(kept == SACRUM)
    along = ((voxels - voxels.mean(axis=0)) * spacing_mm).astype(np.float32)
    straight = np.stack([-along[:, 2], along[:, 0], along[:, 1]], axis=1)
    number, depth = np.ones(len(voxels), dtype=np.int64), parts.shape[2]
    items = measure_items("sacrum", number, voxels, straight, spacing_mm, depth)
    return Instances(kept, empty, empty, tuple(items), spacing_mm)
