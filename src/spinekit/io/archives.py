"""Archives (.zip, .tar, .tar.gz, .tgz) unpacked into a folder, whole or not at all.

It knows nothing of what they hold. Only plain files are taken; names that lead out of the folder
are refused, and what macOS adds is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from spinekit.core.errors import InputError, OutputError
from spinekit.io.staging import staged

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
_DAMAGES = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError,
    lzma.LZMAError, NotImplementedError,
)  # fmt: skip
_ENCRYPTED = 1
"""Bit of a zip's member that is set where a password is needed."""
_LINK = 0o120000

Member = tuple[str, Callable[[], IO[bytes]]]
"""Name, and what opens it."""


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is one."""
    return path.name.lower().endswith(ENDINGS)


def unpack(
    archive: Path,
    folder: Path,
    report: Callable[[int], object] = lambda _: None,
    *,
    refused: Collection[PurePosixPath] = (),
) -> list[PurePosixPath]:
    """Unpack an archive; files there already are replaced.

    Args:
        archive: The file.
        folder: Where its names begin; made when missing.
        report: Called with the number of bytes written.
        refused: Names that another archive gave: one of the two files would be lost.

    Returns:
        Names of the files. Of several of one name the last counts, as `tar -r` means it.

    Raises:
        InputError: The archive is damaged, encrypted or unsafe, or holds a refused name.
        OutputError: There is no room, or the folder cannot be written to.
    """
    with staged(folder) as stage:
        names = _unpack_into(stage, archive, report)
        if both := [name for name in names if name in refused]:
            raise InputError(
                "same-name",
                f"{archive}: another archive held {both[0]} too",
                "unpack each into a folder of its own, and give those",
            )
        return names


def links(archive: Path) -> dict[str, str]:
    """Symbolic links of a zip file: name to target, as git stores what git-annex keeps.

    Raises:
        InputError: The archive is damaged.
    """
    with _archive_errors(archive), zipfile.ZipFile(archive) as file:
        return {
            info.filename: file.read(info).decode("utf-8", "replace")
            for info in file.infolist()
            if (info.external_attr >> 16) & 0o170000 == _LINK
        }


def _unpack_into(
    stage: Path, archive: Path, report: Callable[[int], object]
) -> list[PurePosixPath]:
    names: dict[PurePosixPath, None] = {}
    with _archive_errors(archive):
        for name, opened in _members(archive, shutil.disk_usage(stage).free):
            path = PurePosixPath(name.replace("\\", "/"))
            if "__MACOSX" in path.parts or path.name in (".DS_Store", "Thumbs.db"):
                continue
            if not path.name:
                raise tarfile.ReadError(f"a file in it has no name ({name!r})")
            if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
                raise InputError(
                    "archive-unsafe",
                    f"{archive.name}: {name} leads out of the folder",
                    "do not use this archive",
                )
            target = stage / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened() as source, target.open("wb") as file:
                while block := source.read(1 << 20):
                    file.write(block)
                    report(len(block))
            names[path] = None
    return list(names)


def _members(archive: Path, free: int) -> Iterator[Member]:
    """Plain files of either kind of archive, in its order."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            infos = [
                info
                for info in zipped.infolist()
                if not info.is_dir() and (info.external_attr >> 16) & 0o170000 != _LINK
            ]
            if any(info.flag_bits & _ENCRYPTED for info in infos):
                raise InputError(
                    "archive-encrypted",
                    f"{archive.name}: needs a password",
                    "unpack it with the password, and give the folder",
                )
            _check_room(archive, sum(info.file_size for info in infos), free)
            for info in infos:
                yield info.filename, partial(zipped.open, info)
    else:
        with tarfile.open(archive) as tar:
            for item in tar:
                if item.isfile():
                    _check_room(archive, item.size, free)
                    yield item.name, partial(_tar_file, tar, item)
            # The checksum of a compressed stream stands at its end.
            while tar.fileobj is not None and tar.fileobj.read(1 << 20):
                pass


def _tar_file(tar: tarfile.TarFile, item: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(item)
    if file is None:
        raise tarfile.ReadError(f"{item.name} cannot be read")
    return file


def _check_room(archive: Path, size: int, free: int) -> None:
    if size > free:
        raise OutputError(
            "disk-full",
            f"{archive.name}: needs {size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
            "free some space or choose another folder",
        )


@contextlib.contextmanager
def _archive_errors(archive: Path) -> Iterator[None]:
    """Turn what is raised on damaged content into an error that names the archive.

    Raises:
        InputError: The archive is damaged.
        OSError: The system's own error, as it came.
    """
    try:
        yield
    except (*_DAMAGES, OSError) as error:
        # bzip2 tells of damage by an OSError without a number, and a zip file's numbers may lead to
        # where no file can be read; the system's other errors are its own.
        told = (error.errno, error.filename) if isinstance(error, OSError) else (None, None)
        if told not in ((None, None), (errno.EINVAL, None)):
            raise
        raise InputError(
            "archive-damaged", f"{archive.name}: {error}", "delete it and run the command again"
        ) from error
