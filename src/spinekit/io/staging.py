"""Files that belong together appear together: all of them, or none.

It knows nothing about what the files hold.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spinekit.io.writing import output_errors

PREFIX = ".spinekit-"


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a hidden folder inside `folder`; what is written there moves up on success.

    Files move in the order of their names, `.json` last, so that whoever sees the JSON sees
    the rest too. On any failure, an interrupt included, nothing stays behind: neither the
    hidden folder, nor moved files that were new, nor folders made on the way.

    Args:
        folder: Where the files are to appear; made when missing, parents too.

    Yields:
        The hidden folder to write into.

    Raises:
        OutputError: `folder` cannot be made or written to, or a file cannot be moved.
    """
    with output_errors(folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        moved: list[Path] = []
        stage: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
            yield stage
            _move_up(stage, folder, moved)
        except BaseException:
            for path in moved:
                path.unlink(missing_ok=True)
            if stage is not None:
                shutil.rmtree(stage, ignore_errors=True)
            for path in missing:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise
        stage.rmdir()


def _move_up(stage: Path, folder: Path, moved: list[Path]) -> None:
    """Move every file of the stage into the folder, noting those that replaced none."""
    for source in sorted(stage.iterdir(), key=lambda path: (path.suffix == ".json", path.name)):
        target = folder / source.name
        if not target.exists():
            moved.append(target)
        os.replace(source, target)
