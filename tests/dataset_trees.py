"""Small trees of empty files for the tests of datasets: their names alone matter."""

from pathlib import Path


def touch(root: Path, *names: str) -> Path:
    """Empty files below a folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root
