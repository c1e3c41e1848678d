"""A study as an archive gives it out: series, a report among them, an index on top."""

from pathlib import Path

import pytest
from pydicom.uid import BasicTextSRStorage, MediaStorageDirectoryStorage

from results import listing
from scan_files import Slices, save_object
from spinekit.apps.cli import main

pytestmark = pytest.mark.usefixtures("oracle")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    top = tmp_path / "study"
    Slices().write(top / "DICOM" / "T2")
    save_object(top / "DICOM" / "SR" / "IM001", BasicTextSRStorage)
    save_object(top / "DICOMDIR", MediaStorageDirectoryStorage)
    return top


@pytest.mark.parametrize("options", [[], ["--together"]])
def test_a_report_in_a_study_is_passed_over_with_a_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    out = tmp_path / "out"

    assert main(["segment", str(study), str(out), *options]) == 0

    line = f"spinekit: 1 DICOM folder in {study} without a scan; passed over"
    assert capsys.readouterr().err.splitlines()[0] == line
    assert [name for name in listing(out) if name.endswith(".json")] == [
        "DICOM/T2_dseg.json",
        "failures.json",
    ]
    assert main(["segment", str(study), str(out), "--quiet", *options]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_saved_screen_is_passed_over_in_a_folder_of_its_own_or_beside_a_series(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Slices(number=99, uid="1.2.99", tags={"PhotometricInterpretation": "RGB"})
    screen.write(study / "DICOM" / "SC", [0])
    out = tmp_path / "out"

    assert main(["segment", str(study), str(out)]) == 0

    line = f"spinekit: 2 DICOM folders in {study} without a scan; passed over"
    assert capsys.readouterr().err.splitlines()[0] == line
    screen.write(study / "DICOM" / "T2", [0], prefix="SC")
    Slices(number=4, uid="1.2.4").write(study / "DICOM" / "T2", prefix="OTHER")
    assert main(["segment", str(study), str(tmp_path / "both"), "--together"]) == 0
    said = capsys.readouterr().err
    assert f"spinekit: 1 series in {study / 'DICOM' / 'T2'} without a scan; passed over" in said
    assert [name for name in listing(tmp_path / "both") if name.endswith("_dseg.json")] == [
        "DICOM/T2/3_dseg.json",
        "DICOM/T2/4_dseg.json",
    ]


def test_folders_without_the_series_asked_for_are_passed_over_where_another_has_it(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Slices(number=4, uid="1.2.4").write(study / "DICOM" / "STIR")
    out = tmp_path / "out"

    assert main(["segment", str(study), str(out), "--series", "4"]) == 0

    said = capsys.readouterr().err
    assert "spinekit: 1 DICOM folder without the series; passed over" in said
    assert "error" not in said
    assert "DICOM/T2" not in (out / "summary.csv").read_text()
    assert (out / "failures.json").read_text().strip() == "[]"
    none = tmp_path / "none"
    assert main(["segment", str(study), str(none), "--series", "5"]) == 1
    assert capsys.readouterr().err.count("no series 5; it has") == 2
    assert main(["segment", str(study), str(none), "--series", "4"]) == 0
    assert "no-such-series" not in (none / "summary.csv").read_text()
    assert (none / "failures.json").read_text().strip() == "[]"


def test_a_broken_folder_does_not_hide_which_series_there_are(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = study / "DICOM" / "BROKEN"
    broken.mkdir()
    (broken / "IM0.dcm").write_bytes(b"no DICOM")

    assert main(["segment", str(study), str(tmp_path / "out"), "--series", "5"]) == 1

    assert "no series 5; it has" in capsys.readouterr().err


def test_an_index_of_a_study_is_said_to_be_one(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(study / "DICOMDIR"), str(tmp_path / "out")]) == 1

    told = "DICOMDIR: the index of a study, no image; give the folder it lies in"
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_report_alone_is_an_error_that_says_so(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(study / "DICOM" / "SR"), str(tmp_path / "out")]) == 1

    assert "no DICOM image in it" in capsys.readouterr().err
