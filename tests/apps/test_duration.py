"""How long a run says that it is going to take."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from scan_files import save_itk, save_nifti
from spinekit.apps.duration import expect_seconds


def hollow(path: Path, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> Path:
    """A NIfTI file of zeros that takes no room on the disk."""
    affine = np.diag([*spacing_mm, 1.0])
    header = nib.Nifti1Image(np.zeros((1, 1, 1), np.int16), affine).header
    header.set_data_shape(shape)
    with path.open("wb") as file:
        file.write(header.binaryblock + bytes(4))
        file.truncate(352 + 2 * int(np.prod(shape)))
    return path


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "seconds"),
    [
        # On two cores; measured with the embedded model.
        ((19, 381, 381), (4.4, 1.15, 1.15), 6),
        ((320, 512, 512), (0.5, 0.5, 0.5), 25),
        ((320, 512, 512, 4), (0.5, 0.5, 0.5), 39),
    ],
    ids=["clinical", "fine", "four volumes"],
)
def test_the_time_is_right_within_a_factor_of_two(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, ...],
    spacing_mm: tuple[float, ...],
    seconds: float,
) -> None:
    monkeypatch.setattr("spinekit.apps.duration.available_cores", lambda: 2)
    path = hollow(tmp_path / "a.nii", shape, spacing_mm)

    assert seconds / 2 < expect_seconds([path], threads=None, jobs=1) < seconds * 2


def test_every_format_is_expected_to_take_the_same(tmp_path: Path) -> None:
    scans = [save_nifti(tmp_path / name) for name in ("a.nii", "b.nii.gz")]
    scans += [save_itk(tmp_path / f"c.{ending}") for ending in ("mha", "mhd", "nrrd")]

    first, *others = [expect_seconds([scan], threads=1, jobs=1) for scan in scans]

    assert first > 0
    assert others == pytest.approx([first] * len(others))


def test_scans_at_once_take_less_time_and_damaged_ones_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spinekit.apps.duration.available_cores", lambda: 2)
    scans = [hollow(tmp_path / f"{n}.nii", (320, 512, 512), (0.5, 0.5, 0.5)) for n in range(4)]
    once = expect_seconds(scans, threads=1, jobs=1)
    (tmp_path / "damaged.nii").write_bytes(b"nothing")

    damaged = [tmp_path / "damaged.nii", tmp_path / "missing.nii"]
    assert expect_seconds(damaged, threads=1, jobs=1) == 0
    both = expect_seconds([*scans, *damaged], threads=1, jobs=2)
    assert both == pytest.approx(once / 2)


def test_series_of_one_folder_are_expected_to_take_its_time_once(tmp_path: Path) -> None:
    (tmp_path / "slice").write_bytes(bytes(2**20))
    once = expect_seconds([tmp_path], threads=1, jobs=1)

    assert once > 0
    assert expect_seconds([tmp_path] * 3, threads=1, jobs=1) == once
