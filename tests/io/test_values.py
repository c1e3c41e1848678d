"""Values as arrays hold them: beyond 32-bit floats, or hidden by a mask."""

from pathlib import Path

import numpy as np
import pytest

from scan_files import AFFINE, SHAPE, picture, save_nifti
from spinekit.core.errors import SpineKitError
from spinekit.io.reading import Scan, read_scan, scan_from_array


@pytest.mark.parametrize(
    ("scale", "offset"), [(1e300, 0.0), (1e-60, 0.0), (1.0, 1e12), (1e305, -1e308)]
)
def test_values_that_32_bits_cannot_tell_apart_are_scaled(scale: float, offset: float) -> None:
    plain = picture().astype(np.float64)

    scan = scan_from_array(plain * scale + offset, affine=AFFINE)

    ranked = (plain - plain.min()) / (plain.max() - plain.min())
    np.testing.assert_allclose(scan.volume.array, ranked, atol=1e-3)
    assert [notice.code for notice in scan.notices] == ["values-scaled"]


def test_large_whole_numbers_are_told_apart() -> None:
    plain = picture().astype(np.int64)

    scan = scan_from_array(plain + 2**52, affine=AFFINE)

    ranked = (plain - plain.min()) / (plain.max() - plain.min())
    np.testing.assert_allclose(scan.volume.array, ranked, atol=1e-6)


@pytest.mark.parametrize("kind", [np.float64, np.int32, np.uint64])
def test_usual_values_stay_as_they_are(kind: type) -> None:
    scan = scan_from_array(picture().astype(kind), affine=AFFINE)

    np.testing.assert_array_equal(scan.volume.array, picture().astype(kind).astype(np.float32))
    assert scan.notices == ()


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize("fill", [-32768, 65535, -(2**31) + 2])
def test_fill_far_from_all_values_becomes_dark(kind: type, fill: int) -> None:
    around = picture().astype(kind)
    around[:, :4] = fill

    scan = scan_from_array(around, affine=AFFINE)

    image = picture().astype(np.float32)
    image[:, :4] = image[:, 4:].min()
    np.testing.assert_array_equal(scan.volume.array, image)
    assert [notice.code for notice in scan.notices] == ["fill-replaced"]
    assert around[0, 0, 0] == fill


@pytest.mark.parametrize("fill", [-1.7e308, -3.4e38])
def test_the_least_float_there_is_can_be_fill(fill: float) -> None:
    around = picture().astype(np.float64)
    around[:, :4] = fill
    around[:, 4] = 65535

    scan = scan_from_array(around, affine=AFFINE)

    assert scan.volume.array.max() == picture()[:, 5:].max()
    assert scan.volume.array.min() == picture()[:, 5:].min()
    assert [notice.code for notice in scan.notices] == ["fill-replaced"] * 2


def test_few_voxels_near_values_and_labels_are_no_fill() -> None:
    span = float(np.ptp(picture()))
    few, near = picture().astype(np.float32), picture().astype(np.float32)
    few[0, 0, :3] = -32768
    near[:, :4] = near.min() - 0.9 * span
    labels = np.where(picture() > picture().mean(), np.float32(50), np.float32(0))
    labels[:, :4] = 41

    for image in (few, near, labels):
        scan = scan_from_array(image, affine=AFFINE)

        np.testing.assert_array_equal(scan.volume.array, image)
        assert scan.notices == ()


def test_infinite_values_do_not_decide_the_range() -> None:
    plain = picture().astype(np.float64)
    plain[0, 0, 0] = np.inf

    scan = scan_from_array(plain, affine=AFFINE)

    assert scan.volume.array.max() == np.float32(picture().ravel()[1:].max())
    assert [notice.code for notice in scan.notices] == ["not-finite"]


def test_what_a_masked_array_hides_is_no_image() -> None:
    hidden = np.zeros(picture().shape, dtype=bool)
    hidden[:3] = True
    masked = np.ma.array(np.where(hidden, 9e5, picture()), mask=hidden)

    scan = scan_from_array(masked, affine=AFFINE)

    assert scan.volume.array.max() == picture()[3:].max()
    assert [(n.code, n.text.split()[0]) for n in scan.notices] == [
        ("not-finite", str(hidden.sum()))
    ]


@pytest.mark.parametrize("values", [1j * picture(), picture().astype(str)], ids=["complex", "text"])
def test_masked_values_that_are_no_real_numbers_are_refused(values: np.ndarray) -> None:
    hidden = np.zeros(values.shape, dtype=bool)
    hidden[0] = True

    with pytest.raises(SpineKitError, match="not real numbers"):
        scan_from_array(np.ma.array(values, mask=hidden), affine=AFFINE)


NRRD = "\n".join([
    "NRRD0004", "type: float", "dimension: 4", "space: left-posterior-superior",
    f"sizes: {' '.join(map(str, SHAPE))} 3", "space directions: (-4,0,0) (0,-1,0) (0,0,1) none",
    "kinds: domain domain domain list", "endian: little", "encoding: raw", "space origin: (0,0,0)",
])  # fmt: skip


def read_volumes(folder: Path, ending: str, volumes: np.ndarray) -> Scan:
    """A 4-D scan as it is read from a file, or an array."""
    if ending == "array":
        return scan_from_array(volumes, affine=AFFINE)
    path = folder / f"a.{ending}"
    if ending == "nii":
        return read_scan(save_nifti(path, volumes, scl_slope=2, scl_inter=5))
    path.write_bytes(f"{NRRD}\n\n".encode() + volumes.tobytes(order="F"))
    return read_scan(path)


@pytest.mark.parametrize("ending", ["nii", "nrrd", "array"])
def test_what_one_volume_lacks_is_the_mean_of_the_others(tmp_path: Path, ending: str) -> None:
    volumes = np.stack([picture() + 10 * n for n in range(3)], axis=-1).astype(np.float32)
    expected = volumes.mean(axis=-1)
    volumes[1:3, :, :, 0] = np.nan
    volumes[2, :, :, 2] = np.inf
    expected[1] += 5
    expected[2] = volumes[2, :, :, 1]

    scan = read_volumes(tmp_path, ending, volumes)

    scaled = expected * 2 + 5 if ending == "nii" else expected
    np.testing.assert_allclose(scan.volume.array, scaled, rtol=1e-5)
    told = {notice.code: notice.text for notice in scan.notices}
    left_out = 3 * SHAPE[1] * SHAPE[2]
    assert told["not-finite"].startswith(f"{left_out} values that are NaN or infinite were left")
    assert "volumes-averaged" in told


def test_what_all_volumes_lack_is_replaced_as_in_one(tmp_path: Path) -> None:
    volumes = np.stack([picture(), picture()], axis=-1).astype(np.float64)
    volumes[0, 0, 0], volumes[0, 0, 1] = np.nan, np.inf

    scan = scan_from_array(volumes, affine=AFFINE)

    low, high = scan.volume.array[1:].min(), scan.volume.array[1:].max()
    assert (scan.volume.array[0, 0, 0], scan.volume.array[0, 0, 1]) == (low, high)
    (told,) = [notice.text for notice in scan.notices if notice.code == "not-finite"]
    assert told.startswith("2 voxels")
