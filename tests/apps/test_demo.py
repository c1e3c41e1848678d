import json
from pathlib import Path

import pytest

from spinekit.apps.cli import main


def test_the_demo_draws_segments_and_says_where_the_picture_is(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"

    assert main(["demo", "--out", str(out), "--model", str(tiny_model)]) == 0

    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"picture: {out.resolve() / 'phantom00007_preview.png'}"
    assert (out / "phantom00007_preview.png").is_file()
    assert (out / "phantom" / "truth" / "phantom00007.json").is_file()


def test_the_demo_takes_a_scan(
    scan_file: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["demo", "--scan", str(scan_file), "--out", str(tmp_path / "demo")]

    assert main([*command, "--model", str(tiny_model)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("spine_preview.png")
    assert not (tmp_path / "demo" / "phantom").exists()


def test_the_demo_says_no_more_than_was_asked_for(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["demo", "--out", str(tmp_path / "demo"), "--model", str(tiny_model)]
    assert main([*command, "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")

    assert main([*command, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["preview"].endswith("phantom00007_preview.png")

    (tmp_path / "demo" / "older_preview.png").write_bytes(b"of another run")
    assert main(command) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("picture: ")]
    assert [Path(line).name for line in told] == ["phantom00007_preview.png"]
