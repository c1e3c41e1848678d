"""The picture of a corrected result: the scan where it is found, and no other one."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from blocks import BlockSpine, draw_loin, oracle_for
from results import bytes_of
from spinekit.apps.cli import main
from spinekit.options import SegmentOptions
from spinekit.pipeline import segment


@pytest.fixture(scope="module")
def loin() -> BlockSpine:
    return draw_loin()


@pytest.fixture
def result(loin: BlockSpine, tmp_path: Path) -> Path:
    """Labels of a result, alone with its files."""
    found = segment(loin.image, affine=loin.grid.affine, predictor=oracle_for(loin))
    return found.save(tmp_path / "out", stem="spine")["dseg"]


def test_the_picture_shows_the_scan_where_it_is_found(
    loin: BlockSpine, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = result.parent / "spine_preview.png"
    with Image.open(picture) as before:
        plain = np.asarray(before)[20:-60, 20:180]
    main(["relabel", str(result), "--set", "L2=L3"])
    assert "--image" in capsys.readouterr().err
    scan = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(loin.image, loin.grid.affine), scan)

    main(["relabel", str(result), "--set", "L3=L3", "--image", str(scan)])

    assert capsys.readouterr().err == ""
    with Image.open(picture) as after:
        np.testing.assert_array_equal(np.asarray(after)[20:-60, 20:180], plain)


def test_a_scan_of_another_place_is_refused_for_the_picture(
    loin: BlockSpine, result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = bytes_of(result.parent)
    away = loin.grid.affine.copy()
    away[2, 3] += 900.0
    nib.save(nib.Nifti1Image(loin.image, away), tmp_path / "other.nii.gz")

    words = ["--set", "L2=L3", "--image", str(tmp_path / "other.nii.gz")]
    assert main(["relabel", str(result), *words]) == 1

    assert "holds 0% of what is marked, so the result is of another scan" in capsys.readouterr().err
    assert bytes_of(result.parent) == before


@pytest.mark.parametrize("named", [False, True])
def test_the_picture_shows_the_volume_that_was_segmented(
    loin: BlockSpine, tmp_path: Path, named: bool
) -> None:
    scan = tmp_path / "scan.nii.gz"
    both = np.stack([loin.image.max() - loin.image, loin.image], axis=-1)
    nib.save(nib.Nifti1Image(both, loin.grid.affine), scan)
    made = segment(scan, SegmentOptions(volume=1), predictor=oracle_for(loin))
    labels = made.save(tmp_path)["dseg"]
    picture = tmp_path / "scan_preview.png"
    with Image.open(picture) as before:
        plain = np.asarray(before)[20:-60, 20:180]

    words = ["--image", str(scan)] if named else []
    assert main(["relabel", str(labels), "--set", "L2=L3", "--quiet", *words]) == 0

    with Image.open(picture) as after:
        np.testing.assert_array_equal(np.asarray(after)[20:-60, 20:180], plain)
