"""A small result as `staged` writes it, for tests that replace it or end its process."""

import os
from pathlib import Path

import pytest

from spinekit.io.staging import staged

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system with fork")
WHOLE = ("b.json", "a.json", "in/c.png", "d.nii")


def write_result(folder: Path, text: str) -> None:
    with staged(folder, last="a.json") as stage:
        for name in WHOLE:
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_text(text)


def result(folder: Path) -> dict[str, str]:
    """What lies in a folder, hidden files too."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}
