"""Sets of block spines on disk, and faults to plant in their masks."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from blocks import BlockSpine, draw_blocks
from spinekit.anatomy.scheme import VALUES
from spinekit.datasets.case import Case
from spinekit.datasets.meaning import mask_file

SPACING_MM = (5.0, 2.0, 2.0)
DISCS = (91, 92, 93, 94, 95, 100)


def spine() -> BlockSpine:
    """T12 to sacrum in blocks, coarse."""
    return draw_blocks(SPACING_MM)


def write_case(
    folder: Path,
    name: str = "one",
    *,
    image: NDArray | None = None,
    labels: NDArray | None = None,
    affine: NDArray | None = None,
    mask_affine: NDArray | None = None,
    subject: str | None = None,
    facts: dict[str, str] | None = None,
    seed: int = 0,
) -> Case:
    """Write an image with its mask; by default the block spine as it is, with noise of its own."""
    drawn = spine()
    if image is None:
        noise = np.random.default_rng(seed).normal(0, 4, drawn.image.shape)
        image = np.rint(drawn.image + noise).astype(np.int16)
    labels = drawn.labels if labels is None else labels
    affine = drawn.grid.affine if affine is None else affine
    image_path, mask_path = (
        folder / "images" / f"{name}.nii.gz",
        folder / "labels" / f"{name}.nii.gz",
    )
    for path, array, where in (
        (image_path, image, affine),
        (mask_path, labels, affine if mask_affine is None else mask_affine),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, where), path)
    masks = (mask_file(mask_path, "spinekit"),)
    return Case(name, "set", subject or name, image_path, masks, facts=facts or {})


def swap(labels: NDArray) -> NDArray:
    result = labels.copy()
    result[labels == VALUES["L2"]] = VALUES["L3"]
    result[labels == VALUES["L3"]] = VALUES["L2"]
    return result


def mix(labels: NDArray) -> NDArray:
    result = labels.copy()
    voxels = np.argwhere(labels == VALUES["L3"])
    lower = voxels[voxels[:, 2] < np.median(voxels[:, 2])]
    result[tuple(lower.T)] = VALUES["L4"]
    return result


def mix_with_a_cut_one(labels: NDArray) -> NDArray:
    """The left of L2 under the name of L1, of which only the process is left, at the upper edge."""
    result = cut_above_l1(labels)
    voxels = np.argwhere(labels == VALUES["L2"])
    left = voxels[voxels[:, 0] <= np.quantile(voxels[:, 0], 0.3)]
    result[tuple(left.T)] = VALUES["L1"]
    return result


def mix_most(labels: NDArray) -> NDArray:
    """Most of L3, from its right, under the name of L4."""
    result = labels.copy()
    voxels = np.argwhere(labels == VALUES["L3"])
    right = voxels[voxels[:, 0] > np.quantile(voxels[:, 0], 0.3)]
    result[tuple(right.T)] = VALUES["L4"]
    return result


def swap_with_a_cut_one(labels: NDArray) -> NDArray:
    """L1, of which only the process is left, and L2 under each other's names."""
    result = cut_above_l1(labels)
    one, two = result == VALUES["L1"], result == VALUES["L2"]
    result[one], result[two] = VALUES["L2"], VALUES["L1"]
    return result


def cut_above_l1(labels: NDArray) -> NDArray:
    """The scan ends above the process of L1, whose body was not marked; nothing lies above."""
    result = np.where(np.isin(labels, [VALUES[n] for n in ("T12", "T12-L1", "L1-L2")]), 0, labels)
    bone = np.argwhere(labels == VALUES["L1"])
    canal = np.argwhere(labels == VALUES["spinal_canal"])[:, 1].min()
    body = bone[bone[:, 1] > canal]
    result[tuple(body.T)] = 0
    return result


def name_two_alike(labels: NDArray) -> NDArray:
    return np.where(labels == VALUES["L3"], VALUES["L2"], labels)


def skip_a_name(labels: NDArray) -> NDArray:
    """L1 and all above it become a level higher, which leaves L1 out without a gap."""
    result = np.where(np.isin(labels, DISCS), 0, labels)
    for old, new in (("T12", "T11"), ("L1", "T12")):
        result[labels == VALUES[old]] = VALUES[new]
    return result


def drill(labels: NDArray) -> NDArray:
    result = labels.copy()
    voxels = np.argwhere(labels == VALUES["L3"])
    i, _, k = voxels.mean(axis=0).astype(int)
    j = int(voxels[:, 1].max()) - 8
    result[i, j - 2 : j + 2, k - 2 : k + 2] = 0
    return result


def sprinkle(labels: NDArray) -> NDArray:
    result = labels.copy()
    result[2:4, 2, 90:92] = VALUES["L2"]
    return result


def skip_a_slice(labels: NDArray) -> NDArray:
    result = labels.copy()
    middle = labels.shape[0] // 2
    result[middle][labels[middle] == VALUES["L3"]] = 0
    return result


def reverse(labels: NDArray) -> NDArray:
    names = ("T12", "L1", "L2", "L3", "L4", "L5")
    result = np.where(np.isin(labels, DISCS), 0, labels)
    for old, new in zip(names, reversed(names), strict=True):
        result[labels == VALUES[old]] = VALUES[new]
    return result


def reverse_discs(labels: NDArray, bones: tuple[str, ...] = ()) -> NDArray:
    """Discs named from below, the sacrum, and no vertebra but those given."""
    kept = {VALUES[name]: VALUES[name] for name in ("sacrum", *bones)}
    table = kept | dict(zip(DISCS, reversed(DISCS), strict=True))
    result = np.zeros_like(labels)
    for old, new in table.items():
        result[labels == old] = new
    return result
