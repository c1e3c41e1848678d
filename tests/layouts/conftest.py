"""A result of a small block spine, made once."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, PredictWith, draw_blocks, oracle_for
from spinekit.apps.cli import main

SCAN = "sub-01/ses-a/anat/sub-01_ses-a_acq-sag_T2w.nii.gz"
START = "sub-01/ses-a/anat/sub-01_ses-a_acq-sag_space-orig"
FIGURE = "sub-01/ses-a/figures/sub-01_ses-a_acq-sag_desc-T2w_dseg.png"


@pytest.fixture(scope="session")
def small() -> BlockSpine:
    """T12 to sacrum in blocks, 4 × 2 × 2 mm."""
    return draw_blocks((4.0, 2.0, 2.0))


@pytest.fixture
def small_oracle(small: BlockSpine, predict_with: PredictWith) -> None:
    """Let the command line predict the small spine without a model file."""
    predict_with(oracle_for(small))


@pytest.fixture
def store(small: BlockSpine):
    """A function that writes the small spine's image to a path."""

    def write(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(small.image.astype(np.int16), small.grid.affine), path)
        return path

    return write


@pytest.fixture
def dataset(store, tmp_path: Path) -> Path:
    """One subject's scan, and what lies about in a dataset."""
    root = tmp_path / "raw"
    store(root / SCAN)
    (root / "dataset_description.json").write_text(
        '{"Name": "Necks", "BIDSVersion": "1.8.0", "DatasetDOI": "doi:10.1/2"}'
    )
    store(root / "derivatives" / "other" / "sub-01" / "anat" / "sub-01_desc-x_mask.nii.gz")
    store(root / "sub-01" / "ses-a" / "dwi" / "sub-01_ses-a_dwi.nii.gz")
    return root


def run(*words: object) -> int:
    return main(["segment", *map(str, words), "--quiet"])
