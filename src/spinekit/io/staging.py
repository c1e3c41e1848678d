"""Files that belong together appear together: all of them, or none.

It knows nothing about what the files hold.
"""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from spinekit.core.errors import UsageError
from spinekit.io.writing import output_errors

if sys.platform != "win32":
    import fcntl

PREFIX = ".spinekit-"
LOCK = ".in-use"
"""File in a hidden folder that its process keeps locked; the system unlocks it when that ends."""


@contextlib.contextmanager
def staged(folder: Path, *, last: str = "") -> Iterator[Path]:
    """Give a hidden folder inside `folder`; what is written there moves up on success.

    Files move in the order of their names, folders inside included, `.json` files after the
    others, so that whoever sees the last sees the rest too. On any failure, an interrupt
    included, nothing stays behind: neither the hidden folder, nor moved files that were new, nor
    folders made on the way. What a process left that was killed is removed first.

    Args:
        folder: Where the files are to appear; made when missing, parents too.
        last: Path inside the folder of the file that moves after all others.

    Yields:
        The hidden folder to write into.

    Raises:
        OutputError: `folder` cannot be made or written to, or a file cannot be moved.
    """
    with output_errors(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        moved: list[Path] = []
        stage: Path | None = None
        lock: BinaryIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)
            stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
            lock = _lock(stage)
            yield stage
            _move_up(stage, folder, last, moved, missing)
        except BaseException:
            for path in moved:
                path.unlink(missing_ok=True)
            if stage is not None:
                _remove(stage, lock)
            for path in sorted(missing, key=lambda path: -len(path.parts)):
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise
        finally:
            if stage is not None:
                _remove(stage, lock)


def remove_abandoned(folder: Path) -> None:
    """Remove the hidden folders that processes left here which were killed.

    Only folders with a lock file that no living process holds: any other may be in use, or
    another program's. Where files cannot be locked, nothing is removed.

    Args:
        folder: Where results appear; it may be missing.
    """
    if sys.platform == "win32":
        return
    for stage in folder.glob(f"{PREFIX}*"):
        try:
            with (stage / LOCK).open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        shutil.rmtree(stage, ignore_errors=True)


def _lock(stage: Path) -> BinaryIO | None:
    """Mark a folder as in use; None where files cannot be locked.

    The file gets its name once it is locked, so that nobody finds it unlocked before.
    """
    if sys.platform == "win32":
        return None
    lock = (stage / f"{LOCK}.new").open("wb")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(lock.name, stage / LOCK)
    except OSError:
        lock.close()
        os.unlink(lock.name)
        return None
    return lock


def _remove(stage: Path, lock: BinaryIO | None) -> None:
    """Remove a hidden folder, also when it is an interrupt that ends the removal."""
    try:
        # Network drives keep a folder alive whose files are open.
        if lock is not None:
            lock.close()
        shutil.rmtree(stage, ignore_errors=True)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise


def check_writable(folder: Path) -> None:
    """Find out before long work whether its results could be written; leaves nothing behind.

    Args:
        folder: Where to; it may have to be made.

    Raises:
        UsageError: It is a file, or would lie in one.
        OutputError: Neither it nor the folder it would be made in can be written to.
    """
    with output_errors(folder):
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            what = "is a file" if there == folder else f"lies in a file, {there.name}"
            raise UsageError("out-is-file", f"OUT ({folder}) {what}", "choose a folder")
        os.rmdir(tempfile.mkdtemp(prefix=PREFIX, dir=there))


def _move_up(stage: Path, folder: Path, last: str, moved: list[Path], missing: list[Path]) -> None:
    """Move every file of the stage into the folder, noting files and folders that are new."""
    files = [path for path in stage.rglob("*") if path.is_file() and path != stage / LOCK]
    for source in sorted(
        files, key=lambda path: (path == stage / last, path.suffix == ".json", path)
    ):
        target = folder / source.relative_to(stage)
        missing += [path for path in target.parents if not path.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            moved.append(target)
        os.replace(source, target)
