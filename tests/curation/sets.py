"""A small set of block spines on disk, in the layout of a folder of one's own."""

from pathlib import Path

import nibabel as nib
import numpy as np

from blocks import BlockSpine, draw_blocks
from spinekit.curation.recipe import prepare_recipe
from spinekit.curation.run import prepare_set

SPACING = (8.0, 4.0, 4.0)


def small_spine(names: tuple[str, ...] | None = None) -> BlockSpine:
    """A lumbar spine of a few thousand voxels."""
    return draw_blocks(SPACING) if names is None else draw_blocks(SPACING, names)


def save(path: Path, array: np.ndarray, affine: np.ndarray) -> Path:
    """Write a NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


def write_set(root: Path, patients: int = 4, contrasts: tuple[str, ...] = ("T2w",)) -> Path:
    """Images and label maps `images/sub01_T2w`, `labels/sub01_T2w`."""
    spine = small_spine()
    for patient in range(1, patients + 1):
        for number, contrast in enumerate(contrasts):
            name = f"sub{patient:02d}_{contrast}.nii.gz"
            image = np.rint(spine.image + patient + 10 * number).astype(np.int16)
            save(root / "images" / name, image, spine.grid.affine)
            save(root / "labels" / name, spine.labels, spine.grid.affine)
    return root


SETTINGS = {"values": "spinekit", "subject": "sub[0-9]+"}


def recipe_table(root: Path, **values: object) -> dict[str, object]:
    """A recipe for `write_set`, as plain values."""
    source = {"root": str(root), "dataset": "folder", "settings": SETTINGS}
    return {"name": "set", "sources": [source], **values}


def prepare(table: dict, out: Path, **options: object) -> dict:
    """The report of a set."""
    return prepare_set(prepare_recipe(table), out, **options)
