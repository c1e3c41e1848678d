"""Which predicted instance answers which reference instance.

Knows label maps only, neither names nor anatomy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinekit.metrics.dice import Mask

MISSED_BELOW_IOU = 0.3  # less overlap than this is no answer
COVERS_FROM = 0.25  # share of a reference instance that a prediction must cover to split or merge


@dataclass(frozen=True, slots=True)
class Match:
    """One reference instance and its answer.

    Attributes:
        ref: label of the reference instance.
        pred: label of the predicted instance that overlaps it most; None when missed.
        iou: intersection over union with the most overlapping instance, also when missed.
        split: two or more predicted instances each cover a quarter of it.
        merged: an instance that covers a quarter of it covers a quarter of another one too.
    """

    ref: int
    pred: int | None
    iou: float
    split: bool
    merged: bool

    @property
    def missed(self) -> bool:
        """Whether no predicted instance answers."""
        return self.pred is None


@dataclass(frozen=True, slots=True)
class Matching:
    """All reference instances of one kind in one scan.

    Attributes:
        matches: one per reference instance, by rising label.
        extra: labels of predicted instances that lie for less than a quarter in any reference.
    """

    matches: tuple[Match, ...]
    extra: tuple[int, ...]


def match_instances(
    pred_map: NDArray[np.integer],
    ref_map: NDArray[np.integer],
    *,
    where: Mask | None = None,
) -> Matching:
    """Match every reference instance to the predicted instance that overlaps it most.

    Args:
        pred_map: (I, J, K) predicted instances, 0 = none.
        ref_map: (I, J, K) reference instances, 0 = none.
        where: (I, J, K) voxels that count; every voxel when omitted.

    Returns:
        The matching; without matches when the reference is empty.
    """
    if where is not None:
        pred_map, ref_map = np.where(where, pred_map, 0), np.where(where, ref_map, 0)
    ref_labels, pred_labels, overlap = _overlaps(pred_map, ref_map)
    ref_size, pred_size = overlap.sum(axis=1), overlap.sum(axis=0)
    overlap, ref_size = overlap[1:, 1:], ref_size[1:]
    pred_size, ref_labels, pred_labels = pred_size[1:], ref_labels[1:], pred_labels[1:]
    covers = overlap >= COVERS_FROM * ref_size[:, None]
    merging = covers.sum(axis=0) >= 2
    matches = []
    for row, label in enumerate(ref_labels):
        best, iou = None, 0.0
        if pred_labels.size:
            column = int(overlap[row].argmax())
            shared = int(overlap[row, column])
            iou = shared / int(ref_size[row] + pred_size[column] - shared)
            best = int(pred_labels[column]) if iou >= MISSED_BELOW_IOU else None
        matches.append(
            Match(
                ref=int(label),
                pred=best,
                iou=float(iou),
                split=bool(covers[row].sum() >= 2),
                merged=bool((covers[row] & merging).any()),
            )
        )
    inside = overlap.max(axis=0, initial=0) >= COVERS_FROM * pred_size
    return Matching(tuple(matches), tuple(int(label) for label in pred_labels[~inside]))


def _overlaps(
    pred_map: NDArray[np.integer], ref_map: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labels of both maps, 0 first, and the (refs, preds) table of shared voxel counts."""
    used = (pred_map > 0) | (ref_map > 0)
    ref, pred = ref_map[used].astype(np.int64), pred_map[used].astype(np.int64)
    ref_labels = np.union1d([0], ref)
    pred_labels = np.union1d([0], pred)
    joint = np.searchsorted(ref_labels, ref) * len(pred_labels) + np.searchsorted(pred_labels, pred)
    table = np.bincount(joint, minlength=len(ref_labels) * len(pred_labels))
    return ref_labels, pred_labels, table.reshape(len(ref_labels), len(pred_labels))
