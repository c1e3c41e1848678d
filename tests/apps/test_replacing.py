"""A result put in the place of an earlier one: what goes with that one, and what never does."""

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import BlockSpine, oracle_for
from results import FILES, bytes_of, listing, report_of, run
from spinekit.anatomy.scheme import VALUES
from spinekit.io.reading import read_labels
from spinekit.layouts.registry import LAYOUTS
from spinekit.layouts.replacing import replace_result
from spinekit.layouts.wanted import Wanted
from spinekit.pipeline import segment
from spinekit.segmentation import Segmentation

pytestmark = pytest.mark.usefixtures("oracle")


def other_patient(scan_file: Path) -> Path:
    """Another scan of the same name."""
    image = nib.load(scan_file)
    voxels = np.asarray(image.dataobj).copy()
    voxels[0, 0, 0] += 1
    path = scan_file.parent.parent / "other" / scan_file.name
    path.parent.mkdir()
    nib.save(nib.Nifti1Image(voxels, image.affine), path)
    return path


def test_the_report_lists_the_files_of_the_result(scan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out, "--levels", "--iso", "--soft")
    assert report_of(out)["files"] == listing(out)

    run("relabel", out / "spine_dseg.nii.gz", "--set", "L5=L6")
    assert report_of(out)["files"] == [name for name in listing(out) if "undo" not in name]


@pytest.mark.parametrize(("named", "copy"), [("nii.gz", "mha"), ("mha", "nii.gz"), ("nrrd", "nii")])
def test_a_corrected_name_is_corrected_in_every_format(
    scan_file: Path, tmp_path: Path, named: str, copy: str
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out, "--format", named)
    run("segment", scan_file, out, "--format", copy)
    paths = [out / f"spine_dseg.{fmt}" for fmt in (named, copy)]
    before, grids = bytes_of(out), [read_labels(path).grid for path in paths]

    assert run("relabel", paths[0], "--set", "L5=L6") == 0

    first, second = (read_labels(path) for path in paths)
    assert VALUES["L6"] in first.array
    np.testing.assert_array_equal(first.array, second.array)
    assert [read_labels(path).grid.affine.tolist() for path in paths] == [
        grid.affine.tolist() for grid in grids
    ]
    assert run("relabel", paths[1], "--undo") == 0
    assert bytes_of(out) == before


def test_results_saved_from_python_are_replaced_too(
    spine: BlockSpine, scan_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made = segment(scan_file, levels=True, predictor=oracle_for(spine))
    made.save(out, fmt="mha")
    assert report_of(out)["files"] == listing(out)

    assert run("segment", scan_file, out, "--overwrite") == 0

    assert listing(out) == FILES


def test_files_of_the_run_before_do_not_stay_beside_the_new_ones(
    scan_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run("segment", scan_file, out, "--levels", "--soft", "--iso") == 0
    assert run("relabel", out / "spine_dseg.nii.gz", "--set", "L5=L6") == 0
    assert len(listing(out)) == len(FILES) + 6

    assert run("segment", scan_file, out, "--overwrite", "--min-probability", "0.99") == 0

    assert listing(out) == FILES
    assert report_of(out)["files"] == FILES


@pytest.mark.parametrize("fmt", ["mha", "seg.nrrd"])
def test_no_other_format_stays_to_say_other_names(
    scan_file: Path, tmp_path: Path, fmt: str
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out, "--levels")

    assert run("segment", scan_file, out, "--overwrite", "--format", fmt) == 0

    expected = [name.replace("nii.gz", fmt) for name in FILES]
    assert listing(out) == sorted(expected)


def test_formats_that_were_asked_for_one_by_one_are_replaced_together(
    scan_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out)
    assert run("segment", scan_file, out, "--format", "mha") == 0
    assert set(FILES) < set(listing(out))

    assert run("segment", scan_file, out, "--format", "nrrd", "--overwrite") == 0

    assert sorted(name.replace("nrrd", "nii.gz") for name in listing(out)) == FILES


def test_what_others_wrote_stays_whatever_it_is_called(scan_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out, "--levels")
    names = (
        "spine_dseg.seg.nrrd",
        "spine_parts.seg.nrrd",
        "spine_image.nii.gz",
        "spine_levels.csv",
    )
    for name in (*names, "spine_2_levels.nii.gz", "spine_cord_soft.nii.gz"):
        (out / name).write_bytes(b"mine")

    assert run("segment", scan_file, out, "--overwrite") == 0

    mine = [name for name, content in bytes_of(out).items() if content == b"mine"]
    assert len(mine) == 6
    assert sorted({*listing(out)} - {*mine}) == FILES


def test_a_report_cannot_name_files_that_no_run_would_write(
    scan_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("segment", scan_file, out)
    for path in (tmp_path / "other.nii.gz", out / "case_dseg.nii.gz"):
        path.write_bytes(b"mine")
    report = out / "spine_dseg.json"
    text = report.read_text().replace(
        '"spine_parts.nii.gz"', '"../other.nii.gz", "case_dseg.nii.gz"'
    )
    report.write_text(text)
    assert "../other.nii.gz" in report_of(out)["files"]

    assert run("segment", scan_file, out, "--overwrite") == 0

    assert (tmp_path / "other.nii.gz").is_file()
    assert (out / "case_dseg.nii.gz").is_file()


def test_when_writing_fails_nothing_of_the_run_before_is_lost(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spinekit import segmentation

    out = tmp_path / "out"
    run("segment", scan_file, out, "--levels")
    run("relabel", out / "spine_dseg.nii.gz", "--set", "L5=L6")
    before = bytes_of(out)

    def fail(path: Path, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segmentation, "write_json", fail)

    assert run("segment", scan_file, out, "--overwrite") == 1
    assert bytes_of(out) == before


def test_undo_never_brings_back_what_a_fresh_result_replaced(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / "spine_dseg.nii.gz"
    run("segment", scan_file, out)
    run("relabel", seg, "--set", "L5=L6")
    assert run("segment", other_patient(scan_file), out, "--overwrite") == 0
    assert listing(out) == FILES
    before = bytes_of(out)

    assert run("relabel", seg, "--undo") == 2

    assert "no name was changed" in capsys.readouterr().err
    assert bytes_of(out) == before


@pytest.mark.parametrize("fresh", ["another patient", "other options"])
def test_an_archive_of_another_result_is_not_undone(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fresh: str
) -> None:
    out, seg = tmp_path / "out", tmp_path / "out" / "spine_dseg.nii.gz"
    run("segment", scan_file, out)
    run("relabel", seg, "--set", "L5=L6")
    archive = (out / "spine_undo.zip").read_bytes()
    scan = other_patient(scan_file) if fresh == "another patient" else scan_file
    options = () if fresh == "another patient" else ("--min-probability", "0.5")
    run("segment", scan, out, "--overwrite", *options)
    # As if the run had been killed before it removed the archive.
    (out / "spine_undo.zip").write_bytes(archive)
    before = bytes_of(out)

    assert run("relabel", seg, "--undo") == 2
    assert "no name was changed" in capsys.readouterr().err
    assert bytes_of(out) == before

    # A change of its own takes the archive's place.
    assert run("relabel", seg, "--set", "L5=L6") == 0
    assert run("relabel", seg, "--undo") == 0
    del before["spine_undo.zip"]
    assert bytes_of(out) == before

    run("relabel", seg, "--set", "L5=L6")
    (out / "spine_undo.zip").write_bytes(archive)
    assert run("relabel", seg, "--undo") == 1
    assert "kept of another result" in capsys.readouterr().err


def test_a_format_left_beside_never_says_something_else(
    scan_file: Path, tmp_path: Path, spine: BlockSpine
) -> None:
    result = segment(scan_file, predictor=oracle_for(spine))
    other = dataclasses.replace(result, labels=np.flip(result.labels, axis=1).copy())
    out = tmp_path / "out"
    plain = LAYOUTS["spinekit"]

    def write(what: Segmentation, fmt: str) -> None:
        replace_result(plain, what, Wanted(scan_file, "spine", out, Path(), fmt), beside=True)

    write(result, "nii.gz")
    write(result, "mha")
    both = {"spine_dseg.nii.gz", "spine_dseg.mha"}
    assert both <= set(listing(out))
    assert report_of(out)["files"] == listing(out)

    write(other, "mha")

    assert both & set(listing(out)) == {"spine_dseg.mha"}
    assert report_of(out)["files"] == listing(out)
    assert "spine_parts.nii.gz" in listing(out)  # which says the same as before
