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
    assert len(listing(tmp_path / "out")) > 1
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
    assert set(np.unique(labels).tolist()) - {0} <= told


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
