"""`spinekit segment --together`: the series of a study share what they know."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from blocks import PredictWith
from results import codes, report_of, vertebrae
from scan_files import Slices, edit_dicom
from spinekit.anatomy.scheme import VALUES
from spinekit.apps.cli import main
from spinekit.core.grid import Grid
from spinekit.core.resampling import resample_nearest
from views import SPINE, blind, save_view, stretch, truth_on

LOIN = stretch(150, 290)
"""T12 to L3 and no sacrum."""
LOW = stretch(0, 240, (4.0, 1.0, 1.0))
"""L1, cut, to the sacrum."""
BLOCK = stretch(185, 260, (2.0, 2.0, 4.0))
"""An axial block from L2, cut, to L1 and a piece of T12."""
UPPER = ("T12", "L1", "L2", "L3")


@pytest.fixture(autouse=True)
def predictor(predict_with: PredictWith) -> None:
    """Let the command line predict the parts of the block spine without any level."""
    predict_with(blind())


def run(*words: object) -> int:
    return main(["segment", *map(str, words)])


def write_series(folder: Path, number: int, grid: Grid, frame: str) -> None:
    """What the spine shows on a sagittal grid as a DICOM series."""
    image = resample_nearest(SPINE.image, SPINE.grid, grid).astype(np.int16)
    right, front, up = grid.ijk_to_ras([0, image.shape[1] - 1, image.shape[2] - 1])[0]
    Slices(
        volume=np.ascontiguousarray(image[:, ::-1, ::-1].transpose(1, 2, 0)),
        gap_mm=grid.spacing_mm[0],
        spacing=grid.spacing_mm[1:],
        origin=(-right, -front, up),
        number=number,
        uid=f"1.2.3.{number}",
        tags={"FrameOfReferenceUID": frame},
    ).write(folder, prefix=f"S{number}_")


def test_what_one_series_shows_names_the_others(tmp_path: Path) -> None:
    study = tmp_path / "study"
    for name, grid in (("T1", LOIN), ("T2", LOW), ("axial", BLOCK)):
        save_view(study / f"{name}.nii.gz", grid)

    assert run(study, tmp_path / "out", "--together", "--quiet") == 0

    for name, grid in (("T1", LOIN), ("T2", LOW), ("axial", BLOCK)):
        found = np.asarray(nib.load(tmp_path / "out" / f"{name}_dseg.nii.gz").dataobj)
        truth = truth_on(grid)
        bones = np.isin(truth, [VALUES[n] for n in (*UPPER, "L4", "L5")]) & (found > 2)
        assert (found[bones] == truth[bones]).mean() > 0.98
        report = report_of(tmp_path / "out", name)
        assert not report["column"]["ambiguous"]
        assert codes(report) == []
        assert report["options"]["together"] == ["T1", "T2", "axial"]
        others = sorted(row["file"] for row in report["column"]["outside"])
        assert others == sorted({"T1.nii.gz", "T2.nii.gz", "axial.nii.gz"} - {f"{name}.nii.gz"})
    assert run(study, tmp_path / "out", "--together", "--quiet") == 0


def test_a_series_without_spine_and_a_broken_one_do_not_harm(tmp_path: Path) -> None:
    study = tmp_path / "study"
    save_view(study / "T1.nii.gz", LOIN)
    save_view(study / "T2.nii.gz", LOW)
    save_view(study / "empty.nii.gz", LOIN, moved_mm=500.0)
    (study / "broken.nii.gz").write_bytes(b"no scan")

    assert run(study, tmp_path / "out", "--together", "--quiet") == 1

    assert vertebrae(report_of(tmp_path / "out", "T1")) == list(UPPER)
    assert codes(report_of(tmp_path / "out", "empty")) == ["no-spine"]
    failures = json.loads((tmp_path / "out" / "failures.json").read_text())
    assert [failure["input"] for failure in failures] == ["broken.nii.gz"]


def test_each_folder_is_a_study(tmp_path: Path) -> None:
    save_view(tmp_path / "all" / "p1" / "T1.nii.gz", LOIN)
    save_view(tmp_path / "all" / "p1" / "T2.nii.gz", LOW)
    save_view(tmp_path / "all" / "p2" / "T1.nii.gz", LOIN)

    assert run(tmp_path / "all", tmp_path / "out", "--together", "--quiet") == 0

    assert vertebrae(report_of(tmp_path / "out" / "p1", "T1")) == list(UPPER)
    alone = report_of(tmp_path / "out" / "p2", "T1")
    assert alone["column"]["ambiguous"]
    assert alone["options"]["together"] == []
    assert codes(alone) == []


def test_names_that_tell_patient_and_visit_part_the_scans_of_a_folder(tmp_path: Path) -> None:
    for name, grid in (("sub-1_T1", LOIN), ("sub-1_T2", LOW), ("sub-12_T1", LOIN)):
        save_view(tmp_path / "all" / f"{name}.nii.gz", grid)
    for name in ("sub-1_ses-b_T1", "other"):
        save_view(tmp_path / "all" / f"{name}.nii.gz", LOIN)

    assert run(tmp_path / "all", tmp_path / "out", "--together", "--quiet") == 0

    assert vertebrae(report_of(tmp_path / "out", "sub-1_T1")) == list(UPPER)
    for name in ("sub-12_T1", "sub-1_ses-b_T1", "other"):
        report = report_of(tmp_path / "out", name)
        assert report["column"]["ambiguous"]
        assert report["options"]["together"] == codes(report) == []


@pytest.mark.parametrize("same_frame", [True, False])
def test_the_chosen_series_of_several_folders_keep_their_frames(
    tmp_path: Path, same_frame: bool
) -> None:
    for folder, frame, grid in (("a", "1.2.8", LOIN), ("b", "1.2.9", LOW)):
        write_series(tmp_path / "dicom" / folder, 3, grid, "1.2.9" if same_frame else frame)
        write_series(tmp_path / "dicom" / folder, 4, LOIN, "1.2.5")

    words = ("--together", "--series", "3", "--quiet")
    assert run(tmp_path / "dicom", tmp_path / "out", *words) == 0

    report = report_of(tmp_path / "out", "a")
    assert report["column"]["ambiguous"] != same_frame
    assert (vertebrae(report) == list(UPPER)) == same_frame
    assert codes(report) == ([] if same_frame else ["named-alone"])


def test_two_series_one_by_one_want_an_out_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dicom"
    for number, grid in ((3, LOIN), (7, LOW)):
        write_series(folder, number, grid, "1.2.9")
    assert run(folder, tmp_path / "out", "--series", "3", "--quiet") == 0

    assert run(folder, tmp_path / "out", "--series", "7") == 2

    said = capsys.readouterr().err
    assert "dicom_dseg.json was made of series 3, not series 7" in said
    assert "--overwrite" not in said
    assert report_of(tmp_path / "out", "dicom")["options"]["series"] == "3"


def test_a_second_series_that_came_since_is_told_from_the_only_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dicom"
    write_series(folder, 3, LOIN, "1.2.9")
    assert run(folder, tmp_path / "out", "--quiet") == 0
    write_series(folder, 7, LOW, "1.2.9")

    assert run(folder, tmp_path / "out", "--series", "7") == 2

    assert "was made of its only series, not series 7" in capsys.readouterr().err


@pytest.mark.parametrize("same_frame", [True, False])
def test_the_series_of_a_dicom_folder_are_scans(
    tmp_path: Path, same_frame: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "dicom"
    for number, grid in ((3, LOIN), (7, LOW)):
        write_series(folder, number, grid, "1.2.9" if same_frame else f"1.2.{number}")

    assert run(folder, tmp_path / "plain", "--quiet") == 2
    assert "2 series" in capsys.readouterr().err
    assert run(folder, tmp_path / "out", "--together", "--quiet") == 0

    report = report_of(tmp_path / "out", "3")
    assert report["options"]["series"] == "3"
    assert report["column"]["ambiguous"] != same_frame
    assert (vertebrae(report) == list(UPPER)) == same_frame
    assert codes(report) == ([] if same_frame else ["named-alone"])
    name = vertebrae(report)[0]
    words = ("--set", f"{name}={name}", "--image", str(folder), "--quiet")
    assert main(["relabel", str(tmp_path / "out" / "3_dseg.nii.gz"), *words]) == 0


def test_a_series_without_uid_number_and_description_is_one_of_the_scans(tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    for number, grid in ((3, LOIN), (7, LOW)):
        write_series(folder, number, grid, "1.2.9")
    for path in folder.iterdir():
        told = "x" if path.name.startswith("S3") else ""
        edit_dicom(path, SeriesInstanceUID=None, SeriesNumber=None, SeriesDescription=told)

    assert run(folder, tmp_path / "out", "--together", "--quiet") == 0

    chosen = {stem: report_of(tmp_path / "out", stem) for stem in ("series", "series_2")}
    assert [report["options"]["series"] for report in chosen.values()] == ["", "x"]
    assert vertebrae(chosen["series_2"]) == list(UPPER)


@pytest.mark.parametrize("same_frame", [True, False])
def test_folders_of_one_series_and_of_two_are_one_study_in_one_frame(
    tmp_path: Path, same_frame: bool
) -> None:
    write_series(tmp_path / "patient" / "SE1", 5, LOW, "1.2.9")
    for number in (7, 8):
        frame = "1.2.9" if same_frame else "1.2.8"
        write_series(tmp_path / "patient" / "SE2", number, LOIN, frame)

    assert run(tmp_path / "patient", tmp_path / "out", "--together", "--quiet") == 0

    for number in ("7", "8"):
        report = report_of(tmp_path / "out" / "SE2", number)
        assert report["column"]["ambiguous"] != same_frame
        assert (vertebrae(report) == list(UPPER)) == same_frame
        assert codes(report) == []
        assert len(report["options"]["together"]) == (3 if same_frame else 2)


def test_a_localizer_bears_the_name_of_its_series(tmp_path: Path) -> None:
    for number, grid in ((3, LOIN), (7, LOW)):
        write_series(tmp_path / "dicom", number, grid, f"1.2.{number}")
    wide = stretch(0, SPINE.grid.size_mm[2], (6.0, 1.5, 1.5))
    save_view(tmp_path / "found" / "3_dseg.nii.gz", wide, of="labels")

    words = ("--together", "--loc", tmp_path / "found", "--quiet")
    assert run(tmp_path / "dicom", tmp_path / "out", *words) == 0

    report = report_of(tmp_path / "out", "3")
    assert vertebrae(report) == list(UPPER)
    assert report["column"]["outside"][0]["file"] == "3_dseg.nii.gz"
    assert codes(report_of(tmp_path / "out", "7")) == ["localizer-missing", "named-alone"]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A study of which one series, the one that shows the sacrum, cannot be read."""
    save_view(tmp_path / "study" / "T1.nii.gz", LOIN)
    save_view(tmp_path / "study" / "axial.nii.gz", BLOCK)
    (tmp_path / "study" / "T2.nii.gz").write_bytes(b"no scan")
    assert run(tmp_path / "study", tmp_path / "out", "--together", "--quiet") == 1
    return tmp_path / "study"


def contents(folder: Path, stem: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob(f"{stem}_*"))}


def table(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(newline="", encoding="utf-8") as file:
        return {row["input"]: row for row in csv.DictReader(file)}


def failures(out: Path) -> dict[str, str]:
    rows = json.loads((out / "failures.json").read_text(encoding="utf-8"))
    return {row["input"]: row["code"] for row in rows}


@pytest.mark.parametrize("corrected", [False, True])
def test_a_study_with_a_broken_series_is_not_done_again(
    broken: Path, tmp_path: Path, corrected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    said = failures(out)
    assert list(said) == ["T2.nii.gz"]
    if corrected:
        seg = out / "T1_dseg.nii.gz"
        assert main(["relabel", str(seg), "--set", "L4=L3", "--quiet"]) == 0
    before = {stem: contents(out, stem) for stem in ("T1", "axial")}
    rows = table(out)
    monkeypatch.setattr(blind().__class__, "predict", lambda *_: pytest.fail("looked again"))

    assert run(broken, out, "--together", "--quiet") == 1

    assert {stem: contents(out, stem) for stem in before} == before
    assert failures(out) == said
    found = table(out)
    assert {name: row["status"] for name, row in found.items()} == {
        "T1.nii.gz": "skipped",
        "T2.nii.gz": "failed",
        "axial.nii.gz": "skipped",
    }
    for name in ("T1.nii.gz", "axial.nii.gz"):
        assert found[name]["vertebrae"] == rows[name]["vertebrae"] != ""


def test_a_series_that_was_broken_and_is_whole_again_names_the_others(
    broken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert report_of(out, "T1")["column"]["ambiguous"]
    save_view(broken / "T2.nii.gz", LOW)

    assert run(broken, out, "--together", "--quiet") == 0

    assert {row["status"] for row in table(out).values()} == {"done"}
    assert not report_of(out, "T1")["column"]["ambiguous"]
    assert vertebrae(report_of(out, "T1")) == list(UPPER)


def corrected_study(folder: Path) -> tuple[Path, Path]:
    """A study of three series, and their results, the first of them with a corrected name."""
    study, out = folder / "study", folder / "out"
    for name, grid in (("T1", LOIN), ("T2", LOW), ("axial", BLOCK)):
        save_view(study / f"{name}.nii.gz", grid)
    assert run(study, out, "--together", "--quiet") == 0
    assert main(["relabel", str(out / "T1_dseg.nii.gz"), "--set", "L1=L2", "--quiet"]) == 0
    return study, out


def test_what_is_missing_of_a_study_is_done_and_what_is_there_left_alone(tmp_path: Path) -> None:
    study, out = corrected_study(tmp_path)
    before = {stem: contents(out, stem) for stem in ("T1", "T2")}
    lost = contents(out, "axial")
    for name in lost:
        (out / name).unlink()

    assert run(study, out, "--together", "--quiet") == 0

    assert {stem: contents(out, stem) for stem in before} == before
    for name in ("axial_dseg.nii.gz", "axial_parts.nii.gz", "axial_preview.png"):
        assert (out / name).read_bytes() == lost[name]
    status = {name: row["status"] for name, row in table(out).items()}
    assert status == {"T1.nii.gz": "skipped", "T2.nii.gz": "skipped", "axial.nii.gz": "done"}


def test_each_series_is_refused_for_its_own_reason(tmp_path: Path) -> None:
    study, out = corrected_study(tmp_path)
    (out / "T1_preview.png").unlink()
    (out / "T2_dseg.json").write_text("{}")
    before = {stem: contents(out, stem) for stem in ("T1", "T2", "axial")}

    assert run(study, out, "--together", "--quiet") == 1

    rows = json.loads((out / "failures.json").read_text(encoding="utf-8"))
    assert [row["input"] for row in rows] == ["T1.nii.gz", "T2.nii.gz"]
    assert "corrected by hand" in rows[0]["message"]
    assert "no report of this program" in rows[1]["message"]
    assert table(out)["axial.nii.gz"]["status"] == "skipped"
    assert {stem: contents(out, stem) for stem in before} == before


def test_a_series_whose_study_cannot_be_read_says_that_it_was_named_alone(tmp_path: Path) -> None:
    save_view(tmp_path / "study" / "T1.nii.gz", LOIN)
    (tmp_path / "study" / "T2.nii.gz").write_bytes(b"no scan")

    assert run(tmp_path / "study", tmp_path / "out", "--together", "--quiet") == 1

    assert codes(report_of(tmp_path / "out", "T1")) == ["named-alone"]
