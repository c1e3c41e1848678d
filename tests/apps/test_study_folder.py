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

    line = f"spinekit: 1 DICOM folder in {study} without an image; passed over"
    assert capsys.readouterr().err.splitlines()[0] == line
    assert [name for name in listing(out) if name.endswith(".json")] == [
        "DICOM/T2_dseg.json",
        "failures.json",
    ]
    assert main(["segment", str(study), str(out), "--quiet", *options]) == 0
    assert capsys.readouterr() == ("", "")


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
