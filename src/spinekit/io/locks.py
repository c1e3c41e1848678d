"""One process at a time: a lock that the system takes back when its holder dies.

It knows nothing of what is guarded. Windows and some network drives know no such locks; there
nobody waits.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from spinekit.io.claims import hidden_beside, open_alone
from spinekit.io.writing import output_errors

if sys.platform != "win32":
    import fcntl

_CHANCES = 100
"""How often in a row another process may remove the folder before its lock can be made there."""


@contextlib.contextmanager
def alone(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other processes that ask for the same path out while the block runs.

    The lock is a hidden file beside `path`, which goes with it and which other users may take over
    from whoever was killed. Threads of one process do not
    exclude each other, and processes that the block starts do not hold the lock. It must not be
    nested for one path: the end of the inner block lets the others in.

    Args:
        path: File or folder, there or not; the folder it lies in is made, and removed by whoever
            made it if nothing else, such as another's lock, has come into it.
        waiting: Called once when another process is at it.

    Raises:
        OutputError: The lock's file cannot be made.
    """
    if sys.platform == "win32":
        yield
        return
    lock = hidden_beside(path, ".lock")
    with output_errors(path):
        file, made = _take(lock, waiting)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        file.close()
        with contextlib.suppress(OSError):
            for folder in made:
                folder.rmdir()


def _take(lock: Path, waiting: Callable[[], None]) -> tuple[BinaryIO, list[Path]]:
    """The lock's file, opened and held, and the folders that were made for it, deepest first."""
    told = False

    def hold(file: BinaryIO) -> None:
        nonlocal told
        # A record lock, which unlike flock's is not left to children that outlive a killed parent.
        # On a file that another user made, and that is not ours to write, only a shared one can be
        # had: it waits for whoever writes.
        kind = fcntl.LOCK_EX if file.writable() else fcntl.LOCK_SH
        try:
            fcntl.lockf(file, kind | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if not told:
                waiting()
            told = True
            with contextlib.suppress(OSError):
                fcntl.lockf(file, kind)
        except OSError:
            pass  # this drive knows no locks

    chances = _CHANCES
    while True:
        try:
            made = [folder for folder in lock.parents if not folder.exists()]
            lock.parent.mkdir(parents=True, exist_ok=True)
            return open_alone(lock, hold, shared=True), made
        except (FileNotFoundError, FileExistsError):
            # Whoever held it took the folder away too, perhaps just as it was found to be there.
            chances -= 1
            if not chances:
                raise
