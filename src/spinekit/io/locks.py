"""One process at a time: a lock that the system takes back when its holder dies.

It knows nothing of what is guarded. Windows and some network drives know no such locks; there
nobody waits.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from spinekit.io.writing import output_errors

if sys.platform != "win32":
    import fcntl


@contextlib.contextmanager
def alone(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep other processes that ask for the same path out while the block runs.

    The lock is a hidden file beside `path`, which goes with it. Threads of one process do not
    exclude each other, and processes that the block starts do not hold the lock.

    Args:
        path: File or folder, there or not; the folder it lies in is made.
        waiting: Called once when another process is at it.

    Raises:
        OutputError: The lock's file cannot be made.
    """
    if sys.platform == "win32":
        yield
        return
    lock = path.with_name(f".{path.name[:200]}.lock")
    with output_errors(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = _take(lock, waiting)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()
        file.close()


def _take(lock: Path, waiting: Callable[[], None]) -> BinaryIO:
    """The lock's file, opened and held."""
    told = False
    while True:
        file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        # A record lock, which unlike flock's is not left to children that outlive a killed parent.
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            if not told:
                waiting()
            told = True
            with contextlib.suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_EX)
        except OSError:
            pass  # this drive knows no locks
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                return file
        file.close()  # its holder finished, and took the file away, while we waited
