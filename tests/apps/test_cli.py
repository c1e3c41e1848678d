import io
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from spinekit.apps import cli
from spinekit.apps.cli import COMMANDS, main


def cpu_seconds() -> float:
    """Of all processes started so far: what else the machine does must not matter."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_names_every_command_and_is_quick() -> None:
    before = cpu_seconds()
    done = subprocess.run(
        [sys.executable, "-m", "spinekit", "--help"], capture_output=True, text=True
    )

    assert cpu_seconds() - before < 0.5
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    assert "not a medical device" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"spinekit {command}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--version"], ["version"]])
def test_version(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == f"spinekit {version('spinekit')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["segment"], "INPUT, OUT"),
        (["sgment", "a", "b"], "invalid choice"),
        (["segment", "a", "b", "--format", "dcm"], "invalid choice: 'dcm'"),
        (["segment", "a", "b", "--threads", "0"], "whole number of at least 1"),
        (["segment", "no-such-file.nii.gz", "b"], "no-such-file.nii.gz"),
        (["segment", ".", "b", "--scheme", "ours"], "choose one of spinekit"),
        (["phantom", "b", "--seed", "-4"], "negative"),
    ],
)
def test_wrong_use_is_one_line_and_two(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("spinekit")
    assert said in line


def test_no_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: spinekit" in capsys.readouterr().out


def test_a_defect_is_one_line_unless_debugged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from spinekit.apps import version as command

    def fail(_: object) -> int:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(command, "run", fail)

    assert main(["version"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError: two lines; run again with --debug" in line
    assert main(["version", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_output_that_knows_no_arrows_or_names_that_are_no_text_do_not_end_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="latin-1"))
    monkeypatch.setattr(cli, "hear_interrupts", lambda: None)
    monkeypatch.setattr(cli, "main", lambda: print("caf\udce9 → picture", flush=True) or 0)

    with pytest.raises(SystemExit) as ended:
        cli.console()

    assert ended.value.code == 0
    assert shown.getvalue() == b"caf\\udce9 \\u2192 picture\n"


@pytest.mark.parametrize("words", [["segment", "", "out"], ["label", "a.nii", ""]], ids=str)
def test_an_empty_name_is_not_the_current_folder(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(words) == 2

    assert "the name is empty" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
