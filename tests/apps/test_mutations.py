"""Hundreds of damaged files through the real command, in one folder with good ones."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mutations import write_mutations
from spinekit.apps.cli import main
from spinekit.segmentation import Segmentation, output_names


@pytest.mark.usefixtures("oracle")
def test_damaged_files_are_told_in_one_line_each_and_the_rest_is_done(
    scan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Some damage leaves a file readable; drawing a hundred pictures of noise proves nothing.
    monkeypatch.setattr(Segmentation, "preview", lambda _: Image.new("RGB", (8, 8)))
    folder = tmp_path / "mixed"
    mutated = write_mutations(folder)
    for name in ("aaa_first.nii.gz", "zzz_last.nii.gz"):
        (folder / name).write_bytes(scan_file.read_bytes())
    out = tmp_path / "out"

    assert len(mutated) >= 200
    assert main(["segment", str(folder), str(out)]) == 1

    printed = capsys.readouterr()
    failures = json.loads((out / "failures.json").read_text())
    errors = [line for line in printed.err.splitlines() if line.startswith("spinekit: error: ")]
    warnings = [line for line in printed.err.splitlines() if line.startswith("spinekit: warning: ")]
    assert len(errors) == len(failures) >= 200
    before, *_, after = printed.err.splitlines()
    assert "scans to do, about" in before
    assert "scans done; " in after
    assert len(errors) + len(warnings) + 2 == len(printed.err.splitlines())
    assert "Traceback" not in printed.err
    assert [failure for failure in failures if failure["code"] == "unexpected"] == []
    for failure, line in zip(failures, errors, strict=True):
        assert failure["input"] in line
        assert "; " in line

    failed = {failure["input"] for failure in failures}
    done = {path.name for path in folder.iterdir()} - failed
    assert {"aaa_first.nii.gz", "zzz_last.nii.gz"} < done
    expected = {"summary.csv", "failures.json"}
    for name in done:
        stem = name.removesuffix(".gz").rsplit(".", 1)[0] if "." in name else name
        expected |= set(output_names(stem, "nii.gz", image=False).values())
    assert {str(path.relative_to(out)) for path in out.rglob("*")} == expected
