"""Small trees of files for the tests of datasets: names matter, voxels hardly."""

from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np


def touch(root: Path, *names: str) -> Path:
    """Empty files below a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write_nifti(path: Path, values: Iterable[int], dtype: type = np.uint8) -> None:
    """A volume of 4 × 6 × 8 voxels whose first ones hold the values, the others 0."""
    array = np.zeros((4, 6, 8), dtype)
    listed = list(values)
    array.ravel()[: len(listed)] = listed
    image = nib.Nifti1Image(array, np.diag([4.0, 1.0, 1.0, 1.0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
