"""A file that one process has to itself, though others wait to open and remove it too.

It knows neither what the file is for nor which kind of lock keeps the others out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_LONGEST = 200
"""Bytes of a name that are kept; file systems take 255 with what is added."""


def hidden_beside(path: Path, ending: str) -> Path:
    """The hidden file beside another, cut so that its name is never too long for a file system.

    Args:
        path: The other.
        ending: What its name ends with, dot included.
    """
    name = path.name
    if len(os.fsencode(name)) > _LONGEST:
        name = os.fsencode(name)[:_LONGEST].decode("utf-8", "ignore")
    return path.with_name(f".{name}{ending}")


def open_alone(path: Path, lock: Callable[[BinaryIO], None], *, shared: bool = False) -> BinaryIO:
    """Open a file that whoever holds it may rename or remove before letting go.

    Args:
        path: Made when missing; its folder must be there.
        lock: Waits until nobody else holds the file given, which may be open for reading only;
            where files cannot be locked it does nothing.
        shared: Every user may write to a file that is made, which is to stay empty. One that
            cannot be written to is held as it is; else it is removed once nobody holds it.

    Returns:
        The file of this name, held, with what it holds.

    Raises:
        OSError: The system's own error.
    """
    while True:
        file = _open(path, shared=shared)
        try:
            lock(file)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    if shared or file.writable():
                        return file
                    path.unlink()  # another user's, who was killed
        except BaseException:
            file.close()
            raise
        file.close()  # its holder finished, or gave up, while we waited


def _open(path: Path, *, shared: bool) -> BinaryIO:
    """Open a file for reading and writing, make it, or open one of another user for reading."""
    while True:
        # In a folder where nobody may remove another's files, Linux lets nobody open such a file
        # as one that would be made.
        with contextlib.suppress(FileNotFoundError):
            try:
                return os.fdopen(os.open(path, os.O_RDWR), "r+b")
            except PermissionError:
                return os.fdopen(os.open(path, os.O_RDONLY), "rb")
        try:
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            if path.is_symlink():  # to nowhere
                raise
            continue
        if shared:
            with contextlib.suppress(OSError):  # a drive may know no such rights
                os.fchmod(made, 0o666)
        return os.fdopen(made, "r+b")
