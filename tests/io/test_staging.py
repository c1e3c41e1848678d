import subprocess
import sys
from pathlib import Path

import pytest

from spinekit.core.errors import OutputError
from spinekit.io.staging import check_writable, remove_abandoned, staged
from unprivileged import as_nobody


def test_files_appear_together_with_the_json_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    moved = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (moved.append(Path(b).name), replace(a, b)))
    with staged(tmp_path / "new" / "out") as stage:
        for name in ("b.json", "c.png", "a.nii.gz"):
            (stage / name).write_text(name)
        assert [path for path in (tmp_path / "new" / "out").iterdir() if path != stage] == []

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
    import os

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
        (half,) = tmp_path.glob("*/half.txt")
        process.kill()
        process.wait()
        assert half.exists()

    with staged(tmp_path) as stage:
        (stage / "whole.txt").write_text("whole")
        assert not half.parent.exists()

    found = sorted(path.name for path in tmp_path.rglob("*"))
    assert found == [".spinekit", ".spinekit-mine", "whole.txt"]


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
