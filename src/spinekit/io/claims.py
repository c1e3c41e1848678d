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


def open_alone(path: Path, lock: Callable[[BinaryIO], None]) -> BinaryIO:
    """Open a file that whoever holds it may rename or remove before letting go.

    Args:
        path: Made when missing; its folder must be there.
        lock: Waits until nobody else holds the file given; where files cannot be locked it does
            nothing.

    Returns:
        The file of this name, held, with what it holds.

    Raises:
        OSError: The system's own error.
    """
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        lock(file)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # its holder finished, or gave up, while we waited
