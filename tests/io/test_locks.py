"""Locks: one process at a time, and nobody waits for the dead."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinekit.io.locks import alone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no such locks")

HOLDER = """
import sys, time
from multiprocessing import get_context
from pathlib import Path
from spinekit.io.locks import alone
with alone(Path(sys.argv[1])):
    child = get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    print(child.pid, flush=True)
    time.sleep(30)
"""


def take_turns(path: Path, log: Path) -> None:
    """Note one's coming and going, several times."""
    for _ in range(20):
        with alone(path):
            with log.open("a") as file:
                file.write("in ")
            with log.open("a") as file:
                file.write("out ")


def test_two_processes_take_turns_and_leave_nothing_behind(tmp_path: Path) -> None:
    path, log = tmp_path / "locks" / "run", tmp_path / "log"
    processes = [multiprocessing.Process(target=take_turns, args=(path, log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert log.read_text().split() == ["in", "out"] * 40
    # The folder stays where one process made it and the other was last.
    assert list(path.parent.glob(".*")) == []


def test_a_killed_holder_holds_nothing_and_its_children_neither(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        told: list[float] = []

        def waiting() -> None:
            told.append(time.monotonic())
            holder.kill()

        try:
            with alone(tmp_path / "run", waiting):
                waited = time.monotonic() - told[0]
        finally:
            os.kill(child, signal.SIGKILL)
    assert len(told) == 1
    assert waited < 10


def test_a_folder_made_for_a_lock_stays_only_with_what_came_into_it(tmp_path: Path) -> None:
    for name in ("empty", "full"):
        with alone(tmp_path / name / "deep" / "run"):
            if name == "full":
                (tmp_path / name / "result").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "result"]


def test_a_path_is_free_again_after_an_error(tmp_path: Path) -> None:
    def held() -> None:
        with alone(tmp_path / "run"):
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        held()
    assert list(tmp_path.iterdir()) == []
