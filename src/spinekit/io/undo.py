"""The last state of a result's files, kept in one archive beside them so that it can come back.

It knows bytes and names, not what the files hold.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from spinekit.core.errors import InputError
from spinekit.io.writing import output_errors, write_bytes

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Date of every entry, so that the same files give the same archive."""


@contextlib.contextmanager
def put_back(folder: Path, archive: str, files: Iterable[str], nested: bool) -> Iterator[None]:
    """Keep files before they are replaced, and put them back should replacing them fail.

    Args:
        folder: Where they lie, in it or below.
        archive: Path of the archive below that folder.
        files: Their paths below it; of those that are missing it is kept that they were.
        nested: Keep the present archive inside the new one: one step back leads to the next.

    Yields:
        Nothing; the files are replaced inside.

    Raises:
        OutputError: The archive cannot be written.
    """
    path = folder / archive
    before = path.read_bytes() if path.exists() else None
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as kept:
        missing = []
        for name in [*sorted(files), *([archive] if nested else [])]:
            if (folder / name).exists():
                kept.writestr(zipfile.ZipInfo(name, _EPOCH), (folder / name).read_bytes())
            elif name != archive:
                missing.append(name)
        if missing:
            kept.comment = json.dumps(missing).encode()
    with output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content.getvalue())
    try:
        yield
    except BaseException:
        take_back(folder, archive)
        if before is not None:
            write_bytes(path, before)
        raise


def read_kept(folder: Path, archive: str, name: str) -> bytes | None:
    """Read one of the files kept.

    Args:
        folder: Where the files lie, in it or below.
        archive: Path of the archive below it.
        name: Path of the file below it.

    Returns:
        Its bytes; None where nothing is kept, or not this file.

    Raises:
        InputError: The archive is damaged.
    """
    return _read(folder, archive)[0].get(name) if (folder / archive).is_file() else None


def take_back(folder: Path, archive: str) -> None:
    """Put kept files back, byte for byte; the archive goes, or becomes the one it held.

    Files that were missing when it was made go too.

    Args:
        folder: Where the files lie, in it or below.
        archive: Path of the archive below it.

    Raises:
        InputError: The archive is missing or damaged; nothing was changed.
        OutputError: A file cannot be written.
    """
    path = folder / archive
    files, missing = _read(folder, archive)
    for name in (*files, *missing):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError("undo-missing", f"{archive}: damaged", "segment the scan again")
    earlier = files.pop(archive, None)
    for name in missing:
        with output_errors(folder / name):
            (folder / name).unlink(missing_ok=True)
    # The JSON last: whoever sees it sees the rest.
    for name in sorted(files, key=lambda name: (name.endswith(".json"), name)):
        target = folder / name
        if not (target.exists() and target.read_bytes() == files[name]):
            write_bytes(target, files[name])
    if earlier is None:
        path.unlink()
    else:
        write_bytes(path, earlier)


def _read(folder: Path, archive: str) -> tuple[dict[str, bytes], list[str]]:
    """All files of an archive, and which were missing when it was made.

    Raises:
        InputError: It is missing or damaged.
    """
    try:
        with zipfile.ZipFile(folder / archive) as kept:
            missing = json.loads(kept.comment or b"[]")
            return {name: kept.read(name) for name in kept.namelist()}, [*map(str, missing)]
    except (
        OSError,
        zipfile.BadZipFile,
        NotImplementedError,
        KeyError,
        ValueError,
        TypeError,
    ) as error:
        raise InputError(
            "undo-missing",
            f"{archive}: missing or damaged, so the names before cannot come back",
            "segment the scan again",
        ) from error
