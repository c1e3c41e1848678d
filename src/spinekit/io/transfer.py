"""Files from elsewhere: fetched with resume, size and checksum, whole or not at all.

It knows HTTP and local folders, not what is in the files. A proxy is taken from the environment
(`HTTPS_PROXY`, `NO_PROXY`). Nothing here runs unless a person asks for a download.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit

from spinekit.core.errors import InputError
from spinekit.io.writing import output_errors

BLOCK = 1 << 20
TIMEOUT_S = 60.0
TRIES = 5
LONGEST_PAUSE_S = 30.0
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_CLOSED = (401, 402, 403)
_BROKEN = (OSError, http.client.HTTPException)
"""What a connection ends with: whatever the system, TLS or HTTP says of it."""

T = TypeVar("T")
Report = Callable[[int], object]
"""Called with the number of bytes that came; a negative number takes back."""


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched."""

    name: str
    """Path below the folder it goes to, with `/`."""
    url: str
    """`http:`, `https:` or `file:`."""
    size: int | None = None
    """Bytes, where the archive says."""
    checksum: str | None = None
    """`md5:…` or `sha256:…`, where the archive says."""


class _AgainError(Exception):
    """Worth another try: the reason, and how many seconds the server asked to wait."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


def fetch(
    remote: RemoteFile, folder: Path, report: Report = lambda _: None, *, pause_s: float = 1.0
) -> Path:
    """Fetch one file, going on where an earlier try stopped.

    Bytes gather in `.NAME.part` beside the target, which appears when size and checksum are right.
    A file that is there already, in the right size, is left alone.

    Args:
        remote: What to fetch.
        folder: Where its name begins.
        report: Told of progress.
        pause_s: Seconds before the second try; each further pause is twice as long.

    Returns:
        The file.

    Raises:
        InputError: It is not there, may not be had, does not come, or is not what was promised.
        OutputError: It cannot be written.
    """
    target = folder / remote.name
    if target.is_file() and remote.size in (None, target.stat().st_size):
        report(target.stat().st_size)
        return target
    part = target.with_name(f".{target.name}.part")
    with output_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists()
    _with_patience(remote.name, lambda: _advance(remote, part, report), pause_s)
    found = _wrong(remote, part)
    if found is not None:
        report(-part.stat().st_size)
        _drop(part)
        if resumed:
            # The beginning may be of another version of the file.
            return fetch(remote, folder, report, pause_s=pause_s)
        raise InputError(
            "checksum-mismatch", f"{remote.name}: {found}", "try again, or another mirror"
        )
    with output_errors(target):
        os.replace(part, target)
    _tag_file(part).unlink(missing_ok=True)
    return target


def read_json(url: str) -> Any:
    """Fetch and parse a JSON document.

    Raises:
        InputError: As for `fetch`, or it is no JSON.
    """
    content = _with_patience(url, lambda: _whole(url), 1.0)
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(
            "download-failed", f"{url}: no JSON, but {content[:60]!r}", "try again later"
        ) from error


def digest(path: Path, algorithm: str = "sha256") -> str:
    """Checksum of a file as `algorithm:hex`."""
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def at_mirror(remote: RemoteFile, mirror: str) -> RemoteFile:
    """The same file below a mirror's folder or address."""
    if Path(mirror).is_dir():
        return replace(remote, url=(Path(mirror).resolve() / remote.name).as_uri())
    return replace(remote, url=f"{mirror.rstrip('/')}/{urllib.request.pathname2url(remote.name)}")


def _with_patience(name: str, action: Callable[[], T], pause_s: float) -> T:
    """Try again, with ever longer pauses, what may work later.

    Raises:
        InputError: It did not.
    """
    for attempt in range(TRIES):
        try:
            return action()
        except _AgainError as error:
            reason = error
        if attempt + 1 < TRIES:
            time.sleep(min(max(reason.wait_s, pause_s * 2**attempt), LONGEST_PAUSE_S))
    raise InputError(
        "download-failed",
        f"{name}: {reason} ({TRIES} tries)",
        "run the same command again: it goes on where it stopped",
    ) from reason


def _whole(url: str) -> bytes:
    """A short document, in memory."""
    try:
        head, blocks = _stream(url, 0, None)
        content = b"".join(blocks)
    except _BROKEN as error:
        raise _AgainError(_reason(error)) from error
    if head.get("total") not in (None, len(content)):
        raise _AgainError(f"{len(content)} bytes came of {head['total']}")
    return content


def _advance(remote: RemoteFile, part: Path, report: Report) -> None:
    """Append what is missing to the part.

    Raises:
        _AgainError: The connection broke or the file ended early.
    """
    have = part.stat().st_size if part.exists() else 0
    if remote.size is not None and have >= remote.size:
        if have == remote.size:
            report(have)
            return
        _drop(part)
        have = 0
    tag_file = _tag_file(part)
    tag = tag_file.read_text("utf-8") if have and tag_file.exists() else None
    try:
        head, blocks = _stream(remote.url, have, tag)
    except _BROKEN as error:
        raise _AgainError(_reason(error)) from error
    total = remote.size if remote.size is not None else head.get("total")
    with output_errors(part):
        if head.get("tag"):
            tag_file.write_text(head["tag"], "utf-8")
        with part.open("r+b" if head["start"] else "wb") as file:
            file.seek(head["start"])
            report(head["start"])
            came, broken = _copy(blocks, file, report)
            file.truncate()
    came += head["start"]
    if broken or (total is not None and came != total):
        report(-came)
        if total is not None and came > total:
            _drop(part)
        raise _AgainError(broken or f"{came} bytes came of {total}")


def _copy(blocks: Iterator[bytes], file: BinaryIO, report: Report) -> tuple[int, str]:
    """Write blocks as they come; how many bytes, and why they stopped if not at the end."""
    came = 0
    while True:
        try:
            block = next(blocks, b"")
        except _BROKEN as error:
            return came, _reason(error)
        if not block:
            return came, ""
        file.write(block)
        came += len(block)
        report(len(block))


def _stream(url: str, start: int, tag: str | None) -> tuple[dict[str, Any], Iterator[bytes]]:
    """Answer's head and body from a byte on.

    Raises:
        InputError: The file is not there or may not be had.
        _AgainError: The server asks to wait.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return _local(url, Path(unquote(parts.path)), start)
    if parts.scheme not in ("http", "https"):
        raise InputError("download-failed", f"{url}: no web address", "give http: or https:")
    headers = {"User-Agent": "spinekit", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if tag:
            headers["If-Range"] = tag
    try:
        # An opener of its own, for the common one keeps the proxy of the first call.
        answer = urllib.request.build_opener().open(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:
                # Nothing beyond what is there: either complete or another version.
                return {"start": start, "total": _total(error.headers)}, iter(())
            raise _refusal(url, error) from error
    begins = start if start and answer.status == 206 else 0
    length = answer.headers.get("Content-Length")
    tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
    head = {
        "start": begins,
        "total": begins + int(length) if length and length.isdigit() else None,
        "tag": None if tag and tag.startswith("W/") else tag,
    }
    return head, _blocks(answer)


def _local(url: str, path: Path, start: int) -> tuple[dict[str, Any], Iterator[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(
            "download-missing", f"{path}: {error.strerror}", "check --mirror"
        ) from error
    file.seek(start)
    return {"start": start, "total": path.stat().st_size}, _blocks(file)


def _blocks(stream: Any) -> Iterator[bytes]:
    with stream:
        while block := stream.read(BLOCK):
            yield block


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    """What a status code means to a person."""
    host = urlsplit(url).netloc
    if error.code in _AGAIN:
        wait = error.headers.get("Retry-After", "")
        return _AgainError(f"{host} answers {error.code}", float(wait) if wait.isdigit() else 0.0)
    if error.code in _CLOSED:
        return InputError(
            "download-forbidden",
            f"{url}: {host} does not let it go ({error.code})",
            "ask its owners for access, then use --from FOLDER",
        )
    return InputError(
        "download-missing",
        f"{url}: not at {host} ({error.code})",
        "see the set's homepage for a newer version, then use --mirror or --from",
    )


def _total(headers: Any) -> int | None:
    """Size of the whole file by a Content-Range such as `bytes */1234`."""
    size = str(headers.get("Content-Range", "")).rpartition("/")[2]
    return int(size) if size.isdigit() else None


def _wrong(remote: RemoteFile, part: Path) -> str | None:
    """What is wrong with a complete file, None when nothing is."""
    size = part.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"{size} bytes instead of {remote.size}"
    if remote.checksum is None:
        return None
    algorithm = remote.checksum.partition(":")[0]
    found = digest(part, algorithm)
    return None if found == remote.checksum.lower() else f"{found} instead of {remote.checksum}"


def _drop(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _tag_file(part: Path) -> Path:
    return part.with_suffix(".tag")


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    return " ".join(f"{type(inner).__name__}: {inner}".split())
