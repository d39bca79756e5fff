"""A web server on this machine that gives model files, well or badly, for tests.

with Mirror({"/x.bin": data}) as mirror:
    mirror.url("/x.bin")
    mirror.cut_after = 1000     every answer breaks off after so many bytes of its body
    mirror.rejects = [503, 503] the next answers' statuses
    mirror.requests             what was asked for, in order
"""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast

_BLOCK_BYTES = 16 << 10


@dataclass(frozen=True)
class Asked:
    """A request: the first byte wanted, and the state in which it is wanted."""

    path: str
    start: int
    if_range: str


class Mirror:
    """The server. Its attributes may be changed while it runs.

    Attributes:
        files: what there is, by path.
        etag: of a file; none if it returns an empty text.
        ranges: whether parts of a file are given.
        heeds_if_range: whether it looks at the state in which a part is wanted.
        cut_after: bytes of a body after which the connection breaks; 0 for never.
        cuts: how many answers break; None for all.
        hold_at: byte of a file from which it sends nothing until `go_on` is set; 0 for none.
        rate: bytes a second, 0 for all at once.
        rejects: statuses of the next answers.
        retry_after: that such an answer names.
        declared: a length that is not the body's; 0 for the true one.
        no_length: leaves the length out, and ends the answer by closing.
        content_type: of the answers.
        linked: first redirects to the file, naming this as its `X-Linked-Etag`.
        redirect: first redirects there.
    """

    def __init__(self, files: Mapping[str, bytes], tls: ssl.SSLContext | None = None) -> None:
        self.files = dict(files)
        self.etag: Callable[[bytes], str] = lambda data: f'"{sha256(data).hexdigest()[:16]}"'
        self.ranges = True
        self.heeds_if_range = True
        self.cut_after = 0
        self.cuts: int | None = None
        self.hold_at = 0
        self.go_on = threading.Event()
        self.rate = 0
        self.rejects: list[int] = []
        self.retry_after = ""
        self.declared = 0
        self.no_length = False
        self.content_type = "application/octet-stream"
        self.linked = ""
        self.redirect = ""
        self.requests: list[Asked] = []
        self.sent_bytes = 0
        self._tls = tls
        self._server = _Server(("127.0.0.1", 0), _Visit)
        self._server.mirror = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str = "") -> str:
        """The whole link of a path; without one, the prefix of all."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._server.server_address[1]}{path}"

    @property
    def starts(self) -> list[int]:
        """Where the requests for files began."""
        return [asked.start for asked in self.requests]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    mirror: Mirror

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that goes away is no news."""


class _Visit(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet."""

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()

    def do_GET(self) -> None:
        mirror = cast("_Server", self.server).mirror
        path, _, direct = self.path.partition("?")
        self.close_connection = True
        with suppress(OSError):
            if not direct and (mirror.linked or mirror.redirect):
                self.send_response(302)
                self.send_header("Location", mirror.redirect or f"{path}?direct")
                if mirror.linked:
                    self.send_header("X-Linked-Etag", f'"{mirror.linked}"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            wanted = self.headers.get("Range", "")
            start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
            mirror.requests.append(Asked(path, start, self.headers.get("If-Range", "")))
            if mirror.rejects:
                self._page(mirror.rejects.pop(0), mirror)
            elif path not in mirror.files:
                self._page(404, mirror)
            else:
                self._file(mirror.files[path], start, mirror)

    def _page(self, status: int, mirror: Mirror) -> None:
        body = f"<!doctype html><html><body>{status}</body></html>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        if mirror.retry_after:
            self.send_header("Retry-After", mirror.retry_after)
        self.end_headers()
        self.wfile.write(body)

    def _file(self, data: bytes, start: int, mirror: Mirror) -> None:
        etag = mirror.etag(data)
        condition = self.headers.get("If-Range", "")
        if not mirror.ranges or (condition and mirror.heeds_if_range and condition != etag):
            start = 0
        if start >= len(data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(data)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", mirror.content_type)
        if not mirror.no_length:
            self.send_header("Content-Length", str(mirror.declared or len(data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        self._body(data[start:], start, mirror)

    def _body(self, data: bytes, start: int, mirror: Mirror) -> None:
        end = len(data)
        if mirror.cut_after and mirror.cuts != 0 and mirror.cut_after < end:
            end = mirror.cut_after
            mirror.cuts = mirror.cuts and mirror.cuts - 1
        began_s, sent = time.monotonic(), 0
        while sent < end:
            if mirror.hold_at and start + sent >= mirror.hold_at and not mirror.go_on.is_set():
                mirror.go_on.wait(120)
            stop = min(end, sent + _BLOCK_BYTES)
            if start + sent < mirror.hold_at:
                stop = min(stop, mirror.hold_at - start)
            self.wfile.write(data[sent:stop])
            mirror.sent_bytes += stop - sent
            sent = stop
            if mirror.rate:
                time.sleep(max(0.0, began_s + sent / mirror.rate - time.monotonic()))
