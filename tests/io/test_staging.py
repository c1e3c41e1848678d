import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from spinekit.core.errors import OutputError, UsageError
from spinekit.io.staging import LOCK, check_writable, refuse_inside, remove_abandoned, staged
from staged_files import WHOLE, forking, result, write_result
from unprivileged import as_nobody


def test_files_appear_together_with_the_json_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(Path(b).name), replace(a, b)))
    with staged(tmp_path / "new" / "out") as stage:
        for name in ("b.json", "c.png", "a.nii.gz"):
            (stage / name).write_text(name)
        assert [path for path in (tmp_path / "new" / "out").iterdir() if path != stage.parent] == []

    assert moved == ["a.nii.gz", "c.png", "b.json"]
    found = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert found == ["a.nii.gz", "b.json", "c.png"]


def write_and_raise(folder: Path, error: type[BaseException]) -> None:
    with staged(folder) as stage:
        (stage / "half.txt").write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_world_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "old.txt").write_text("old")

    for folder in (tmp_path / "kept", tmp_path / "new" / "deep"):
        with pytest.raises(error):
            write_and_raise(folder, error)

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["kept", "old.txt"]


def test_an_interrupt_of_the_last_step_leaves_the_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    remove, calls = shutil.rmtree, []

    def interrupted(path: Path, **options: bool) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)

    def write() -> None:
        with staged(tmp_path) as stage:
            (stage / "whole.txt").write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        write()

    assert [path.name for path in tmp_path.rglob("*")] == ["whole.txt"]


def test_a_failing_move_takes_back_what_was_new_and_keeps_what_was_old(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "in_the_way").touch()

    def write() -> None:
        with staged(tmp_path) as stage:
            (stage / "a").write_text("new")
            (stage / "b").write_text("cannot replace a folder")

    with pytest.raises(OutputError):
        write()

    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()

    with pytest.raises(OutputError), staged(tmp_path / "out"):
        pytest.fail("the body must not run")


def test_folders_inside_are_filled_and_the_last_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(Path(b).name), replace(a, b)))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old.txt").touch()
    with staged(tmp_path, last="a/first.json") as stage:
        for name in ("a/first.json", "b/c/deep.txt", "z.json"):
            (stage / name).parent.mkdir(parents=True, exist_ok=True)
            (stage / name).write_text(name)

    assert moved == ["deep.txt", "z.json", "first.json"]
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["a", "a/first.json", "a/old.txt", "b", "b/c", "b/c/deep.txt", "z.json"]


def test_a_failing_move_takes_new_folders_back(tmp_path: Path) -> None:
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "in_the_way").mkdir()

    def write() -> None:
        with staged(tmp_path) as stage:
            for name in ("a/b/new", "z/in_the_way"):
                (stage / name).parent.mkdir(parents=True)
                (stage / name).write_text("new")

    with pytest.raises(OutputError):
        write()

    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert found == ["z", "z/in_the_way"]


HOLD = """
import sys, time
from pathlib import Path
from spinekit.io.staging import staged
with staged(Path(sys.argv[1])) as stage:
    (stage / "half.txt").write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    (tmp_path / ".spinekit-mine").mkdir()
    (tmp_path / ".spinekit").mkdir()
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        remove_abandoned(tmp_path)
        (half,) = tmp_path.glob("*/*/half.txt")
        process.kill()
        process.wait()
        assert half.exists()

    with staged(tmp_path) as stage:
        (stage / "whole.txt").write_text("whole")
        assert not half.parent.parent.exists()

    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == [".spinekit", ".spinekit-mine", "whole.txt"]


def interrupt_moves(monkeypatch: pytest.MonkeyPatch, error: BaseException, *at: int) -> None:
    """Let the moves of these numbers, counted from 1, be interrupted before they happen."""
    replace, calls = os.replace, []

    def interrupted(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) in at:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)


@pytest.mark.parametrize("before", [False, True], ids=["new", "over an earlier result"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("at", [1, 2, 4])
def test_an_interrupt_between_two_moves_waits_until_all_are_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    error: type[BaseException],
    before: bool,
) -> None:
    if before:
        write_result(tmp_path, "old")
    interrupt_moves(monkeypatch, error(), at)

    with pytest.raises(error):
        write_result(tmp_path, "new")

    assert result(tmp_path) == dict.fromkeys(WHOLE, "new")


def test_what_was_interrupted_twice_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_moves(monkeypatch, KeyboardInterrupt(), 2, 3)
    with pytest.raises(KeyboardInterrupt):
        write_result(tmp_path, "new")
    assert (tmp_path / "d.nii").exists()
    assert not (tmp_path / "a.json").exists()

    remove_abandoned(tmp_path)

    assert result(tmp_path) == dict.fromkeys(WHOLE, "new")


def test_a_move_that_fails_takes_back_what_was_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.txt").write_text("old")
    interrupt_moves(monkeypatch, OSError(errno.EIO, "no connection"), 3)

    with pytest.raises(OutputError, match="no connection"):
        write_result(tmp_path, "new")

    assert [path.name for path in tmp_path.iterdir()] == ["old.txt"]


def killed_at(folder: Path, move: int) -> None:
    """Write a result in another process, which is killed before a move."""
    child = os.fork()
    if child == 0:
        replace, calls = os.replace, []

        def killed(source: Path, target: Path) -> None:
            calls.append(target)
            if len(calls) == move:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)

        os.replace = killed  # type: ignore[assignment]
        try:
            write_result(folder, "new")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@forking
@pytest.mark.parametrize("before", [False, True], ids=["new", "over an earlier result"])
@pytest.mark.parametrize("move", [1, 2, 4])
def test_what_was_killed_between_two_moves_is_finished_by_the_next(
    tmp_path: Path, move: int, before: bool
) -> None:
    if before:
        write_result(tmp_path, "old")
    killed_at(tmp_path, move)
    assert result(tmp_path).get("a.json") == ("old" if before else None)

    remove_abandoned(tmp_path)

    assert result(tmp_path) == dict.fromkeys(WHOLE, "new")


@forking
def test_a_result_that_somebody_has_changed_since_is_not_written_over(tmp_path: Path) -> None:
    write_result(tmp_path, "old")
    killed_at(tmp_path, 2)
    (tmp_path / "a.json").write_text("by hand")

    remove_abandoned(tmp_path)

    assert result(tmp_path)["a.json"] == "by hand"
    assert sorted(result(tmp_path)) == sorted(WHOLE)


@forking
@pytest.mark.parametrize("act", [Path.unlink, lambda path: path.write_text("by hand")])
def test_a_result_whose_moved_files_somebody_has_changed_is_not_completed(
    tmp_path: Path, act: Callable[[Path], object]
) -> None:
    killed_at(tmp_path, 2)
    (moved,) = (path for path in tmp_path.iterdir() if path.is_file())
    act(moved)
    there = {name: text for name, text in result(tmp_path).items() if name[0] != "."}

    remove_abandoned(tmp_path)

    assert result(tmp_path) == there


def leave(folder: Path, holder: object, *, days: float = 0) -> Path:
    """A hidden folder with a half-written file, as a process leaves it that is killed."""
    stage = folder / ".spinekit-left"
    stage.mkdir()
    (stage / LOCK).write_text(json.dumps(holder))
    (stage / "half.nii").touch()
    then = time.time() - days * 86400
    for path in (stage / LOCK, stage / "half.nii", stage):
        os.utime(path, (then, then))
    return stage


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_what_another_machine_may_be_using_stays_for_a_day(tmp_path: Path) -> None:
    # Its lock does not show here, as on a network drive that is mounted with local locks.
    holder = {"host": "elsewhere", "boot": "another", "process": 2**30}
    stage = leave(tmp_path, holder, days=0.9)
    remove_abandoned(tmp_path)
    assert (stage / "half.nii").exists()

    then = time.time() - 1.1 * 86400
    for path in (*stage.iterdir(), stage):
        os.utime(path, (then, then))
    remove_abandoned(tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_a_process_of_this_machine_that_is_there_keeps_its_folder_without_a_lock(
    tmp_path: Path,
) -> None:
    with staged(tmp_path) as stage:
        holder = json.loads((stage.parent / LOCK).read_text())
        assert holder["process"] == os.getpid()
    there = leave(tmp_path, {**holder, "process": os.getppid()})
    remove_abandoned(tmp_path)
    assert there.exists()

    (there / LOCK).write_text(json.dumps({**holder, "process": 2**30}))
    remove_abandoned(tmp_path)

    assert not there.exists()


def test_a_closed_folder_is_told_before_work_begins_and_an_open_one_stays_as_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    (tmp_path / "barred").mkdir(mode=0o700)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)

    for place in ("closed", "closed/new/out", "barred/out"):
        told = as_nobody(tmp_path, lambda place=place: check_writable(Path(place)))
        assert told.startswith(f"OutputError no-permission {Path(place).name}: ")
    assert as_nobody(tmp_path, lambda: check_writable(Path("open/new/out"))) == "no error"
    assert [path for path in tmp_path.rglob("*") if path.parent != tmp_path] == []


@pytest.mark.parametrize("out", ["set", "set/out", "set/new/out", "else/../set", "link/out"])
def test_what_is_read_is_not_written_into(tmp_path: Path, out: str) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "link").symlink_to("set")

    with pytest.raises(UsageError, match=r"or lies in it; choose another folder$") as caught:
        refuse_inside(tmp_path / out, tmp_path / "set")
    assert caught.value.code == "out-is-input"
    for other in (".", "set2", "else"):
        refuse_inside(tmp_path / other, tmp_path / "set")
