"""Runs that end or are met between two moves of a result's files: its report never says otherwise.

The runs are forks of this process, so that they share its stand-in for the network.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinekit.apps.cli import main
from spinekit.io import staging
from spinekit.io.staging import PREFIX

pytestmark = [
    pytest.mark.usefixtures("oracle"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork"),
]


def run_beside(command: list[str], at_move: int, act: Callable[[], object]) -> int:
    """Run a command in another process that does something before one of its moves."""
    child = os.fork()
    if child:
        return child
    replace, calls = os.replace, []

    def acting(source: Path, target: Path) -> None:
        if PREFIX in str(source) and PREFIX not in str(target):
            calls.append(target)
            if len(calls) == at_move:
                act()
        replace(source, target)

    os.replace = acting  # type: ignore[assignment]
    code = 99
    try:
        code = main([*command, "--quiet"])
    finally:
        os._exit(code)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(params=["spinekit", "totalspineseg", "bids"])
def command(request: pytest.FixtureRequest, scan_file: Path, tmp_path: Path) -> list[str]:
    """Segment the block spine in a layout."""
    scan = scan_file
    if request.param == "bids":
        scan = tmp_path / "set" / "sub-1" / "anat" / "sub-1_T2w.nii.gz"
        scan.parent.mkdir(parents=True)
        scan.write_bytes(scan_file.read_bytes())
        (tmp_path / "set" / "dataset_description.json").write_text('{"Name": "set"}')
    return ["segment", str(scan), str(tmp_path / "out"), "--layout", request.param]


def listing(folder: Path) -> list[str]:
    """What lies in a folder, but for locks, which stay behind the killed."""
    files = (path for path in folder.rglob("*") if path.suffix != ".lock")
    return sorted(str(path.relative_to(folder)) for path in files)


def test_a_run_killed_while_its_files_move_is_finished_by_the_next(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole"
    assert main([*command[:2], str(whole), *command[3:]]) == 0
    assert ended(run_beside(command, 2, kill)) == -signal.SIGKILL
    left = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    of_dataset = ("dataset_description.json", ".bidsignore")
    left = (path for path in left if path.suffix != ".lock" and path.name not in of_dataset)
    moved = [path for path in left if PREFIX not in str(path)]
    assert len(moved) == 1
    capsys.readouterr()

    assert main(command) == 0

    assert "done before" in capsys.readouterr().out
    assert listing(tmp_path / "out") == listing(whole)


def test_a_run_killed_over_an_earlier_result_leaves_no_labels_beside_an_old_report(
    scan_file: Path, tmp_path: Path
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    other = [*command, "--scheme", "lumbar9"]
    assert main(command) == 0
    assert ended(run_beside([*other, "--overwrite"], 2, kill)) == -signal.SIGKILL

    assert main(other) == 0

    report = json.loads((tmp_path / "out" / "spine_dseg.json").read_text())
    labels = np.asarray(nib.load(tmp_path / "out" / "spine_dseg.nii.gz").dataobj)
    told = {structure["value"] for structure in report["structures"]}
    assert report["options"]["scheme"] == "lumbar9"
    assert set(np.unique(labels).tolist()) - {0} == told - {None}


def test_a_run_killed_before_it_removed_the_earlier_labels_is_finished_by_the_next(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["segment", str(scan_file), str(out)]
    other = [*command, "--scheme", "lumbar9", "--format", "mha"]
    assert main(command) == 0
    child = os.fork()
    if not child:
        unlink = Path.unlink

        def killed(self: Path, missing_ok: bool = False) -> None:
            if self.name.endswith("_dseg.nii.gz"):
                kill()
            unlink(self, missing_ok)

        Path.unlink = killed  # type: ignore[method-assign]
        main([*other, "--overwrite", "--quiet"])
        os._exit(99)
    assert ended(child) == -signal.SIGKILL
    assert {"spine_dseg.nii.gz", "spine_dseg.mha"} <= set(listing(out))
    capsys.readouterr()

    assert main(other) == 0

    assert "done before" in capsys.readouterr().out
    report = json.loads((out / "spine_dseg.json").read_text())
    assert listing(out) == report["files"]
    assert "spine_dseg.nii.gz" not in report["files"]


def test_a_run_that_meets_another_one_moving_its_files_waits_for_it(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = run_beside(command, 3, lambda: time.sleep(0.5))
    out, ends_by = tmp_path / "out", time.monotonic() + 60
    while not any(PREFIX not in str(path) and path.is_file() for path in out.rglob("*.nii.gz")):
        assert time.monotonic() < ends_by
        time.sleep(0.001)

    assert main(command) == 0

    assert "done before" in capsys.readouterr().out
    assert ended(child) == 0


def test_a_correction_finishes_what_a_killed_run_has_left(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", str(scan_file), str(tmp_path / "out")]
    assert main([*command, "--scheme", "lumbar9"]) == 0
    assert ended(run_beside([*command, "--overwrite"], 2, kill)) == -signal.SIGKILL

    assert main(["relabel", str(tmp_path / "out" / "spine_dseg.nii.gz"), "--set", "L2=L1"]) == 0

    report = json.loads((tmp_path / "out" / "spine_dseg.json").read_text())
    assert report["options"]["scheme"] == "spinekit"
    assert len(report["provenance"]) == 1


def test_a_dataset_that_others_write_to_does_not_keep_a_killed_run_from_being_finished(
    scan_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = []
    for subject in ("sub-1", "sub-2"):
        scan = tmp_path / "set" / subject / "anat" / f"{subject}_T2w.nii.gz"
        scan.parent.mkdir(parents=True)
        scan.write_bytes(scan_file.read_bytes())
        commands.append(["segment", str(scan), str(tmp_path / "out"), "--layout", "bids"])
    publish, ends = staging._publish, []

    def publish_after_a_kill(*args: object) -> None:
        """Move the files of one scan after those of the other have begun to."""
        if not ends:
            ends.append(None)
            ends[0] = ended(run_beside(commands[1], 4, kill))
        publish(*args)

    monkeypatch.setattr(staging, "_publish", publish_after_a_kill)
    assert main(commands[0]) == 0
    assert ends == [-signal.SIGKILL]
    capsys.readouterr()

    for command in commands:
        assert main(command) == 0
        assert "done before" in capsys.readouterr().out
