"""From the working grid back to the scan's: labels, parts, and soft maps.

It knows instances with their names and the two grids; how either came about it does not know.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from spinekit.anatomy.items import Instances
from spinekit.anatomy.parts import CANAL, CORD
from spinekit.core.geometry import (
    GeometryRecord,
    oriented_grid,
    restore_labels,
    restore_linear,
    restore_probs_argmax,
)
from spinekit.core.margins import Imaged
from spinekit.structures import NamedInstance, compose_labels, grow_map


def restore_instances(
    probs: NDArray[np.floating],
    instances: Instances,
    named: Sequence[NamedInstance],
    record: GeometryRecord,
    imaged: Imaged | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Labels and parts on the record's input grid.

    Where that grid is the working grid with its axes turned, voxels are only moved. Otherwise
    the edges of the parts come from resampled probabilities, and each voxel takes the nearest
    instance.

    Args:
        probs: (7, I, J, K) probabilities on the working grid; changed where they disagree with
            the instances' parts.
        instances: The split column there.
        named: The instances that are to appear.
        record: The way back.
        imaged: Where the scan holds image, all of it by default; nothing is labelled elsewhere.

    Returns:
        Labels and parts, uint8 on the input grid.
    """
    if record.working_grid == oriented_grid(record.input_grid):
        # Only voxels that hold image were split.
        labels, parts = compose_labels(instances, named)
        return restore_labels(labels, record), restore_labels(parts, record)
    settle_probs(probs, instances.parts)
    restored = dataclasses.replace(
        instances,
        parts=restore_probs_argmax(probs, record),
        vertebra_map=restore_labels(grow_map(instances.vertebra_map), record),
        disc_map=restore_labels(grow_map(instances.disc_map), record),
    )
    labels, parts = compose_labels(restored, named)
    return _as_seen(labels, record, imaged), _as_seen(parts, record, imaged)


def settle_probs(parts_probs: NDArray[np.floating], parts: NDArray[np.uint8]) -> None:
    """Make probabilities agree with parts that were cleaned after them, in place.

    Where the most probable class is no longer the part, the part becomes certain, so that
    resampling the probabilities carries the cleaning along and stays smooth elsewhere.

    Args:
        parts_probs: (7, I, J, K) probabilities, changed.
        parts: (I, J, K) uint8, the parts to agree with.
    """
    for i in range(parts.shape[0]):
        # Only the classes that a voxel could lose or gain are looked at: background is most.
        some = (parts_probs[0, i] < 0.5) | (parts[i] > 0)
        j, k = np.nonzero(some)
        kept = parts[i, j, k]
        wrong = parts_probs[:, i, j, k].argmax(axis=0) != kept
        j, k, kept = j[wrong], k[wrong], kept[wrong]
        parts_probs[:, i, j, k] = 0
        parts_probs[kept, i, j, k] = 1


def restore_soft(
    probs: NDArray[np.floating],
    parts: NDArray[np.uint8],
    record: GeometryRecord,
    imaged: Imaged | None = None,
) -> dict[str, NDArray[np.float32]]:
    """Probabilities of cord and canal on the record's input grid, by linear interpolation.

    What was cleaned away is 0: one voxel around canal and cord as they were found is kept.

    Args:
        probs: (7, I, J, K) probabilities on the working grid.
        parts: (I, J, K) uint8, the cleaned parts there.
        record: The way back.
        imaged: Where the scan holds image, all of it by default.

    Returns:
        `cord`, and `canal`, which includes the cord; float32 on the input grid, 0 to 1.
    """
    near = ndimage.binary_dilation((parts == CANAL) | (parts == CORD))
    cord = np.where(near, probs[CORD].astype(np.float32), np.float32(0))
    canal = np.where(near, cord + probs[CANAL].astype(np.float32), np.float32(0))
    return {
        "cord": _as_seen(np.clip(restore_linear(cord, record), 0, 1), record, imaged),
        "canal": _as_seen(np.clip(restore_linear(canal, record), 0, 1), record, imaged),
    }


def _as_seen(array: NDArray[Any], record: GeometryRecord, imaged: Imaged | None) -> NDArray[Any]:
    """The array on the input grid, in place, with 0 where the scan holds no image."""
    if imaged is not None and not imaged.is_all:
        np.copyto(array, 0, where=imaged.blank_in(record.input_grid))
    return array
