"""A second run into the same folder: what is taken for done, and what is never replaced."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from results import FILES, bytes_of, listing, report_of
from scan_files import Slices, save_itk
from spinekit.apps.cli import main
from spinekit.apps.job import Job

pytestmark = pytest.mark.usefixtures("oracle")


def test_results_are_left_alone_until_they_are_to_be_replaced(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    main(command)
    picture = tmp_path / "out" / "spine_preview.png"
    picture.write_bytes(b"mine")

    assert main(command) == 0
    assert picture.read_bytes() == b"mine"
    assert "done before" in capsys.readouterr().out
    assert main([*command, "--scheme", "lumbar9"]) == 2
    assert "other options" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert picture.read_bytes() != b"mine"


@pytest.mark.parametrize("change", [["--iso"], ["--levels"], ["--scheme", "lumbar9"]])
def test_results_of_other_options_are_not_replaced_although_other_files_are_wanted(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: list[str]
) -> None:
    out = tmp_path / "out"
    main(["segment", str(scan_file), str(out)])
    before = bytes_of(out)

    assert main(["segment", str(scan_file), str(out), "--format", "mha", *change]) == 2

    assert "other options" in capsys.readouterr().err
    assert bytes_of(out) == before


def test_results_of_another_model_are_not_taken_for_done(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    main(command)
    path = tmp_path / "out" / "spine_dseg.json"
    path.write_text(path.read_text().replace('"sha256": "0"', '"sha256": "1"'))

    assert main(command) == 2
    assert "another model" in capsys.readouterr().err


@pytest.mark.parametrize("section", ["column", "seconds", "structures", "model", "options"])
def test_a_report_that_lacks_a_section_is_none_and_stays(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], section: str
) -> None:
    out = tmp_path / "out"
    main(["segment", str(scan_file), str(out)])
    report = report_of(out)
    del report[section]
    (out / "spine_dseg.json").write_text(json.dumps(report))
    before = bytes_of(out)

    assert main(["segment", str(scan_file), str(out)]) == 2

    assert "is there, but no report of this program; add --over" in capsys.readouterr().err
    assert bytes_of(out) == before
    assert main(["segment", str(scan_file), str(out), "--overwrite"]) == 0
    assert listing(out) == FILES


def test_a_scan_replaced_under_its_name_is_not_taken_for_done(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    main(command)
    before = report_of(tmp_path / "out")
    image = nib.load(scan_file)
    voxels = np.asarray(image.dataobj)
    voxels[0, 0, 0] += 1
    nib.save(nib.Nifti1Image(voxels, image.affine), scan_file)

    assert main(command) == 2
    assert "another scan of this name" in capsys.readouterr().err
    assert report_of(tmp_path / "out") == before
    assert main([*command, "--overwrite"]) == 0
    assert main(command) == 0
    assert "done before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "change"),
    [("scan.mha", "scan.mha"), ("scan.mhd", "scan.zraw"), ("study", "study/IM007.dcm")],
)
def test_every_kind_of_scan_is_known_again_and_known_to_be_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, change: str
) -> None:
    path = tmp_path / name
    if name == "study":
        Slices().write(path)
    else:
        save_itk(path)
    command = ["segment", str(path), str(tmp_path / "out")]
    assert main(command) == 0
    assert main([*command, *(["--series", "3"] if name == "study" else [])]) == 0
    assert "done before" in capsys.readouterr().out
    with (tmp_path / change).open("ab") as file:
        file.write(b"\0\0")

    assert main(command) == 2
    assert "another scan of this name" in capsys.readouterr().err


def test_force_and_strict_are_other_options_only_where_they_matter(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["segment", str(scan_file), str(out)]
    main(command)
    for words in (["--force"], ["--strict"], ["--force", "--strict"]):
        assert main([*command, *words]) == 0
        assert "done before" in capsys.readouterr().out

    sidecar = out / "spine_dseg.json"
    for code, word in (("not-mri", "--force"), ("implausible-spacing", "--strict")):
        report = report_of(out) | {"warnings": [{"code": code, "text": ""}]}
        sidecar.write_text(json.dumps(report))
        assert main(command) == 0
        assert main([*command, word]) == 2
        assert "other options" in capsys.readouterr().err


def meanwhile(monkeypatch: pytest.MonkeyPatch, other: list[str]) -> None:
    """Let another run begin and end while the next one is at its scan."""
    from spinekit.apps import jobs

    work = jobs._work

    def slow(job: Job, bar: object) -> object:
        monkeypatch.setattr(jobs, "_work", work)
        assert main(other) == 0
        return work(job, bar)

    monkeypatch.setattr(jobs, "_work", slow)


def test_two_runs_at_the_same_time_never_mix_two_patients(
    scan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image, out = nib.load(scan_file), tmp_path / "out"
    other = tmp_path / "p2" / scan_file.name
    other.parent.mkdir()
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj) + 1, image.affine), other)
    meanwhile(monkeypatch, ["segment", str(other), str(out)])

    assert main(["segment", str(scan_file.parent), str(out)]) == 1

    assert "made of another scan of this name" in capsys.readouterr().err
    before = {name: (out / name).read_bytes() for name in listing(out) if "spine" in name}
    assert main(["segment", str(other), str(out)]) == 0
    assert "done before" in capsys.readouterr().out
    assert {name: (out / name).read_bytes() for name in before} == before

    meanwhile(monkeypatch, ["segment", str(other), str(out), "--overwrite"])
    assert main(["segment", str(scan_file), str(out), "--overwrite"]) == 0
    assert main(["segment", str(scan_file), str(out)]) == 0


def test_of_two_runs_over_one_scan_the_first_to_end_stays(
    scan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    meanwhile(monkeypatch, command)

    assert main(command) == 0

    said = capsys.readouterr().out.splitlines()
    assert ["done before" in line for line in said] == [False, True]
    assert listing(tmp_path / "out") == FILES


def test_files_of_others_and_corrections_are_not_replaced(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "spine_dseg.nii.gz").write_bytes(b"drawn by an expert")
    command = ["segment", str(scan_file), str(out)]

    assert main(command) == 2
    assert "spine_dseg.nii.gz is there" in capsys.readouterr().err
    assert listing(out) == ["spine_dseg.nii.gz"]
    assert main([*command, "--overwrite"]) == 0
    assert main(["relabel", str(out / "spine_dseg.nii.gz"), "--set", "41=L2"]) == 0
    (out / "spine_preview.png").unlink()
    assert main(command) == 2
    assert "corrected by hand" in capsys.readouterr().err


def test_a_failure_that_is_made_good_by_itself_is_none_any_more(
    scan_file: Path, tmp_path: Path
) -> None:
    scans, out = tmp_path / "set", tmp_path / "out"
    scans.mkdir()
    good = scan_file.read_bytes()
    for name, content in (("a", good), ("b", good[:-40])):
        (scans / f"{name}.nii.gz").write_bytes(content)
    assert main(["segment", str(scans), str(out), "--quiet"]) == 1
    (failure,) = json.loads((out / "failures.json").read_text())
    assert failure["input"] == "b.nii.gz"

    (scans / "b.nii.gz").write_bytes(good)
    assert main(["segment", str(scans / "b.nii.gz"), str(out), "--quiet"]) == 0

    assert json.loads((out / "failures.json").read_text()) == []
    lines = (out / "summary.csv").read_text().splitlines()[1:]
    assert sorted(line.split(",")[:2] for line in lines) == [
        ["a.nii.gz", "done"],
        ["b.nii.gz", "done"],
    ]
