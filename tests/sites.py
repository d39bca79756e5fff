"""Web sites on this machine for tests: ordinary, slow, broken and hostile ones.

with Site(folder) as site:
    site.url("/talk.mp3")                        a file of the folder, with ranges, ETag and date
    site.url("/slow/20000/talk.mp3")             20,000 bytes a second
    site.url("/drop/50000/talk.mp3")             every answer is cut off after 50,000 bytes
    site.url("/no-ranges/drop/50000/talk.mp3")   these can be put before one another: also `no-length`,
                                                 `no-validator`, `changing` (another file each time),
                                                 `expiring/<n>` (403 from the n-th request on, for that link),
                                                 `needs-cookie`, `needs-referer`, `as/<type>`
    site.url("/page?media=/talk.mp3")            a page with a player; `media` may be any URL, and several;
                                                 `&track=en:URL` gives it captions, several too
    site.url("/og?media=/talk.mp4")              a page that names its video in its head only
    site.url("/cookie-page?media=...")           a page that sets the cookie
    site.url("/signed-page?media=/talk.mp3")     a page whose link is another one each time
    site.url("/hls?piece=/1.ts&piece=/2.ts")     a playlist of pieces; `&live=1`, `&key=URL`, `&drm=1`
    site.url("/master?list=URL&track=en:URL")    a playlist of a playlist, with captions; `&codecs=...`
    site.url("/dash?piece=URL")                  a DASH manifest, `&base=URL` for one file, `&track=en:URL`
    site.url("/rss?media=/a.mp3&media=/b.mp3")   a podcast
    site.url("/redirect?to=URL")                 `&status=302`
    site.url("/status/403")
    site.url("/text"), ("/robot-check"), ("/hang"), ("/endless/page"), ("/endless/media"), ("/bomb?mb=200")
    site.requests                                what was asked for, in order
"""

import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Self

from tests.site_pages import Visit


@dataclass(frozen=True)
class Received:
    """A request as it came: `path` with its query, `headers` with names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def range_start(self) -> int | None:
        """The first byte that was asked for, None if all were."""
        wanted = self.headers.get("range", "")
        return int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else None


class Site:
    """A web server for one folder.

    Args:
        folder: where its files are.
        host: the loopback address it listens on.
        tls: speaks https, with this certificate.
    """

    def __init__(self, folder: Path, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.host = host
        self.tls = tls
        self.requests: list[Received] = []
        self.numbers = count(1)
        self._stopping = threading.Event()
        self._server = SiteServer(self)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def url(self, path: str) -> str:
        """The whole link of a path on this site."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    def asked(self, path: str) -> list[Received]:
        """The requests for a path."""
        return [request for request in self.requests if request.path == path]

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Keeps a request."""
        self.requests.append(Received(method, path, headers))

    def wait(self, seconds: float) -> None:
        """Waits, but not longer than the site lives."""
        if self._stopping.wait(seconds):
            raise ConnectionAbortedError("the site is closing")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class SiteServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, site: Site) -> None:
        self.site = site
        self.address_family = socket.AF_INET6 if ":" in site.host else socket.AF_INET
        super().__init__((site.host, 0), Visit)
        if site.tls is not None:
            self.socket = site.tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that goes away is no news."""
