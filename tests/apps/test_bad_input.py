"""Every kind of bad input, through the real command."""

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Header

from blocks import NAMES, BlockSpine, PredictWith, oracle_for
from scan_files import Slices
from spinekit.apps.cli import main

pytestmark = pytest.mark.usefixtures("oracle")


def save(
    path: Path, array: np.ndarray, affine: np.ndarray, change: Callable[[Nifti1Header], None]
) -> None:
    image = nib.Nifti1Image(array, affine)
    change(image.header)
    nib.save(image, path)


def keep(_: Nifti1Header) -> None:
    """Leave the header as it is."""


def write_scan(path: Path, spine: BlockSpine, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    save(path, edit(spine.image.copy()), spine.grid.affine, keep)


def with_some(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def edit(image: np.ndarray) -> np.ndarray:
        image[0, :4, :4] = value
        return image

    return edit


def patched(path: Path, offset: int, content: bytes) -> None:
    """Overwrite bytes of an uncompressed NIfTI header, behind the library's back."""
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(bytes(data))


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def make_missing(path: Path, spine: BlockSpine) -> None:
    del path, spine


def make_truncated(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: image)
    path.write_bytes(path.read_bytes()[:20_000])


def make_text(path: Path, spine: BlockSpine) -> None:
    del spine
    path.write_text("this is no scan\n" * 100)


def make_empty_file(path: Path, spine: BlockSpine) -> None:
    del spine
    path.touch()


def make_all_nan(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: np.full_like(image, np.nan))


def make_constant(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: np.full_like(image, 7))


def make_singular(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: image)
    # Both ways of giving the geometry: no qform, and an sform whose first two axes coincide.
    patched(path, 252, np.array([0, 2], "<i2").tobytes())
    patched(path, 280, floats(1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0))


def make_zero_spacing(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: image)
    patched(path, 252, np.array([0, 2], "<i2").tobytes())
    patched(path, 280, floats(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0))


def make_rgb(path: Path, spine: BlockSpine) -> None:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    save(path, np.zeros(spine.grid.shape, kind), spine.grid.affine, keep)


def make_five_axes(path: Path, spine: BlockSpine) -> None:
    save(path, np.ones((32, 32, 4, 2, 3), np.int16), spine.grid.affine, keep)


def make_huge(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, lambda image: image)
    patched(path, 40, np.array([3, 3000, 3000, 3000, 1], "<i2").tobytes())


def make_thin(path: Path, spine: BlockSpine) -> None:
    save(path, np.arange(400.0).reshape(20, 20, 1), spine.grid.affine, keep)


REFUSED: dict[str, tuple[Callable[[Path, BlockSpine], None], int, str]] = {
    "missing": (make_missing, 2, "no such file or folder"),
    "truncated": (make_truncated, 1, "it ends after 19648 of 2350080 bytes of voxels"),
    "text called a scan": (make_text, 1, "not a NIfTI file"),
    "empty file": (make_empty_file, 1, "the file is empty"),
    "all NaN": (make_all_nan, 1, "every voxel is NaN or infinite"),
    "constant": (make_constant, 1, "every voxel has the value 7"),
    "singular affine": (make_singular, 1, "the affine is singular (axes coincide)"),
    "zero spacing": (make_zero_spacing, 1, "the voxel spacing is zero along an axis"),
    "RGB": (make_rgb, 1, "the voxels are RGB colours"),
    "five axes": (make_five_axes, 1, "the image has 5 axes"),
    "over 2 GiB": (make_huge, 1, "100.6 GiB, more than 2 GiB"),
    "one small slice": (make_thin, 1, "neither a volume nor a usable slice"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_refused_in_one_line(
    case: str, spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected, reason = REFUSED[case]
    path = tmp_path / "bad scan.nii"
    make(path, spine)

    assert main(["segment", str(path), str(tmp_path / "out")]) == expected

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("spinekit: error: ")
    assert "bad scan.nii: " in line
    assert reason in line
    assert "; " in line
    assert not (tmp_path / "out").exists()


def make_part_nan(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, with_some(np.nan))


def make_part_infinite(path: Path, spine: BlockSpine) -> None:
    write_scan(path, spine, with_some(np.inf))


def make_sheared(path: Path, spine: BlockSpine) -> None:
    affine = spine.grid.affine.copy()
    affine[1, 2] = 0.1
    save(path, spine.image, affine, keep)


def make_metres(path: Path, spine: BlockSpine) -> None:
    scale = np.diag([0.001, 0.001, 0.001, 1.0])
    save(
        path, spine.image, scale @ spine.grid.affine, lambda header: header.set_xyzt_units("meter")
    )


def make_micrometres(path: Path, spine: BlockSpine) -> None:
    scale = np.diag([1000.0, 1000.0, 1000.0, 1.0])
    save(
        path, spine.image, scale @ spine.grid.affine, lambda header: header.set_xyzt_units("micron")
    )


def make_tiny(path: Path, spine: BlockSpine) -> None:
    scale = np.diag([0.01, 0.01, 0.01, 1.0])
    save(path, spine.image, scale @ spine.grid.affine, keep)


def make_vast(path: Path, spine: BlockSpine) -> None:
    scale = np.diag([1000.0, 1000.0, 1000.0, 1.0])
    save(path, spine.image, scale @ spine.grid.affine, keep)


def make_large(path: Path, spine: BlockSpine) -> None:
    scale = np.diag([12.0, 12.0, 12.0, 1.0])
    save(path, spine.image, scale @ spine.grid.affine, keep)


def make_wrong_unit(path: Path, spine: BlockSpine) -> None:
    save(path, spine.image, spine.grid.affine, lambda header: header.set_xyzt_units("meter"))


def make_four_axes(path: Path, spine: BlockSpine) -> None:
    both = np.stack([spine.image - 5, spine.image + 5], axis=3)
    save(path, both, spine.grid.affine, keep)


def make_slice(path: Path, spine: BlockSpine) -> None:
    affine = spine.grid.affine.copy()
    affine[0, 3] += 8 * 4
    save(path, spine.image[8:9], affine, keep)


def make_ct(path: Path, spine: BlockSpine) -> None:
    rng = np.random.default_rng(1)
    around = np.where(rng.random(spine.parts.shape) < 0.4, -100.0, 50.0)
    image = np.where(spine.parts > 0, 300.0, around) + rng.normal(0, 15, spine.parts.shape)
    save(path, image.astype(np.int16), spine.grid.affine, keep)


WARNED: dict[str, tuple[Callable[[Path, BlockSpine], None], str]] = {
    "NaN in part": (make_part_nan, "not-finite"),
    "Inf in part": (make_part_infinite, "not-finite"),
    "sheared": (make_sheared, "sheared"),
    "metres": (make_metres, "units-converted"),
    "micrometres": (make_micrometres, "units-converted"),
    "implausible spacing": (make_tiny, "implausible-spacing no-spine"),
    "many metres": (make_vast, "implausible-spacing grid-too-large no-spine"),
    "a few metres": (make_large, "implausible-spacing grid-too-large no-spine"),
    "millimetres called metres": (make_wrong_unit, "units-doubtful"),
    "4-D": (make_four_axes, "volumes-averaged"),
    "CT": (make_ct, "not-mri no-spine"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_can_be_used_is_used_with_a_warning(
    case: str, spine: BlockSpine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, codes = WARNED[case]
    path = tmp_path / "odd.nii"
    make(path, spine)

    assert main(["segment", str(path), str(tmp_path / "out")]) == 0

    report = json.loads((tmp_path / "out" / "odd_dseg.json").read_text())
    assert [warning["code"] for warning in report["warnings"]] == codes.split()
    told = [f"spinekit: warning: odd.nii: {warning['text']}" for warning in report["warnings"]]
    assert capsys.readouterr().err.splitlines() == told
    labels = nib.load(tmp_path / "out" / "odd_dseg.nii.gz")
    assert labels.shape == nib.load(path).shape[:3]
    np.testing.assert_array_equal(labels.affine, nib.load(path).affine)


def test_millimetres_called_metres_are_found_as_millimetres(
    spine: BlockSpine, tmp_path: Path
) -> None:
    make_wrong_unit(tmp_path / "wrong.nii", spine)

    main(["segment", str(tmp_path / "wrong.nii"), str(tmp_path / "out")])

    found = nib.load(tmp_path / "out" / "wrong_dseg.nii.gz")
    np.testing.assert_array_equal(np.asarray(found.dataobj), spine.labels)
    assert found.header.get_xyzt_units()[0] == "meter"


@pytest.mark.parametrize("fmt", ["mha", "seg.nrrd"])
def test_a_format_for_no_sheared_grid_is_refused_before_the_network_looks(
    fmt: str,
    spine: BlockSpine,
    tmp_path: Path,
    predict_with: PredictWith,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_sheared(tmp_path / "sheared.nii", spine)
    predictor = oracle_for(spine)
    predictor.predict = pytest.fail  # type: ignore[method-assign]
    predict_with(predictor)

    code = main(["segment", str(tmp_path / "sheared.nii"), str(tmp_path / "out"), "--format", fmt])

    assert code == 1
    assert "a sheared grid cannot be written as mha or nrrd" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_many_metres_by_its_header_is_not_looked_at(
    spine: BlockSpine, tmp_path: Path
) -> None:
    make_vast(tmp_path / "vast.nii", spine)

    main(["segment", str(tmp_path / "vast.nii"), str(tmp_path / "out"), "--force"])

    report = json.loads((tmp_path / "out" / "vast_dseg.json").read_text())
    codes = ["implausible-spacing", "grid-too-large", "no-spine"]
    assert [warning["code"] for warning in report["warnings"]] == codes
    assert "in micrometres" in report["warnings"][0]["text"]
    assert report["structures"] == []


def test_units_do_not_change_what_is_found(spine: BlockSpine, tmp_path: Path) -> None:
    make_metres(tmp_path / "metres.nii", spine)

    main(["segment", str(tmp_path / "metres.nii"), str(tmp_path / "out")])

    found = np.asarray(nib.load(tmp_path / "out" / "metres_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found, spine.labels)
    report = json.loads((tmp_path / "out" / "metres_dseg.json").read_text())
    np.testing.assert_allclose(report["input"]["spacing_mm"], [4, 1, 1], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_tiny, "measures 0.64×1.2×3.06 mm by its header"),
        (make_vast, "does the header lack its unit?"),
        (make_large, "measures 768×1440×3672 mm by its header"),
        (make_wrong_unit, "its numbers were taken for mm"),
    ],
)
def test_strict_refuses_an_implausible_spacing(
    make: Callable[[Path, BlockSpine], None],
    reason: str,
    spine: BlockSpine,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(tmp_path / "odd.nii", spine)

    assert main(["segment", str(tmp_path / "odd.nii"), str(tmp_path / "out"), "--strict"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert line.endswith("; correct the header")
    assert not (tmp_path / "out").exists()


def test_a_volume_can_be_chosen(spine: BlockSpine, tmp_path: Path) -> None:
    make_four_axes(tmp_path / "four.nii", spine)
    command = ["segment", str(tmp_path / "four.nii"), str(tmp_path / "out")]

    assert main([*command, "--volume", "1"]) == 0
    report = json.loads((tmp_path / "out" / "four_dseg.json").read_text())
    assert [warning["code"] for warning in report["warnings"]] == ["volume-chosen"]
    assert main([*command[:2], str(tmp_path / "other"), "--volume", "2"]) == 2


def test_a_single_slice_is_a_scan(spine: BlockSpine, tmp_path: Path) -> None:
    make_slice(tmp_path / "slice.nii", spine)

    assert main(["segment", str(tmp_path / "slice.nii"), str(tmp_path / "out")]) == 0
    found = np.asarray(nib.load(tmp_path / "out" / "slice_dseg.nii.gz").dataobj)
    np.testing.assert_array_equal(found, spine.labels[8:9])


def test_a_ct_is_labelled_only_by_force(spine: BlockSpine, tmp_path: Path) -> None:
    make_ct(tmp_path / "ct.nii", spine)
    command = ["segment", str(tmp_path / "ct.nii"), str(tmp_path / "out")]

    main(command)
    empty = np.asarray(nib.load(tmp_path / "out" / "ct_dseg.nii.gz").dataobj)
    main([*command, "--force", "--overwrite"])
    forced = np.asarray(nib.load(tmp_path / "out" / "ct_dseg.nii.gz").dataobj)

    assert empty.max() == 0
    np.testing.assert_array_equal(forced, spine.labels)


def test_a_series_of_another_modality_is_labelled_only_by_force(
    spine: BlockSpine, tmp_path: Path
) -> None:
    last = [0, spine.grid.shape[1] - 1, spine.grid.shape[2] - 1]
    right, front, up = spine.grid.ijk_to_ras(last)[0]
    Slices(
        volume=np.ascontiguousarray(spine.image.astype(np.int16)[:, ::-1, ::-1].transpose(1, 2, 0)),
        spacing=(1.0, 1.0),
        origin=(-right, -front, up),
        tags={"Modality": "CT"},
    ).write(tmp_path / "ct")
    command = ["segment", str(tmp_path / "ct"), str(tmp_path / "out")]

    main(command)
    report = json.loads((tmp_path / "out" / "ct_dseg.json").read_text())
    assert report["structures"] == []
    assert [warning["code"] for warning in report["warnings"]] == ["not-mri", "no-spine"]
    main([*command, "--force", "--overwrite"])
    report = json.loads((tmp_path / "out" / "ct_dseg.json").read_text())
    names = [row["name"] for row in report["structures"] if row["part"] == "vertebra"]
    assert names == list(NAMES)
    assert [warning["code"] for warning in report["warnings"]] == ["not-mri"]
