import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinekit.apps.cli import main

SMALL = ["--fov", "lumbar", "--spacing", "5", "2", "2"]


def test_scans_labels_and_truth_agree(tmp_path: Path) -> None:
    assert main(["phantom", str(tmp_path), "-n", "2", "--seed", "3", *SMALL, "--quiet"]) == 0

    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == sorted(
        f"phantom0000{seed}{ending}"
        for seed in (3, 4)
        for ending in (".nii.gz", "_dseg.nii.gz", "_parts.nii.gz", ".json")
    )
    image = nib.load(tmp_path / "images" / "phantom00003.nii.gz")
    labels = nib.load(tmp_path / "labels" / "phantom00003_dseg.nii.gz")
    truth = json.loads((tmp_path / "truth" / "phantom00003.json").read_text())
    assert image.shape == labels.shape
    np.testing.assert_array_equal(image.affine, labels.affine)
    assert 44 in np.asarray(labels.dataobj)
    assert "L4" in truth["levels"]


def test_the_seed_decides_and_existing_scans_stay(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        main(["phantom", str(tmp_path / folder), "--seed", "5", *SMALL, "--quiet"])
    first, second = (tmp_path / f / "images" / "phantom00005.nii.gz" for f in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()

    first.write_bytes(b"mine")
    main(["phantom", str(tmp_path / "a"), "--seed", "5", *SMALL, "--quiet"])
    assert first.read_bytes() == b"mine"
    main(["phantom", str(tmp_path / "a"), "--seed", "5", *SMALL, "--quiet", "--overwrite"])
    assert first.read_bytes() == second.read_bytes()


def test_anomalies_are_drawn_on_request(tmp_path: Path) -> None:
    main(["phantom", str(tmp_path), *SMALL, "--anomaly", "L6", "--quiet"])

    truth = json.loads((tmp_path / "truth" / "phantom00000.json").read_text())
    assert "L6" in truth["column"]


def test_an_unknown_anomaly_is_wrong_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["phantom", str(tmp_path), "--anomaly", "L9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "L9" in line
    assert "four-lumbar" in line
