"""Voxels painted into a result by hand: no command replaces them without a word."""

from pathlib import Path

import numpy as np
import pytest

from results import bytes_of, report_of, run
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.io.reading import read_label_file, read_labels
from spinekit.io.voxels import hash_voxels
from spinekit.io.writing import write_labels

pytestmark = pytest.mark.usefixtures("oracle")

FORMATS = ("nii.gz", "mha", "seg.nrrd")


def paint(path: Path) -> None:
    """Give a strip of background in a corner to L1, as a viewer saves it in place."""
    volume, header = read_label_file(path)
    painted = volume.array.copy()
    assert not painted[0, :5, 0].any()
    painted[0, :5, 0] = VALUES["L1"]
    fmt = "nrrd" if path.name.endswith(".seg.nrrd") else None
    write_labels(path, painted, header, fmt=fmt)


@pytest.mark.parametrize("fmt", FORMATS)
def test_the_report_holds_what_every_file_of_labels_decodes_to(
    scan_file: Path, tmp_path: Path, fmt: str
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out, "--levels", "--format", fmt)
    known = report_of(out)["voxels_sha256"]
    assert known == {
        kind: hash_voxels(read_labels(out / f"spine_{kind}.{fmt}").array)
        for kind in ("dseg", "parts", "levels")
    }
    seg = out / f"spine_dseg.{fmt}"
    assert run("relabel", seg, "--set", "L5=L6") == 0
    assert report_of(out)["voxels_sha256"]["dseg"] == hash_voxels(read_labels(seg).array)
    assert report_of(out)["voxels_sha256"]["parts"] == known["parts"]


def test_a_hash_is_of_values_and_places_and_of_nothing_else() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert hash_voxels(array) == hash_voxels(np.asfortranarray(array))
    assert hash_voxels(array) == hash_voxels(array[None])
    assert hash_voxels(array) != hash_voxels(array[::-1])
    assert hash_voxels(array) != hash_voxels(np.minimum(array, 22))


@pytest.mark.parametrize("fmt", FORMATS)
def test_undo_never_takes_back_what_was_painted_since(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fmt: str
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / f"spine_dseg.{fmt}"
    run("segment", scan_file, out, "--format", fmt)
    before = bytes_of(out)
    run("relabel", seg, "--set", "L5=L6")
    corrected = seg.read_bytes()
    paint(seg)
    painted = bytes_of(out)

    assert run("relabel", seg, "--undo") == 1

    error = capsys.readouterr().err
    assert f"{seg.name}: was changed since it was written, by hand" in error
    assert "labels are taken by `spinekit label`" in error
    assert bytes_of(out) == painted
    seg.write_bytes(corrected)
    assert run("relabel", seg, "--undo") == 0
    assert bytes_of(out) == before


def test_a_change_or_an_undo_cut_short_is_undone_although_files_differ_from_the_report(
    scan_file: Path, tmp_path: Path
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / "spine_dseg.nii.gz"
    run("segment", scan_file, out)
    before = bytes_of(out)
    run("relabel", seg, "--set", "L5=L6")
    after = bytes_of(out)
    for early, late in ((before, after), (after, before)):
        (out / "spine_undo.zip").write_bytes(after["spine_undo.zip"])
        (out / "spine_dseg.json").write_bytes(early["spine_dseg.json"])
        seg.write_bytes(late[seg.name])

        assert run("relabel", seg, "--undo") == 0
        assert bytes_of(out) == before


@pytest.mark.parametrize("name", ["spine_dseg.seg.nrrd", "spine_levels.nii.gz"])
def test_no_word_replaces_another_file_that_was_painted(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / "out"
    for fmt in ("seg.nrrd", "nii.gz"):
        run("segment", scan_file, out, "--levels", "--format", fmt)
    paint(out / name)
    painted = bytes_of(out)

    assert run("relabel", out / "spine_dseg.nii.gz", "--set", "L1=L1") == 1

    assert f"{name}: was changed since it was written, by hand" in capsys.readouterr().err
    assert bytes_of(out) == painted


def test_a_word_about_a_painted_file_keeps_the_paint_and_says_that_parts_lack_it(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / "spine_dseg.nii.gz"
    for fmt in ("mha", "nii.gz"):
        run("segment", scan_file, out, "--format", fmt)
    paint(seg)
    painted = bytes_of(out)

    assert main(["relabel", str(seg), "--set", "L1=L2"]) == 0

    told = "the labels were changed by hand, and the parts do not follow: 5 voxels have a label"
    assert told in capsys.readouterr().err
    for path in (seg, out / "spine_dseg.mha"):
        assert (read_labels(path).array[0, :5, 0] == VALUES["L2"]).all()
    assert run("relabel", seg, "--set", "L2=L1") == 0
    warned = [row["code"] for row in report_of(out)["warnings"]]
    assert warned.count("labels-changed") == 1
    for _ in range(2):
        assert run("relabel", seg, "--undo") == 0
    assert bytes_of(out) == painted


def test_the_volume_of_a_canal_that_was_painted_over_is_the_new_one(
    scan_file: Path, tmp_path: Path
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / "spine_dseg.nii.gz"
    run("segment", scan_file, out)
    volume, header = read_label_file(seg)
    is_canal = volume.array == VALUES["spinal_canal"]
    is_canal[..., is_canal.shape[2] // 2 :] = False
    write_labels(seg, np.where(is_canal, 0, volume.array).astype(np.uint8), header)
    painted = bytes_of(out)
    whole = report_of(out)["canal_with_cord_mm3"]

    assert run("relabel", seg, "--set", "L1=L1") == 0

    lost = is_canal.sum() * float(np.prod(volume.grid.spacing_mm))
    assert report_of(out)["canal_with_cord_mm3"] == pytest.approx(whole - lost, abs=0.2)
    assert run("relabel", seg, "--undo") == 0
    assert bytes_of(out) == painted


@pytest.mark.parametrize("name", ["spine_dseg.nii.gz", "spine_parts.nii.gz"])
@pytest.mark.parametrize("wanted", ["a file that is gone", "another format"])
def test_a_painted_result_is_not_made_again(
    scan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    wanted: str,
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out)
    paint(out / name)
    options = ["--format", "mha"] if wanted == "another format" else []
    if not options:
        (out / "spine_preview.png").unlink()
    painted = bytes_of(out)

    assert run("segment", scan_file, out, *options) == 2

    assert (
        f"{name} was changed since it was written, by hand; add --over" in capsys.readouterr().err
    )
    assert bytes_of(out) == painted
    assert run("segment", scan_file, out, "--overwrite", *options) == 0
    assert (
        not read_labels(out / name.replace("nii.gz", "mha" if options else "nii.gz"))
        .array[0, :5, 0]
        .any()
    )
