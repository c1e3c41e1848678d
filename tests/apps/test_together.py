"""`spinekit segment --together`: the series of a study share what they know."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from scan_files import Slices
from spinekit.anatomy.scheme import VALUES
from spinekit.apps import jobs
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
def predictor(monkeypatch: pytest.MonkeyPatch):
    """Let the command line predict the parts of the block spine without any level."""
    jobs._predictor.cache_clear()
    monkeypatch.setattr(jobs, "load_predictor", lambda model, threads: blind())
    yield
    jobs._predictor.cache_clear()


def run(*words: object) -> int:
    return main(["segment", *map(str, words)])


def report_of(out: Path, stem: str) -> dict:
    return json.loads((out / f"{stem}_dseg.json").read_text(encoding="utf-8"))


def vertebrae(report: dict) -> list[str]:
    return [row["name"] for row in report["structures"] if row["part"] == "vertebra"]


def codes(report: dict) -> list[str]:
    return [warning["code"] for warning in report["warnings"]]


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


@pytest.mark.parametrize("same_frame", [True, False])
def test_the_series_of_a_dicom_folder_are_scans(tmp_path: Path, same_frame: bool) -> None:
    folder = tmp_path / "dicom"
    for number, grid in ((3, LOIN), (7, LOW)):
        write_series(folder, number, grid, "1.2.9" if same_frame else f"1.2.{number}")

    assert run(folder, tmp_path / "plain", "--quiet") == 2
    assert run(folder, tmp_path / "out", "--together", "--quiet") == 0

    report = report_of(tmp_path / "out", "3")
    assert report["options"]["series"] == "3"
    assert (vertebrae(report) == list(UPPER)) == same_frame
    assert (codes(report) == ["named-alone"]) != same_frame
