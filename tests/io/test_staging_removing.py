"""Files of an earlier result that go when a new one has taken its place."""

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from spinekit.core.errors import OutputError
from spinekit.io.staging import remove_abandoned, staged
from staged_files import WHOLE, forking, result, write_result


def write_over(folder: Path) -> None:
    """Replace the report of a result; two of its files go."""
    with staged(folder, last="a.json", gone=("d.nii", "in/c.png", "a.json", "none")) as stage:
        (stage / "a.json").write_text("new")


def killed_before_removing(folder: Path, name: str) -> None:
    """Replace a result in another process, which is killed before it removes a file."""
    child = os.fork()
    if child == 0:
        unlink = Path.unlink

        def killed(self: Path, missing_ok: bool = False) -> None:
            if self == folder / name:
                os.kill(os.getpid(), signal.SIGKILL)
            unlink(self, missing_ok)

        Path.unlink = killed  # type: ignore[method-assign]
        try:
            write_over(folder)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_what_is_to_go_goes_once_all_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path, "old")
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(errno.EIO)))
    with pytest.raises(OutputError):
        write_over(tmp_path)
    assert result(tmp_path) == dict.fromkeys(WHOLE, "old")
    monkeypatch.undo()

    write_over(tmp_path)

    assert result(tmp_path) == {"a.json": "new", "b.json": "old"}


@forking
@pytest.mark.parametrize("name", ["d.nii", "in/c.png"])
def test_what_was_killed_before_all_had_gone_is_finished_by_the_next(
    tmp_path: Path, name: str
) -> None:
    write_result(tmp_path, "old")
    killed_before_removing(tmp_path, name)
    assert result(tmp_path)["a.json"] == "new"
    assert result(tmp_path)[name] == "old"

    remove_abandoned(tmp_path)

    assert result(tmp_path) == {"a.json": "new", "b.json": "old"}


@forking
def test_what_was_to_go_and_somebody_has_written_anew_stays(tmp_path: Path) -> None:
    write_result(tmp_path, "old")
    killed_before_removing(tmp_path, "d.nii")
    (tmp_path / "d.nii").write_text("by hand")

    remove_abandoned(tmp_path)

    assert result(tmp_path) == {"a.json": "new", "b.json": "old", "d.nii": "by hand"}


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be locked there")
def test_what_cannot_be_removed_now_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path, "old")
    unlink = Path.unlink

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if self.name == "d.nii":
            raise OSError(errno.EBUSY, "in use")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="in use"):
        write_over(tmp_path)
    monkeypatch.undo()
    assert result(tmp_path)["a.json"] == "new"

    remove_abandoned(tmp_path)

    assert result(tmp_path) == {"a.json": "new", "b.json": "old"}
