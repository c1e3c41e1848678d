"""Locks: one process at a time, and nobody waits for the dead."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spinekit.io.claims import hidden_beside
from spinekit.io.locks import alone
from spinekit.io.writing import write_bytes
from unprivileged import as_nobody

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


def hold(path: Path, seen: list[int]) -> None:
    with alone(path):
        seen.append(hidden_beside(path, ".lock").stat().st_mode & 0o777)


def test_a_lock_is_every_users_whatever_files_of_this_one_are(tmp_path: Path) -> None:
    seen: list[int] = []
    before = os.umask(0o077)
    try:
        hold(tmp_path / "run", seen)
    finally:
        os.umask(before)
    assert seen == [0o666]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
@pytest.mark.parametrize("sticky", [0, 0o1000])
def test_what_another_users_killed_run_left_keeps_nobody_out(tmp_path: Path, sticky: int) -> None:
    tmp_path.chmod(0o777 | sticky)
    for mode, name in ((0o666, "now"), (0o644, "before")):
        left = hidden_beside(tmp_path / name, ".lock")
        left.touch()
        left.chmod(mode)

        assert as_nobody(tmp_path, lambda name=name: hold(Path(name), [])) == "no error"
        assert left.exists() == bool(sticky)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_a_lock_that_another_user_holds_is_waited_for(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    lock = hidden_beside(tmp_path / "run", ".lock")
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        lock.chmod(0o644)

        def wait() -> None:
            with alone(Path("run"), lambda: Path("told").touch()):
                pass

        process = multiprocessing.get_context("fork").Process(
            target=lambda: sys.exit(as_nobody(tmp_path, wait) != "no error")
        )
        process.start()
        while not (tmp_path / "told").exists() and process.is_alive():
            time.sleep(0.01)
        holder.kill()
        process.join(10)
        os.kill(child, signal.SIGKILL)
    assert (tmp_path / "told").exists()
    assert process.exitcode == 0
    assert not lock.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs another user")
def test_a_half_written_file_of_another_user_is_in_nobodys_way(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    left = hidden_beside(tmp_path / "summary.csv", ".partial")
    left.write_text("half")
    left.chmod(0o644)

    assert as_nobody(tmp_path, lambda: write_bytes("summary.csv", b"whole")) == "no error"

    assert [path.name for path in tmp_path.iterdir()] == ["summary.csv"]
    assert (tmp_path / "summary.csv").read_bytes() == b"whole"
