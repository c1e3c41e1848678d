"""Every row of the table of bad input: what is refused, how, and what passes with a notice."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import spinekit.io.dicom  # noqa: F401  (nobody may be unable to import it later)
from scan_files import AFFINE, SHAPE, picture, save_itk, save_nifti
from spinekit.core.errors import GeometryError, InputError, SpineKitError, UsageError
from spinekit.io.discovery import find_scans
from spinekit.io.reading import hash_scan, read_labels, read_scan, scan_from_array
from unprivileged import as_nobody

Maker = Callable[[Path], Path]


def cut(share: float, ending: str = ".nii") -> Maker:
    def make(folder: Path) -> Path:
        path = save_nifti(folder / f"scan{ending}")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return make


def filled(value: float) -> Maker:
    return lambda folder: save_nifti(folder / "scan.nii", np.full(SHAPE, value, np.float32))


def header(**fields: object) -> Maker:
    return lambda folder: save_nifti(folder / "scan.nii", **fields)


def shaped(*shape: int) -> Maker:
    return lambda folder: save_nifti(folder / "scan.nii", picture(shape))


def text(name: str) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).write_text("this is no scan\n" * 50)
        return folder / name

    return make


def folder_of_text(folder: Path) -> Path:
    (folder / "readme.txt").write_text("no scan here")
    return folder


def pointer(text: str) -> Maker:
    def make(folder: Path) -> Path:
        (folder / "scan.nii.gz").write_text(text)
        return folder / "scan.nii.gz"

    return make


def broken_link(folder: Path) -> Path:
    (folder / "scan.nii.gz").symlink_to(".git/annex/objects/MD5E-s9--0.nii.gz")
    return folder / "scan.nii.gz"


NOT_FETCHED: dict[str, Maker] = {
    "link": broken_link,
    "git-annex": pointer("/annex/objects/MD5E-s9--0.nii.gz\n"),
    "Git LFS": pointer("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
}

REFUSED: dict[str, tuple[Maker, str]] = {
    "missing": (lambda folder: folder / "gone.nii.gz", "file-missing"),
    "missing folder": (lambda folder: folder / "gone" / "scan.nii", "file-missing"),
    "name too long": (lambda folder: folder / ("n" * 300 + ".nii"), "file-missing"),
    "empty file": (lambda folder: cut(0)(folder), "empty-file"),
    "empty gzip": (lambda folder: cut(0, ".nii.gz")(folder), "empty-file"),
    "header cut": (cut(0.01), "file-damaged"),
    "voxels cut": (cut(0.7), "file-damaged"),
    "gzip cut": (cut(0.7, ".nii.gz"), "file-damaged"),
    "text called nii": (text("scan.nii"), "wrong-type"),
    "text called nii.gz": (text("scan.nii.gz"), "wrong-type"),
    "text called mha": (text("scan.mha"), "file-damaged"),
    "text called nrrd": (text("scan.nrrd"), "file-damaged"),
    "text called dcm": (text("scan.dcm"), "file-damaged"),
    "text": (text("scan.txt"), "wrong-type"),
    "no DICOM in folder": (folder_of_text, "no-scans"),
    "all NaN": (filled(np.nan), "no-finite-voxels"),
    "all Inf": (filled(np.inf), "no-finite-voxels"),
    "constant": (filled(3), "constant-image"),
    "no voxels": (header(dim=[3, 0, 40, 36, 1, 1, 1, 1]), "empty-image"),
    "singular affine": (
        header(srow_x=[4, 1, 0, 0], srow_y=[0] * 4, qform_code=0),
        "affine-singular",
    ),
    "zero spacing": (header(srow_x=[0, 0, 0, 0], qform_code=0), "zero-spacing"),
    "NaN affine": (header(srow_y=[0, np.nan, 0, 0], qform_code=0), "affine-invalid"),
    "RGB": (header(datatype=128), "colour-image"),
    "RGBA": (header(datatype=2304), "colour-image"),
    "complex": (header(datatype=32), "complex-image"),
    "five axes": (shaped(6, 40, 12, 3, 2), "five-dimensional"),
    "over 2 GiB": (header(dim=[3, 1300, 1300, 1300, 1, 1, 1, 1]), "too-large"),
    "over 2 GiB in time": (header(dim=[4, 300, 300, 300, 60, 1, 1, 1]), "too-large"),
    "small slice": (shaped(31, 31), "too-few-voxels"),
    "small slice of three axes": (shaped(31, 1, 31), "too-few-voxels"),
    "a line": (shaped(1, 1, 99), "too-few-voxels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_line_that_names_the_file(case: str, tmp_path: Path) -> None:
    make, code = REFUSED[case]
    path = make(tmp_path)
    with pytest.raises(SpineKitError) as caught:
        read_scan(path)
    error = caught.value
    assert (error.code, error.exit_code) == (code, 1)
    assert path.name in str(error)
    assert error.remedy
    assert "\n" not in str(error)


@pytest.mark.parametrize("case", NOT_FETCHED)
def test_a_file_that_was_not_fetched_is_to_be_fetched(case: str, tmp_path: Path) -> None:
    path = NOT_FETCHED[case](tmp_path)
    for read in (read_scan, hash_scan, read_labels):
        with pytest.raises(InputError, match="to a file that is not here; fetch it") as caught:
            read(path)
        assert caught.value.code == "file-missing"


def test_a_link_that_leads_nowhere_is_said_to_be_one_when_it_is_all_that_is_given(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="a link to a file that is not here; fetch it"):
        find_scans(broken_link(tmp_path))


@pytest.mark.parametrize("name", ["study.zip", "study.TAR.GZ", "study.7z"])
def test_an_archive_is_to_be_unpacked_given_itself_or_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / name).write_bytes(b"PK" * 100)

    with pytest.raises(InputError, match="an archive, no scan; unpack it") as caught:
        read_scan(tmp_path / "sub" / name)
    assert caught.value.code == "wrong-type"
    with pytest.raises(UsageError, match=f"unpack sub/{name} and give") as told:
        find_scans(tmp_path)
    assert told.value.code == "no-scans"


def test_a_folder_of_scans_is_not_one_scan(tmp_path: Path) -> None:
    save_nifti(tmp_path / "a.nii")

    with pytest.raises(InputError, match="`spinekit segment` does folders of scans"):
        read_scan(tmp_path)


def test_size_is_judged_by_the_header_before_anything_is_loaded(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii.gz", dim=[3, 1300, 1300, 1300, 1, 1, 1, 1])
    with pytest.raises(InputError) as caught:
        read_scan(path, force=True)
    assert caught.value.code == "file-damaged"


def test_nan_and_infinity_in_part_are_replaced_and_told(tmp_path: Path) -> None:
    array = picture().astype(np.float32)
    low, high = array.min(), array.max()
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    scan = read_scan(save_nifti(tmp_path / "a.nii", array))
    assert scan.volume.array[0, 0, :3].tolist() == [low, high, low]
    assert [(n.code, n.text[:2]) for n in scan.notices] == [("not-finite", "3 ")]


def test_values_beyond_float32_are_replaced_and_told(tmp_path: Path) -> None:
    array = picture().astype(np.float64)
    array[1, 1, 1] = 1e300
    scan = read_scan(save_nifti(tmp_path / "a.nii", array))
    assert [n.code for n in scan.notices] == ["not-finite"]
    assert np.isfinite(scan.volume.array).all()


def test_shear_is_told(tmp_path: Path) -> None:
    scan = read_scan(save_nifti(tmp_path / "a.nii", srow_y=[0.8, 1, 0, 0], qform_code=0))
    assert [n.code for n in scan.notices] == ["sheared"]


@pytest.mark.parametrize("factor", [0.001, 0.4, 60.0])
def test_implausible_spacing_is_told_or_refused_if_strict(tmp_path: Path, factor: float) -> None:
    affine = np.diag([factor] * 3 + [1]) @ AFFINE
    path = save_nifti(tmp_path / "a.nii", affine=affine)
    scan = read_scan(path)
    assert [n.code for n in scan.notices] == ["implausible-spacing"]
    with pytest.raises(GeometryError, match=r"a\.nii.*no spine") as caught:
        read_scan(path, strict=True)
    assert caught.value.exit_code == 1


def test_plausible_scans_pass_strictly(tmp_path: Path) -> None:
    assert read_scan(save_nifti(tmp_path / "a.nii"), strict=True).notices == ()


def test_damage_in_the_zipped_stream_is_found(tmp_path: Path) -> None:
    path = save_nifti(tmp_path / "a.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match="CRC"):
        read_scan(path)


def test_a_header_that_promises_much_does_not_take_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "a.nii.gz"
    small = save_nifti(tmp_path / "b.nii", dim=[3, 700, 700, 700, 1, 1, 1, 1])
    path.write_bytes(gzip.compress(small.read_bytes()))
    tracemalloc.start()
    with pytest.raises(InputError, match="ends after"):
        read_scan(path)
    assert tracemalloc.get_traced_memory()[1] < 2e7
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.nrrd", "folder", "folder/a.dcm"])
def test_without_permission_the_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        (tmp_path / "folder").mkdir()
    if path.suffix == ".dcm":
        path.write_bytes(bytes(128) + b"DICM")
    elif path.suffix in (".mha", ".nrrd"):
        save_itk(path)
    elif path.suffix:
        save_nifti(path)
    path.chmod(0)
    caught = as_nobody(tmp_path, lambda: read_scan(name))
    path.chmod(0o755)
    assert caught.startswith("InputError no-permission")
    assert path.name in caught


def test_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(InputError, match="not a file"):
        read_scan(tmp_path / "pipe.nii")


def test_nothing_to_start_with_is_wrong_use(tmp_path: Path) -> None:
    for path, code in [(tmp_path / "gone", "file-missing"), (tmp_path, "no-scans")]:
        with pytest.raises(UsageError) as caught:
            find_scans(path)
        assert (caught.value.code, caught.value.exit_code) == (code, 2)


def test_arrays_become_scans() -> None:
    image = picture()
    scan = scan_from_array(image, affine=AFFINE)
    np.testing.assert_array_equal(scan.volume.array, image)
    assert (scan.stem, scan.header.shape) == ("array", SHAPE)
    assert scan_from_array(image, spacing_mm=(4, 1, 1)).volume.grid.orientation == "RAS"
    again = scan_from_array(np.asfortranarray(image), affine=AFFINE)
    assert again.source == scan.source


def test_a_flat_array_is_a_sagittal_slice() -> None:
    scan = scan_from_array(picture((40, 36)), spacing_mm=(0.5, 0.7))
    assert scan.volume.shape == (1, 40, 36)
    assert scan.header.shape == (1, 40, 36)
    assert scan.volume.spacing_mm == (1, 0.5, 0.7)


@pytest.mark.parametrize("name", ["", "a.nii", "a.nrrd"])
def test_volumes_that_are_infinite_or_huge_in_part_have_a_mean(tmp_path: Path, name: str) -> None:
    array = picture((*SHAPE, 2)).astype(np.float32)
    array[0, 0, 0] = np.inf, -np.inf
    array[1, 1, 1] = 3e38
    if name.endswith("nrrd"):
        parts = [sitk.GetImageFromArray(array[..., n].T) for n in range(2)]
        sitk.WriteImage(sitk.JoinSeries(parts), str(tmp_path / name))
    elif name:
        save_nifti(tmp_path / name, array)

    scan = read_scan(tmp_path / name) if name else scan_from_array(array, affine=AFFINE)

    told = {notice.code: notice.text for notice in scan.notices}
    assert told["not-finite"].startswith("1 voxels")
    assert scan.volume.array[1, 1, 1] == np.float32(3e38)
    np.testing.assert_allclose(scan.volume.array[2:], array[2:].mean(axis=3))


def test_arrays_of_volumes_give_mean_or_choice() -> None:
    array = picture((*SHAPE, 2))
    np.testing.assert_allclose(
        scan_from_array(array, affine=AFFINE).volume.array, array.mean(axis=3)
    )
    assert scan_from_array(array[..., :1], affine=AFFINE).notices == ()
    chosen = scan_from_array(array, affine=AFFINE, volume_index=1)
    np.testing.assert_array_equal(chosen.volume.array, array[..., 1])
    assert chosen.header.shape == SHAPE


@pytest.mark.parametrize(
    ("array", "options", "kind", "code"),
    [
        (picture(), {}, UsageError, "array-without-grid"),
        (picture(), {"affine": AFFINE, "spacing_mm": (1, 1, 1)}, UsageError, "array-without-grid"),
        (picture(), {"spacing_mm": (1, 1)}, UsageError, "wrong-spacing"),
        (picture(), {"spacing_mm": (0, 1, 1)}, GeometryError, "zero-spacing"),
        (picture(), {"spacing_mm": (-4, 1, 1)}, UsageError, "wrong-spacing"),
        (picture(), {"spacing_mm": 4.0}, UsageError, "wrong-spacing"),
        (picture(), {"spacing_mm": "thin"}, UsageError, "wrong-spacing"),
        (picture(), {"affine": "RAS"}, GeometryError, "affine-invalid"),
        (picture(), {"affine": [[4, 0], [1]]}, GeometryError, "affine-invalid"),
        (picture() * 1j, {"affine": AFFINE}, InputError, "wrong-type"),
        (picture() * 0, {"affine": AFFINE}, InputError, "constant-image"),
        (np.zeros((0, 4, 4)), {"affine": AFFINE}, InputError, "wrong-shape"),
        (np.zeros(4), {"affine": AFFINE}, InputError, "wrong-shape"),
    ],
)
def test_arrays_that_are_no_scans(
    array: np.ndarray, options: dict, kind: type[SpineKitError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        scan_from_array(array, **options)
    assert caught.value.code == code
