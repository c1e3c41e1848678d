"""A web server on the loopback that knows ranges and misbehaves on demand."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Pages by path, and what goes wrong."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"v1"'
    ranges: bool = True
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off, one by one."""
    statuses: list[int] = field(default_factory=list)
    """Status of the next answers, one by one, before they are ordinary again."""
    with_length: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and range of every request."""

    def put(self, path: str, content: bytes | str) -> str:
        """Offer a page; gives its address."""
        self.pages[path] = content.encode() if isinstance(content, str) else content
        return f"{self.url}{path}"


@contextmanager
def served() -> Iterator[Site]:
    """A site that answers while the block runs."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            answer(self, site)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, site: Site) -> None:
    wanted = handler.headers.get("Range")
    site.asked.append((handler.path, wanted))
    if site.statuses:
        status = site.statuses.pop(0)
        handler.send_response(status)
        handler.send_header("Retry-After", "0")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    content = site.pages.get(handler.path)
    if content is None:
        handler.send_error(404)
        return
    start = 0
    same = handler.headers.get("If-Range") in (None, site.etag)
    if wanted and site.ranges and same:
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        if start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
    handler.send_response(206 if start else 200)
    if site.etag:
        handler.send_header("ETag", site.etag)
    if site.with_length:
        handler.send_header("Content-Length", str(len(content) - start))
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    handler.end_headers()
    end = start + site.break_after.pop(0) if site.break_after else len(content)
    handler.wfile.write(content[start:end])
    handler.close_connection = True
