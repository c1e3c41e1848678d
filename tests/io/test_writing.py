"""Results out: on the input's grid to the bit, whole or not at all, the same bytes each time."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from scan_files import AFFINE, SHAPE, picture, save_itk, save_nifti
from spinekit.core.errors import GeometryError, OutputError
from spinekit.core.grid import Grid
from spinekit.io import writing
from spinekit.io.locks import alone
from spinekit.io.reading import read_labels, read_scan
from spinekit.io.writing import (
    FORMATS,
    write_bytes,
    write_image,
    write_json,
    write_labels,
    write_seg_nrrd,
)
from unprivileged import NOBODY, as_nobody

LABELS = (picture() % 60).astype(np.uint8)
OBLIQUE = np.array(
    [[0.1, -0.98, 0.17, -10.1], [0.2, 0.19, 0.96, -20.7], [3.9, 0.02, -0.22, 30.3], [0, 0, 0, 1]]
)
GEOMETRY = ("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
            "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z")  # fmt: skip


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (4, 0), (2, 3), (0, 0)])
@pytest.mark.parametrize("fmt", ["nii", "nii.gz"])
def test_nifti_keeps_the_inputs_geometry_bit_for_bit(
    tmp_path: Path, version: int, codes: tuple[int, int], fmt: str
) -> None:
    source = save_nifti(
        tmp_path / "a.nii",
        affine=OBLIQUE,
        version=version,
        sform_code=codes[0],
        qform_code=codes[1],
        descrip=b"John Doe",
    )
    header = read_scan(source).header
    write_labels(tmp_path / f"out.{fmt}", LABELS, header, fmt=fmt)
    old, new = nib.load(source), nib.load(tmp_path / f"out.{fmt}")
    assert type(new) is type(old)
    assert new.shape == SHAPE
    assert new.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(new.affine, old.affine)
    for field in GEOMETRY:
        np.testing.assert_array_equal(new.header[field], old.header[field], err_msg=field)
    np.testing.assert_array_equal(new.header["pixdim"][:4], old.header["pixdim"][:4])
    assert new.header.get_xyzt_units()[0] == old.header.get_xyzt_units()[0]
    np.testing.assert_array_equal(np.asanyarray(new.dataobj), LABELS)
    assert new.header["descrip"].item() == b""


def test_units_stay_the_inputs(tmp_path: Path) -> None:
    affine = np.diag([0.001, 0.001, 0.001, 1]) @ AFFINE
    source = save_nifti(tmp_path / "a.nii", affine=affine, xyzt_units=1)
    scan = read_scan(source)
    write_labels(tmp_path / "b.nii", LABELS, scan.header)
    assert nib.load(tmp_path / "b.nii").header.get_xyzt_units()[0] == "meter"
    assert read_labels(tmp_path / "b.nii").grid == scan.volume.grid


def test_big_endian_input_gives_the_same_place(tmp_path: Path) -> None:
    image = nib.Nifti1Image(picture(), OBLIQUE, nib.Nifti1Header(endianness=">"))
    nib.save(image, tmp_path / "a.nii")
    write_labels(tmp_path / "b.nii", LABELS, read_scan(tmp_path / "a.nii").header)
    np.testing.assert_array_equal(
        nib.load(tmp_path / "b.nii").affine, nib.load(tmp_path / "a.nii").affine
    )


@pytest.mark.parametrize("fmt", [*FORMATS, "seg.nrrd"])
@pytest.mark.parametrize("affine", [AFFINE, OBLIQUE])
def test_every_format_is_read_alike_by_others_and_by_us(
    tmp_path: Path, fmt: str, affine: np.ndarray
) -> None:
    grid = Grid(SHAPE, affine)
    if not np.array_equal(affine, AFFINE):
        u, _, v = np.linalg.svd(affine[:3, :3] / grid.spacing_mm)
        affine = affine.copy()
        affine[:3, :3] = u @ v * grid.spacing_mm
        grid = Grid(SHAPE, affine)
    path = tmp_path / f"a.{fmt}"
    if fmt == "seg.nrrd":
        write_seg_nrrd(path, LABELS, grid, [(1, "one", (255, 0, 0))])
    else:
        write_labels(path, LABELS, grid)
    ours = read_labels(path)
    np.testing.assert_array_equal(ours.array, LABELS)
    assert ours.array.dtype == np.uint8
    tolerance_mm = 1e-4 if "nii" in fmt else 1e-9
    assert ours.grid.is_close(grid, tolerance_mm=tolerance_mm)
    theirs = sitk.ReadImage(str(path))
    assert theirs.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs).T, LABELS)
    corner = theirs.TransformIndexToPhysicalPoint([n - 1 for n in SHAPE])
    expected = grid.ijk_to_ras([[n - 1 for n in SHAPE]])[0] * [-1, -1, 1]
    np.testing.assert_allclose(corner, expected, atol=1e-3)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_itk_formats_keep_their_numbers_exactly(tmp_path: Path, ending: str) -> None:
    image = sitk.GetImageFromArray(picture().T)
    image.SetSpacing((4.1, 1 / 3, 0.7))
    image.SetOrigin((0.1, -1e-7, 123456.789))
    image.SetDirection(tuple(np.linalg.qr(OBLIQUE[:3, :3])[0].ravel()))
    sitk.WriteImage(image, str(tmp_path / f"a.{ending}"))
    scan = read_scan(tmp_path / f"a.{ending}")
    write_labels(tmp_path / f"b.{ending}", LABELS, scan.header)
    a, b = (sitk.ReadImage(str(tmp_path / f"{name}.{ending}")) for name in "ab")
    assert a.GetOrigin() == b.GetOrigin()
    np.testing.assert_allclose(a.GetSpacing(), b.GetSpacing(), rtol=1e-15)
    np.testing.assert_allclose(a.GetDirection(), b.GetDirection(), atol=1e-15)


@pytest.mark.parametrize("fmt", FORMATS)
def test_images_are_float32(tmp_path: Path, fmt: str) -> None:
    image = picture() / 7
    write_image(tmp_path / f"a.{fmt}", image, Grid(SHAPE, AFFINE))
    scan = read_scan(tmp_path / f"a.{fmt}")
    np.testing.assert_array_equal(scan.volume.array, image.astype(np.float32))


@pytest.mark.parametrize("fmt", ["nii.gz", "mha", "nrrd"])
def test_a_slice_comes_back_in_the_inputs_shape(tmp_path: Path, fmt: str) -> None:
    slice_labels = LABELS[0]
    if fmt == "nii.gz":
        scan = read_scan(save_nifti(tmp_path / "a.nii.gz", picture((40, 36))))
    else:
        scan = read_scan(save_itk(tmp_path / f"a.{fmt}", picture((40, 36))))
    write_labels(tmp_path / f"b.{fmt}", slice_labels.reshape(scan.volume.shape), scan.header)
    stored = (
        nib.load(tmp_path / "b.nii.gz").shape
        if fmt == "nii.gz"
        else sitk.ReadImage(str(tmp_path / f"b.{fmt}")).GetSize()
    )
    assert stored == (40, 36)
    back = read_labels(tmp_path / f"b.{fmt}")
    assert back.grid == scan.volume.grid
    np.testing.assert_array_equal(back.array.squeeze(), slice_labels)


def test_volumes_give_one_volume(tmp_path: Path) -> None:
    source = save_nifti(tmp_path / "a.nii", picture((*SHAPE, 3)))
    write_labels(tmp_path / "b.nii", LABELS, read_scan(source).header)
    assert nib.load(tmp_path / "b.nii").shape == SHAPE
    np.testing.assert_array_equal(nib.load(tmp_path / "b.nii").affine, nib.load(source).affine)


def test_a_placed_slice_becomes_one_slice_where_the_format_is_another(tmp_path: Path) -> None:
    scan = read_scan(save_nifti(tmp_path / "a.nii", picture((40, 36))))
    write_labels(tmp_path / "b.mha", LABELS[0][..., None], scan.header)
    assert sitk.ReadImage(str(tmp_path / "b.mha")).GetSize() == (40, 36, 1)


@pytest.mark.parametrize("ending", ["mha", "nrrd"])
def test_itk_reads_the_nifti_of_a_slice_without_a_place(tmp_path: Path, ending: str) -> None:
    scan = read_scan(save_itk(tmp_path / f"a.{ending}", picture((40, 36))))
    labels = LABELS[0].reshape(scan.volume.shape)

    write_labels(tmp_path / "b.nii.gz", labels, scan.header)

    back = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "b.nii.gz"))).T
    np.testing.assert_array_equal(back.reshape(labels.shape), labels)
    assert read_labels(tmp_path / "b.nii.gz").grid == scan.volume.grid


@pytest.mark.parametrize("fmt", [*FORMATS, "seg.nrrd"])
def test_same_content_same_bytes(tmp_path: Path, fmt: str) -> None:
    grid = Grid(SHAPE, OBLIQUE if "nii" in fmt else AFFINE)
    contents = []
    for name in ("first", "second"):
        path = tmp_path / f"{name}.{fmt}"
        if fmt == "seg.nrrd":
            write_seg_nrrd(path, np.asfortranarray(LABELS), grid, [(1, "one", (1, 2, 3))])
        else:
            write_labels(path, LABELS if name == "first" else np.asfortranarray(LABELS), grid)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    # Both may fall into one second: a gzip stream must not hold the time at all.
    start = contents[0].find(b"\x1f\x8b\x08")
    assert (start >= 0) == (fmt in ("nii.gz", "nrrd", "seg.nrrd"))
    assert start < 0 or contents[0][start + 4 : start + 8] == bytes(4)


def test_segments_have_names_colours_and_extents(tmp_path: Path) -> None:
    array = np.zeros(SHAPE, np.uint8)
    array[1:3, 4:9, 5] = 44
    array[0, 0, 0] = 50
    segments = [(44, "L4", (255, 128, 0)), (50, "sacrum", (0, 51, 255)), (45, "L5", (9, 9, 9))]
    path = tmp_path / "a.seg.nrrd"
    write_seg_nrrd(path, array, Grid(SHAPE, AFFINE), segments)
    image = sitk.ReadImage(str(path))
    found = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    assert found["Segment0_Name"] == "L4"
    assert found["Segment0_LabelValue"] == "44"
    assert found["Segment0_Color"] == "1 0.501961 0"
    assert found["Segment0_Extent"] == "1 2 4 8 5 5"
    assert found["Segment0_Layer"] == "0"
    assert found["Segment1_ID"] != found["Segment0_ID"]
    assert found["Segment1_Extent"] == "0 0 0 0 0 0"
    assert found["Segment1_Name"] == "sacrum"
    assert found["Segment2_Extent"] == "0 -1 0 -1 0 -1"
    assert found["Segmentation_ContainedRepresentationNames"] == "Binary labelmap|"
    assert found["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert all(f"Segment{n}_Tags" in found for n in range(3))


def test_json_is_readable_utf8_and_never_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": "ä", "a": [1, None]})
    text = (tmp_path / "a.json").read_text("utf-8")
    assert text.endswith("\n")
    assert "ä" in text
    assert list(json.loads(text)) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json"]


@pytest.mark.parametrize("fault", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_an_interruption_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    path = tmp_path / "a.nii.gz"
    write_bytes(path, b"old")

    def fail(file: object, array: np.ndarray, **_: bytes) -> None:
        file.write(b"half")
        raise fault

    monkeypatch.setattr(writing, "_write_gzip", fail)
    with pytest.raises(fault):
        write_labels(path, LABELS, Grid(SHAPE, AFFINE))
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_full_disk_leaves_nothing(tmp_path: Path, fmt: str) -> None:
    tmp_path.chmod(0o777)
    noise = np.random.default_rng(0).integers(0, 255, (20, 40, 40)).astype(np.uint8)

    def write() -> None:
        write_labels(f"a.{fmt}", noise, Grid(noise.shape, np.eye(4)))

    caught = as_nobody(tmp_path, write, largest_file=10_000)
    assert caught.startswith(f"OutputError disk-full a.{fmt}: ")
    assert list(tmp_path.iterdir()) == []
    assert as_nobody(tmp_path, write, largest_file=100_000) == "no error"
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{fmt}"]


def test_a_forbidden_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    caught = as_nobody(tmp_path, lambda: write_bytes("locked/a.json", b"{}"))
    assert caught.startswith("OutputError no-permission a.json: ")
    assert list((tmp_path / "locked").iterdir()) == []


def test_new_files_get_the_users_usual_permissions(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    def write() -> None:
        os.umask(0o027)
        write_bytes("a.json", b"{}")

    assert as_nobody(tmp_path, write) == "no error"
    found = (tmp_path / "a.json").stat()
    assert found.st_mode & 0o777 == 0o640
    assert found.st_uid in (NOBODY, tmp_path.stat().st_uid)


@pytest.mark.skipif(os.name == "nt", reason="takes over by a lock of the file")
def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    start = "import os, sys, signal\nfrom spinekit.io.writing import unfinished\n"
    killed = start + (
        "with unfinished(__import__('pathlib').Path(sys.argv[1])) as file:\n"
        "    file.write(b'half of a long text'); file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "a.json"
    subprocess.run([sys.executable, "-c", killed, str(target)], check=False)
    assert [path.name for path in tmp_path.iterdir()] == [".a.json.partial"]

    write_bytes(target, b"{}")
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"{}"


def test_writers_of_one_file_wait_for_each_other(tmp_path: Path) -> None:
    target = tmp_path / "a.bin"
    contents = [bytes([n]) * (100_000 + n) for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: write_bytes(target, content), contents))
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() in contents


def test_a_name_too_long_for_the_disk_says_the_way_out(tmp_path: Path) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    with pytest.raises(OutputError, match="too long for this disk; rename the scan"):
        write_bytes(tmp_path / ("a" * (longest + 1)), b"{}")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_way_is_an_error_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match=r"a\.json"):
        write_bytes(tmp_path / "a.json", b"{}")
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]


@pytest.mark.parametrize(
    ("name", "array", "code"),
    [
        ("a.jpg", LABELS, "unknown-format"),
        ("a.nii", LABELS[:-1], "shape-mismatch"),
        ("a.nii", LABELS.astype(int) + 300, "labels-too-large"),
        ("a.nii", LABELS.astype(int) - 300, "labels-too-large"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, array: np.ndarray, code: str
) -> None:
    with pytest.raises(OutputError) as caught:
        write_labels(tmp_path / name, array, Grid(SHAPE, AFFINE))
    assert caught.value.code == code
    assert "without an extension" not in caught.value.message
    assert list(tmp_path.iterdir()) == []


def test_sheared_grids_fit_nifti_only(tmp_path: Path) -> None:
    affine = AFFINE.copy()
    affine[1, 0] = 0.8
    grid = Grid(SHAPE, affine)
    write_labels(tmp_path / "a.nii", LABELS, grid)
    assert read_labels(tmp_path / "a.nii").grid.is_close(grid)
    for name in ("a.mha", "a.nrrd"):
        with pytest.raises(GeometryError, match="sheared"):
            write_labels(tmp_path / name, LABELS, grid)


def test_json_of_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\xa9")
    write_json(tmp_path / "a.json", {"file": name})

    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"file": name}
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("letter", ["a", "é", "脊", os.fsdecode(b"\xe9")])
def test_a_name_as_long_as_the_file_system_takes_it(tmp_path: Path, letter: str) -> None:
    longest = os.pathconf(tmp_path, "PC_NAME_MAX") - len(".json")
    path = tmp_path / f"{letter * (longest // len(os.fsencode(letter)))}.json"
    with alone(path):
        write_bytes(path, b"{}")
    assert list(tmp_path.iterdir()) == [path]
