"""NIfTI in: voxels and places as nibabel sees them, for every type, order and version."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from scan_files import AFFINE, SHAPE, picture, save_nifti
from spinekit.core.errors import GeometryError, InputError, UsageError
from spinekit.io.reading import read_labels, read_scan

OBLIQUE = np.array(
    [[3.9, -0.1, 0.2, -10], [0.4, 0.95, -0.25, -20], [-0.7, 0.25, 0.93, 30], [0, 0, 0, 1]]
)


def codes(path: Path) -> list[str]:
    return [notice.code for notice in read_scan(path).notices]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("version", [1, 2])
def test_scan_is_as_nibabel_reads_it(tmp_path: Path, ending: str, version: int) -> None:
    path = save_nifti(tmp_path / f"scan{ending}", version=version)
    scan = read_scan(path)
    image = nib.load(path)
    np.testing.assert_array_equal(scan.volume.array, image.get_fdata())
    np.testing.assert_array_equal(scan.volume.grid.affine, image.affine)
    assert scan.volume.array.dtype == np.float32
    assert scan.volume.array.flags.c_contiguous
    assert scan.header.shape == SHAPE
    assert scan.notices == ()
    assert scan.stem == "scan"
    assert scan.source["file"] == f"scan{ending}"
    assert scan.source["shape"] == list(SHAPE)
    assert scan.source["spacing_mm"] == [4, 1, 1]
    assert scan.source["orientation"] == "RAS"


def test_checksum_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    import hashlib

    path = save_nifti(tmp_path / "scan.nii.gz")
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_scan(path).source["sha256"] == expected


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_voxel_type_in_both_byte_orders(tmp_path: Path, kind: str, order: str) -> None:
    array = (picture() % 100).astype(order + kind)
    image = nib.Nifti1Image(array, AFFINE, nib.Nifti1Header(endianness=order), dtype=array.dtype)
    path = tmp_path / "scan.nii"
    nib.save(image, path)
    np.testing.assert_array_equal(read_scan(path).volume.array, array)


@pytest.mark.parametrize(
    ("slope", "intercept", "expected"),
    [
        (2, -5, lambda v: v * 2 - 5),
        (0, 9, lambda v: v),
        (np.nan, 0, lambda v: v),
        (1, 0, lambda v: v),
    ],
)
def test_scaling_is_applied_unless_void(
    tmp_path: Path, slope: float, intercept: float, expected: object
) -> None:
    path = save_nifti(tmp_path / "a.nii", scl_slope=slope, scl_inter=intercept)
    np.testing.assert_allclose(read_scan(path).volume.array, expected(picture()))


@pytest.mark.parametrize("slope", [1, 2])
def test_large_whole_numbers_are_told_apart_scaled_or_not(tmp_path: Path, slope: int) -> None:
    array = picture().astype(np.int32) + 10**9
    path = save_nifti(tmp_path / "a.nii", array, scl_slope=slope, scl_inter=0)

    scan = read_scan(path)

    assert [notice.code for notice in scan.notices] == ["values-scaled"]
    assert len(np.unique(scan.volume.array)) == len(np.unique(array))


@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE])
def test_sform_comes_before_qform_and_qform_before_spacing(
    tmp_path: Path, affine: np.ndarray
) -> None:
    image = nib.Nifti1Image(picture(), None)
    image.set_sform(affine, 2)
    image.set_qform(np.diag([3, 3, 3, 1]), 1)
    path = tmp_path / "a.nii"
    nib.save(image, path)
    np.testing.assert_allclose(read_scan(path).volume.grid.affine, affine, atol=1e-5)
    image.set_sform(None, 0)
    nib.save(image, path)
    np.testing.assert_allclose(read_scan(path).volume.grid.affine, np.diag([3, 3, 3, 1]), atol=1e-5)


@pytest.mark.parametrize("row", [(0, 0, 0, 0), (np.nan, 0, 0, 0)])
def test_qform_is_taken_where_the_sform_is_no_place(tmp_path: Path, row: object) -> None:
    empty = {f"srow_{axis}": row for axis in "xyz"}
    scan = read_scan(save_nifti(tmp_path / "a.nii", **empty))

    np.testing.assert_allclose(scan.volume.grid.affine, AFFINE, atol=1e-4)
    assert [notice.code for notice in scan.notices] == ["forms-disagree"]
    assert "qform was taken" in scan.notices[0].text
    with pytest.raises(GeometryError):
        read_scan(save_nifti(tmp_path / "b.nii", **empty, qform_code=0))


@pytest.mark.parametrize(
    ("directions", "orientation"), [((-1, -1), "PIL"), ((1, 1), "PSL"), ((1, -1), "PIL")]
)
def test_a_picture_is_a_sagittal_slice_as_in_other_formats(
    tmp_path: Path, directions: tuple[int, int], orientation: str
) -> None:
    affine = np.diag([*(2.0 * sign for sign in directions), 1.0, 1.0])

    scan = read_scan(save_nifti(tmp_path / "a.nii", picture((40, 36)), affine))

    assert scan.volume.grid.orientation == orientation
    assert scan.volume.spacing_mm == (2, 2, 1)
    assert [notice.code for notice in scan.notices] == ["orientation-assumed"]


def test_a_slice_that_lies_in_space_stays_there(tmp_path: Path) -> None:
    affine = np.array([[0, 0, -1, 9], [-2, 0, 0, 8], [0, 2, 0, 7], [0, 0, 0, 1.0]])

    scan = read_scan(save_nifti(tmp_path / "a.nii", picture((40, 36)), affine))

    np.testing.assert_allclose(scan.volume.grid.affine, affine, atol=1e-5)
    assert scan.notices == ()


def test_qform_alone_gives_oblique_places(tmp_path: Path) -> None:
    turned = nib.Nifti1Image(picture(), OBLIQUE)
    turned.set_qform(OBLIQUE, 1)
    expected = turned.get_qform()
    path = save_nifti(tmp_path / "a.nii", affine=expected, sform_code=0)
    np.testing.assert_allclose(read_scan(path).volume.grid.affine, expected, atol=1e-4)


def test_without_orientation_nibabels_convention_and_a_notice(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", code=0)
    assert codes(path) == ["orientation-assumed"]
    np.testing.assert_allclose(read_scan(path).volume.grid.affine, nib.load(path).affine)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (3, 0.001), (2, 1.0), (0, 1.0)])
def test_units_are_converted_to_millimetres(tmp_path: Path, unit: int, factor: float) -> None:
    affine = np.diag([1 / factor] * 3 + [1]) @ AFFINE
    path = save_nifti(tmp_path / "a.nii", affine=affine, xyzt_units=unit | 8)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.volume.spacing_mm, (4, 1, 1), rtol=1e-5)
    assert [n.code for n in scan.notices] == (["units-converted"] if factor != 1 else [])


def test_four_axes_give_the_mean_or_the_chosen_volume(tmp_path: Path) -> None:
    array = picture((*SHAPE, 3))
    path = save_nifti(tmp_path / "a.nii.gz", array)
    scan = read_scan(path)
    np.testing.assert_allclose(scan.volume.array, array.mean(axis=3), rtol=1e-6)
    assert scan.header.shape == SHAPE
    assert [(n.code, "3 volumes" in n.text) for n in scan.notices] == [("volumes-averaged", True)]
    chosen = read_scan(path, volume_index=1)
    np.testing.assert_array_equal(chosen.volume.array, array[..., 1])
    assert [n.code for n in chosen.notices] == ["volume-chosen"]
    with pytest.raises(UsageError, match="0 to 2"):
        read_scan(path, volume_index=3)


def test_trailing_axes_of_one_are_no_axes(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii", picture()[..., None, None])
    scan = read_scan(path)
    assert (scan.header.shape, scan.notices) == (SHAPE, ())


@pytest.mark.parametrize(("shape", "full"), [((40, 36), (40, 36, 1)), ((1, 40, 36),) * 2])
def test_one_slice_is_accepted(
    tmp_path: Path, shape: tuple[int, ...], full: tuple[int, int, int]
) -> None:
    scan = read_scan(save_nifti(tmp_path / "a.nii", picture(shape)))
    assert (scan.volume.shape, scan.header.shape) == (full, shape)


def test_a_slice_without_thickness_or_place_lies_sagittal(tmp_path: Path) -> None:
    path = save_nifti(
        tmp_path / "a.nii", picture((40, 36)), code=0, pixdim=[1, 0.5, 0.75, 0, 0, 0, 0, 0]
    )
    scan = read_scan(path)
    assert scan.volume.grid.orientation == "PSL"
    assert scan.volume.spacing_mm == pytest.approx((0.5, 0.75, 1))
    assert [n.code for n in scan.notices] == ["orientation-assumed"]


def test_a_placed_slice_without_thickness_gets_a_normal(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 0, 5], [1.0, 0, 0, 6], [0, 1, 0, 7], [0, 0, 0, 1]])
    path = save_nifti(tmp_path / "a.nii", picture((40, 36)))
    save_nifti(path, picture((40, 36)), srow_x=affine[0], srow_y=affine[1], srow_z=affine[2])
    grid = read_scan(path).volume.grid
    assert grid.orientation == "ASR"
    assert grid.spacing_mm == (1, 1, 1)


def test_extensions_before_the_voxels_are_passed_over(tmp_path: Path) -> None:
    image = nib.Nifti1Image(picture(), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"some words" * 99))
    path = tmp_path / "a.nii.gz"
    nib.save(image, path)
    np.testing.assert_array_equal(read_scan(path).volume.array, picture())


def test_zipped_content_is_known_by_its_bytes_not_its_name(tmp_path: Path) -> None:
    plain = save_nifti(tmp_path / "a.nii")
    zipped = save_nifti(tmp_path / "b.nii.gz")
    plain.rename(tmp_path / "c.nii.gz")
    zipped.rename(tmp_path / "d.nii")
    for name in ("c.nii.gz", "d.nii"):
        np.testing.assert_array_equal(read_scan(tmp_path / name).volume.array, picture())


def test_labels_come_in_the_smallest_integer_type(tmp_path: Path) -> None:
    small = save_nifti(tmp_path / "a.nii", (picture() % 256).astype(np.int16))
    large = save_nifti(tmp_path / "b.nii", picture() - 500)
    floats = save_nifti(tmp_path / "c.nii", (picture() % 50).astype(np.float32))
    assert [read_labels(p).array.dtype for p in (small, large, floats)] == ["u1", "i4", "u1"]
    np.testing.assert_array_equal(read_labels(large).array, picture() - 500)
    empty = save_nifti(tmp_path / "d.nii", np.zeros((2, 2, 2), np.uint8))
    assert not read_labels(empty).array.any()


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, 1e30])
def test_fractions_are_no_labels(tmp_path: Path, value: float) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[1, 2, 3] = value
    with pytest.raises(InputError) as caught:
        read_labels(save_nifti(tmp_path / "a.nii", array))
    assert caught.value.code == "not-labels"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quatern_b": 2.0}, "affine-invalid"),
        ({"quatern_b": np.nan}, "affine-invalid"),
        ({"pixdim": [1, 0, 1, 1, 1, 1, 1, 1]}, "zero-spacing"),
    ],
)
def test_a_broken_qform_is_refused(tmp_path: Path, fields: dict, code: str) -> None:
    path = save_nifti(tmp_path / "a.nii", sform_code=0, **fields)
    with pytest.raises(GeometryError, match=r"a\.nii") as caught:
        read_scan(path)
    assert caught.value.code == code


@pytest.mark.parametrize("version", [1, 2])
def test_forms_that_disagree_are_told_and_sform_is_taken(tmp_path: Path, version: int) -> None:
    # The farthest corner is (5, 39, 35); 7 mm along one axis and 24 along another are 25 mm.
    path = save_nifti(
        tmp_path / "a.nii", version=version, qoffset_x=AFFINE[0, 3] + 7, qoffset_z=AFFINE[2, 3] + 24
    )

    scan = read_scan(path)

    (notice,) = scan.notices
    assert notice.code == "forms-disagree"
    assert notice.text == (
        "by qform and by sform its corners lie up to 25 mm apart; sform was taken"
    )
    np.testing.assert_allclose(scan.volume.grid.affine, AFFINE)


@pytest.mark.parametrize(("unit", "scale"), [(2, 1.0), (3, 1000.0)])
def test_forms_that_differ_by_rounding_agree(tmp_path: Path, unit: int, scale: float) -> None:
    # Half a turn but 0.01 degrees, where quaternions of 32 bits are least exact.
    turn = np.deg2rad(179.99)
    cos, sin = np.cos(turn), np.sin(turn)
    affine = AFFINE.copy()
    affine[:3, :3] = [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]] @ affine[:3, :3]
    path = save_nifti(
        tmp_path / "a.nii", affine=np.diag([scale] * 3 + [1]) @ affine, xyzt_units=unit
    )
    assert "forms-disagree" not in [notice.code for notice in read_scan(path).notices]


@pytest.mark.parametrize("fields", [{"qform_code": 0}, {"sform_code": 0}, {"quatern_b": 2.0}])
def test_one_form_has_nothing_to_disagree_with(tmp_path: Path, fields: dict[str, float]) -> None:
    assert read_scan(save_nifti(tmp_path / "a.nii", qoffset_x=60, **fields)).notices == ()
