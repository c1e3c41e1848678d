"""Files that belong together appear together: all of them, or none.

It knows nothing about what the files hold.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from spinekit.core.errors import OutputError

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
    made = _make(folder)
    moved: list[Path] = []
    stage: Path | None = None
    try:
        stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
        yield stage
        for source in sorted(stage.iterdir(), key=lambda path: (path.suffix == ".json", path.name)):
            target = folder / source.name
            if not target.exists():
                moved.append(target)
            os.replace(source, target)
        made = []
        moved = []
    except OSError as error:
        raise _output_error(folder, error) from error
    finally:
        for path in moved:
            path.unlink(missing_ok=True)
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir()


def _make(folder: Path) -> list[Path]:
    """Make `folder` and its missing parents; return those made, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(folder, error) from error
    return missing[::-1]


def _output_error(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        "cannot-write",
        f"cannot write to {folder}: {error.strerror or error}",
        "choose a folder you may write to, with free space",
    )
