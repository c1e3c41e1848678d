"""Files that belong together appear together: all of them, or none.

They are written into a hidden folder and moved up once all are whole. From then on there is no way
back: a move that is interrupted is finished, if need be by the next process that comes by. It knows
nothing about what the files hold.
"""

import contextlib
import errno
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from spinekit.core.errors import UsageError
from spinekit.io.writing import output_errors

if sys.platform != "win32":
    import fcntl

PREFIX = ".spinekit-"
LOCK = ".in-use"
"""File in a hidden folder that its process keeps locked; the system unlocks it when that ends.

It says which machine and process that is: on some network drives one machine does not see the locks
of another.
"""
FILES = "files"
"""Folder in a hidden folder for what is to move up, so that no name is taken there."""
COMPLETE = ".complete"
"""File in a hidden folder whose files are all whole; it names them and what they replace or remove.

It is there until all of that is done.
"""
UNTOUCHED_S = 86400.0
"""A hidden folder of another machine is left behind when nothing in it has changed for so long."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Tells a running system apart from all others; containers on it have host names of their own."""


@contextlib.contextmanager
def staged(folder: Path, *, last: str = "", gone: Collection[str] = ()) -> Iterator[Path]:
    """Give a hidden folder inside `folder`; what is written there moves up on success.

    Files move in the order of their names, folders inside included, `.json` files after the
    others, so that whoever sees the last sees the rest too. On a failure, or an interrupt before
    the first of them moves, nothing stays behind: neither the hidden folder, nor moved files that
    were new, nor folders made on the way. An interrupt later waits until all have moved; of a
    process that is killed then, the next one here moves the rest. What others left that were
    killed before is removed first.

    Args:
        folder: Where the files are to appear; made when missing, parents too.
        last: Path inside the folder of the file that moves after all others.
        gone: Paths inside the folder of files that are removed once all have moved; one that is
            missing, or has moved up itself, is none.

    Yields:
        A folder in the hidden one to write into.

    Raises:
        OutputError: `folder` cannot be made or written to, or a file cannot be moved or removed.
    """
    with output_errors(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        stage: Path | None = None
        lock: BinaryIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)
            stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
            lock = _lock(stage)
            (stage / FILES).mkdir()
            yield stage / FILES
            _publish(stage, folder, last, gone, missing)
        except BaseException:
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
    """Clear away the hidden folders that processes left here which were killed.

    What a complete one still holds moves up first, and what was to go then goes, unless somebody
    has changed since what it would replace, or what has moved of it. Only folders with a lock file
    that no living process holds are cleared away: any other may be in use, or another program's.
    Those of another machine, whose locks may not show here, stay until they are a day old. Where
    files cannot be locked, nothing is done.

    Args:
        folder: Where results appear; it may be missing.
    """
    if sys.platform == "win32":
        return
    for stage in folder.glob(f"{PREFIX}*"):
        try:
            with (stage / LOCK).open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not _is_abandoned(stage, lock.read()):
                    continue
                _finish(stage, folder)
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
        lock.write(json.dumps({**_machine(), "process": os.getpid()}).encode())
        lock.flush()
        os.rename(lock.name, stage / LOCK)
    except OSError:
        lock.close()
        os.unlink(lock.name)
        return None
    return lock


def _machine() -> dict[str, str]:
    """What tells this machine apart from others: its name and, where there is one, its boot."""
    told = {"host": platform.node()}
    with contextlib.suppress(OSError):
        told["boot"] = _BOOT.read_text().strip()
    return told


def _is_abandoned(stage: Path, told: bytes) -> bool:
    """Whether the process of a folder that nobody seems to hold has ended, by its lock file."""
    holder: Any = None
    with contextlib.suppress(ValueError):
        holder = json.loads(told)
    if isinstance(holder, dict):
        is_here = any(holder.get(key) == value for key, value in _machine().items())
        if is_here and not _is_alive(holder.get("process")):
            return True
    touched = max(path.stat().st_mtime for path in (stage, *stage.rglob("*")))
    return time.time() - touched > UNTOUCHED_S


def _is_alive(process: object) -> bool:
    """Whether another process of this machine is there and has not ended."""
    if not isinstance(process, int) or process < 1 or process == os.getpid():
        return False
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2]
        return not state.lstrip().startswith("Z")  # ended, but nobody has asked how
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _remove(stage: Path, lock: BinaryIO | None) -> None:
    """Remove a hidden folder, also when it is an interrupt that ends the removal.

    One whose moves were interrupted twice stays for the next process.
    """
    try:
        _clear(stage, lock)
    except BaseException:
        _clear(stage, lock)
        raise


def _clear(stage: Path, lock: BinaryIO | None) -> None:
    # Network drives keep a folder alive whose files are open.
    if lock is not None:
        lock.close()
    if not (stage / COMPLETE).exists():
        shutil.rmtree(stage, ignore_errors=True)


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


def refuse_inside(out: Path, source: Path, remedy: str = "choose another folder") -> None:
    """Refuse to write into what is read.

    Raises:
        UsageError: `out` is `source`, or lies in it.
    """
    if out.resolve().is_relative_to(source.resolve()):
        raise UsageError("out-is-input", f"OUT ({out}) is {source} or lies in it", remedy)


def _publish(
    stage: Path, folder: Path, last: str, gone: Collection[str], missing: list[Path]
) -> None:
    """Mark a hidden folder as complete and move its files up, noting folders that are new.

    Raises:
        OSError: A file cannot be moved, and those that were new are taken back; or one that was to
            go cannot be removed, which is left to the next process.
    """
    holds = {name: _stamp(stage / FILES / name) for name in _names(stage, last)}
    for target in (folder / name for name in holds):
        missing += [path for path in target.parents if not path.exists()]
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{target.name} is a folder")
    replaced = {name: _stamp(folder / name) for name in holds}
    removed = {name: _stamp(folder / name) for name in {*gone} - holds.keys()}
    told = {"last": last, "holds": holds, "replaces": replaced, "removes": removed}
    unready = stage / f"{COMPLETE}.new"
    unready.write_text(json.dumps(told))
    unready.rename(stage / COMPLETE)
    try:
        _move_up(stage, folder, last, removed)
    except Exception:
        if not _names(stage, last):
            raise
        for name in holds:
            if replaced[name] is None and not (stage / FILES / name).exists():
                (folder / name).unlink(missing_ok=True)
        (stage / COMPLETE).unlink(missing_ok=True)
        raise
    except BaseException:
        _move_up(stage, folder, last, removed)
        raise


def _finish(stage: Path, folder: Path) -> None:
    """Move up what a complete hidden folder still holds, if it is not out of date.

    Raises:
        OSError: A file cannot be moved or removed.
    """
    try:
        told = json.loads((stage / COMPLETE).read_bytes())
        last, holds, replaced = str(told["last"]), {**told["holds"]}, {**told["replaces"]}
        removed = {**told["removes"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return
    waiting = _names(stage, last)
    wanted = {name: (replaced if name in waiting else holds).get(name) for name in holds}
    if all(_stamp(folder / name) == stamp for name, stamp in wanted.items()):
        _move_up(stage, folder, last, removed)


def _move_up(
    stage: Path, folder: Path, last: str, removed: Mapping[str, Sequence[int] | None]
) -> None:
    """Move every file into the folder that has not moved yet, then remove what is to go.

    Args:
        stage: The hidden folder; no longer complete in the end.
        folder: Where to.
        last: The file that moves after all others.
        removed: What is to go, with its stamp: what somebody has changed since stays.
    """
    for name in _names(stage, last):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(stage / FILES / name, target)
    for name, stamp in removed.items():
        if _stamp(folder / name) == stamp:
            (folder / name).unlink(missing_ok=True)
    (stage / COMPLETE).unlink(missing_ok=True)


def _names(stage: Path, last: str) -> list[str]:
    """The files of a hidden folder that are to move up, in the order in which they do."""
    root = stage / FILES
    files = [path for path in root.rglob("*") if path.is_file()]
    files = sorted(files, key=lambda path: (path == root / last, path.suffix == ".json", path))
    return [path.relative_to(root).as_posix() for path in files]


def _stamp(path: Path) -> list[int] | None:
    """What changes when a file does: time and bytes; None where there is no file."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_mtime_ns, found.st_size]
