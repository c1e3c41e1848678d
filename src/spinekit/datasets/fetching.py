"""A set brought into a folder: listed, fetched, checked, unpacked, with its licence beside it.

It knows the order of things and leaves a list of what came (`spinekit-files.json`), so that an
interrupted run goes on and the folder can serve others as a mirror. It does not know what the files
hold.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spinekit.core.errors import InputError, OutputError, UsageError
from spinekit.datasets.entry import Entry
from spinekit.datasets.listing import (
    MANIFEST,
    REPOSITORY,
    list_annexed,
    list_mirror,
    list_osf,
    list_repository,
    list_web,
    list_zenodo,
)
from spinekit.datasets.sources import Form, GitAnnex, Osf, Own, Web, Zenodo
from spinekit.io.archives import is_archive, links, unpack
from spinekit.io.staging import PREFIX, refuse_inside
from spinekit.io.transfer import RemoteFile, digest, fetch
from spinekit.io.writing import output_errors, write_json

_LONGEST_POINTER = 1 << 15
"""Bytes; git-annex reads no longer file as a pointer."""


@dataclass
class Progress:
    """What a caller may want to know while files come."""

    total: Callable[[int], object] = lambda _: None
    """Called with the bytes to come, list by list, where known."""
    came: Callable[[int], object] = lambda _: None
    """Called with every piece."""
    say: Callable[[str], object] = lambda _: None
    """Called with a line for people."""


def plan(entry: Entry, mirror: str | None = None) -> list[RemoteFile]:
    """Files to fetch, as the archive or the mirror lists them.

    For a git-annex repository its archive of small files is fetched first, for it names the others.

    Raises:
        UsageError: The set is given out on request, or is one's own.
        InputError: The list cannot be had.
    """
    source = entry.source
    if isinstance(source, Form | Own) and mirror is None:
        raise UsageError(
            "not-for-download",
            f"{entry.name} cannot be downloaded by a command",
            f"{source.how}; then `spinekit data get {entry.name} OUT --from FOLDER`"
            if isinstance(source, Form)
            else source.how,
        )
    if mirror is not None:
        return list_mirror(entry.name, mirror)
    if isinstance(source, Zenodo):
        return list_zenodo(source)
    if isinstance(source, Osf):
        return list_osf(source)
    if isinstance(source, Web):
        return list_web(source)
    assert isinstance(source, GitAnnex)
    return list_repository(source)


def fetch_dataset(
    entry: Entry,
    folder: Path,
    *,
    mirror: str | None = None,
    keep: bool = False,
    progress: Progress | None = None,
) -> int:
    """Bring a set into a folder.

    Args:
        entry: The set.
        folder: Made when missing.
        mirror: Folder or address to take the files from instead of the archive.
        keep: Keep archives after unpacking, so that the folder can serve as a mirror.
        progress: Told of progress.

    Returns:
        Number of files that were fetched or were there.

    Raises:
        UsageError: As for `plan`.
        InputError: A file is not there, does not come, or is not what was promised.
        OutputError: There is no room, or the folder cannot be written to.
    """
    progress = progress or Progress()
    files = plan(entry, mirror)
    done = _read_manifest(folder)
    record = _Delivery(entry, folder, keep, progress, done)
    record.check_room(files)
    for remote in files:
        record.bring(remote)
    if isinstance(entry.source, GitAnnex):
        named = _annexed(entry.source, folder)
        large = named if mirror is None else []
        record.check_room(large)
        for remote in large:
            record.bring(remote)
    record.finish()
    return len(record.done)


def take(
    entry: Entry,
    origin: Path,
    folder: Path,
    progress: Progress | None = None,
    *,
    keep: bool = False,
) -> int:
    """Bring files one has into a folder: archives are unpacked, others copied.

    Args:
        entry: The set they belong to.
        origin: A folder, or one archive.
        folder: Made when missing.
        progress: Told of progress.
        keep: Bring archives too, so that the folder can serve as a mirror.

    Returns:
        Number of files in the folder that came.

    Raises:
        UsageError: Nothing is there, or the folder lies inside its origin.
        InputError: An archive is damaged, or two hold a file of one name.
        OutputError: There is no room, or the folder cannot be written to.
    """
    progress = progress or Progress()
    if not origin.exists():
        raise UsageError("file-missing", f"{origin}: no such file or folder", "check --from")
    refuse_inside(folder, origin)
    files = [origin] if origin.is_file() else sorted(p for p in origin.rglob("*") if p.is_file())
    files = [path for path in files if not any(part.startswith(".") for part in path.parts[-1:])]
    if not files:
        raise UsageError("no-cases", f"{origin}: no file in it", "check --from")
    progress.total(sum(path.stat().st_size for path in files))
    count, came = 0, set[PurePosixPath]()
    record = _Delivery(entry, folder, keep, progress, _read_manifest(folder))
    for path in files:
        inside = Path(path.name) if origin.is_file() else path.relative_to(origin)
        names = unpack(path, folder, refused=came) if is_archive(path) else []
        came.update(names)
        if keep or not is_archive(path):
            _copy(path, folder / inside)
            record.note(inside.as_posix(), None, None, unpacked=len(names))
        progress.came(path.stat().st_size)
        count += len(names) if is_archive(path) else 1
    record.finish()
    return count


def _copy(path: Path, target: Path) -> None:
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(path, part)
        part.replace(target)


class _Delivery:
    """Files brought one after the other, and the list of what came, written after every one."""

    def __init__(
        self, entry: Entry, folder: Path, keep: bool, progress: Progress, done: dict[str, Any]
    ) -> None:
        self.entry, self.folder, self.keep = entry, folder, keep
        self.progress, self.done = progress, done

    def check_room(self, files: list[RemoteFile]) -> None:
        """Refuse what cannot fit, before anything comes."""
        wanted = [remote for remote in files if not self._unpacked(remote)]
        total = sum(remote.size or 0 for remote in wanted)
        self.progress.total(total)
        with output_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        there = sum(min(_there(self.folder / r.name), r.size or 0) for r in wanted)
        if total - there > free:
            raise OutputError(
                "disk-full",
                f"{self.folder}: {total / 1e9:.1f} GB to come, {free / 1e9:.1f} GB are free",
                "free some space or choose another folder",
            )

    def bring(self, remote: RemoteFile) -> None:
        """Fetch one file, unpack it if it is an archive, and note it."""
        if self._unpacked(remote) and (not self.keep or (self.folder / remote.name).is_file()):
            return
        self._doubt(remote)
        path = fetch(remote, self.folder, self.progress.came)
        unpacked = 0
        if is_archive(path) and remote.name != REPOSITORY:
            self.progress.say(f"unpacking {remote.name}")
            unpacked = len(unpack(path, self.folder))
        url = remote.url if not remote.url.startswith("file:") else None
        self.note(remote.name, url, remote.checksum, unpacked=unpacked)
        if unpacked and not self.keep:
            path.unlink()
        self.finish()

    def note(self, name: str, url: str | None, checksum: str | None, *, unpacked: int) -> None:
        """Put a file that came into the list; its checksum is taken where none was promised."""
        path = self.folder / name
        size = path.stat().st_size
        row = {"name": name, "url": url, "size": size, "checksum": checksum or digest(path)}
        self.done[name] = row | ({"unpacked": unpacked} if unpacked else {})

    def _doubt(self, remote: RemoteFile) -> None:
        """Remove a file of the right size that did not come by this list and holds other bytes."""
        path, promised = self.folder / remote.name, (remote.checksum or "").lower()
        known = self.done.get(remote.name, {}).get("checksum") == remote.checksum
        if not promised or known or remote.size != _size(path):
            return
        if digest(path, promised.partition(":")[0]) != promised:
            with output_errors(path):
                path.unlink()

    def finish(self) -> None:
        """Write the list, with what a user of the set must know."""
        write_json(
            self.folder / MANIFEST,
            {
                "dataset": self.entry.name,
                "title": self.entry.title,
                "citation": self.entry.citation,
                "licence": self.entry.licence,
                "homepage": self.entry.homepage,
                "files": [self.done[name] for name in sorted(self.done)],
            },
        )

    def _unpacked(self, remote: RemoteFile) -> bool:
        note = self.done.get(remote.name, {})
        same = remote.checksum is None or note.get("checksum") == remote.checksum
        return bool(note.get("unpacked")) and same


def _annexed(source: GitAnnex, folder: Path) -> list[RemoteFile]:
    """Unpack a repository's small files without the folder around them; list its large ones."""
    archive = folder / REPOSITORY
    if not archive.is_file():
        raise InputError(
            "download-missing",
            f"{REPOSITORY}, which names the large files, did not come",
            "give a mirror that has it, or none",
        )
    named = links(archive)
    stage = folder / f"{PREFIX}repository"
    shutil.rmtree(stage, ignore_errors=True)
    try:
        unpack(archive, stage)
        for path in sorted(path for path in stage.rglob("*") if path.is_file()):
            whole = path.relative_to(stage)
            pointer = _pointer(path)
            if pointer is not None:
                named[whole.as_posix()] = pointer
                continue
            target = folder / Path(*whole.parts[1:])
            with output_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return list_annexed(source, named)


def _pointer(path: Path) -> str | None:
    """What a git-annex pointer file says; None for any other file."""
    if path.stat().st_size >= _LONGEST_POINTER:
        return None
    text = path.read_bytes().decode("latin-1")
    return text if text.startswith("/annex/objects/") else None


def _read_manifest(folder: Path) -> dict[str, Any]:
    """Notes by name; none when there is no list, or it is of no use."""
    try:
        content = json.loads((folder / MANIFEST).read_text("utf-8"))
        return {note["name"]: note for note in content["files"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "bad-table", f"{folder / MANIFEST}: {error}", "delete it and run the command again"
        ) from error


def _there(path: Path) -> int:
    """Bytes of a file that are there, whole or begun."""
    return max(_size(path), _size(path.with_name(f".{path.name}.part")))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
