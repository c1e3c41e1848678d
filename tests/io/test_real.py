"""Every real scan that is there reads, fits its masks and comes back to the bit."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinekit.core.geometry import normalise_geometry, normalise_labels, restore_labels
from spinekit.io.reading import read_labels, read_scan
from spinekit.io.writing import write_labels

ROOT = Path(
    os.environ.get("SPINEKIT_REAL_DATA")
    or Path(__file__).parents[2].parent / "shared" / "data" / "real"
)
IMAGES = sorted((ROOT / "images").glob("*.nii.gz"))[::8]


@pytest.mark.skipif(not IMAGES, reason=f"no real scans in {ROOT}")
def test_real_scans_read_and_come_back(tmp_path: Path) -> None:
    for path in IMAGES:
        scan = read_scan(path, strict=True)
        expected = nib.load(path)
        np.testing.assert_array_equal(scan.volume.grid.affine, expected.affine)
        np.testing.assert_array_equal(scan.volume.array, np.asanyarray(expected.dataobj))
        working, record = normalise_geometry(scan.volume)
        assert working.grid.orientation == "RAS"
        for mask in (ROOT / "labels").glob(f"{scan.stem}_bodies.nii.gz"):
            labels = read_labels(mask)
            assert labels.grid.is_close(scan.volume.grid, tolerance_mm=1e-2)
            back = restore_labels(normalise_labels(labels.array, record), record)
            assert (back == labels.array).mean() > 0.99
            write_labels(tmp_path / "out.nii.gz", labels.array, scan.header)
            out = nib.load(tmp_path / "out.nii.gz")
            np.testing.assert_array_equal(out.affine, expected.affine)
            np.testing.assert_array_equal(np.asanyarray(out.dataobj), labels.array)
