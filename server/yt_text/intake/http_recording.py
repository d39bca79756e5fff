"""Reads a recording that is one file on a web server, and goes on where a connection broke.

yt-dlp's own downloader starts again from the first byte when a server does not resume, and cannot fetch
the end first. This one runs on yt-dlp's network stack, so it keeps a site's cookies and headers.
"""

import contextlib
import http.client
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError, TransportError
from yt_dlp.utils.networking import HTTPHeaderDict

from yt_text.intake import failures
from yt_text.intake.failures import Stop

_MIN_READ_BYTES = 4 << 10
_MAX_READ_BYTES = 256 << 10
_QUICK_S, _SLOW_S = 0.05, 0.25
_END_READ_BYTES = 64 << 10
_MAX_FRUITLESS = 5
_MAX_CONNECTIONS = 1000
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_BROKEN = (HTTPError, TransportError, http.client.HTTPException, OSError)


class _ChangedError(Exception):
    """The server has another file now."""


Headers = Mapping[str, str]


@dataclass(frozen=True)
class Link:
    """Where a recording is: as a site says it, valid for a while.

    Attributes:
        chunk_bytes: a server that slows down long answers is asked for pieces of this size; 0 for all.
    """

    url: str
    headers: Headers
    chunk_bytes: int = 0


class HttpRecording:
    """A recording, read forward from `position`.

    Args:
        open_link: sends a request.
        link: where it is.
        renew: asks the site again where it is, for when the link has expired.
    """

    def __init__(self, open_link: Callable[[Request], Response], link: Link, renew: Callable[[], Link]) -> None:
        self._open_link = open_link
        self._link = link
        self._renew = renew
        self._renewals = 3
        self._connections = 0
        self._response: Response | None = None
        self._response_end = 0  # of what the present answer covers; 0 if not known
        self._read_bytes = _MIN_READ_BYTES
        self._ended = False
        self._has_read = False
        self.position = 0
        """Where the next bytes belong."""
        self.total = 0
        """Length in bytes, 0 if not known."""
        self.validator = ""
        """Tells one state of the file from another: an ETag or a date, empty if the server gives none."""
        self.has_ranges = False
        """Whether the server gives parts of the file."""

    def start(self, position: int = 0, total: int = 0, validator: str = "") -> None:
        """Opens the recording, at `position` if it is still the one with that length and validator.

        Otherwise `position` is 0 afterwards.

        Raises:
            HTTPError, TransportError: the server does not give it, however often it is asked.
        """
        if 0 < position < total and validator:
            self.total, self.validator, self.position = total, validator, position
            try:
                self._open()
            except _ChangedError:
                pass
            except HTTPError as error:
                if error.status not in {412, 416}:
                    raise
            else:
                return
            self.total, self.validator, self.position = 0, "", 0
        try:
            self._open()
        except HTTPError as error:
            if error.status == 416:  # how some servers answer for an empty file
                raise Stop(failures.EMPTY) from error
            raise

    def read(self) -> bytes:
        """Returns the next bytes; none at the end.

        Raises:
            HTTPError, TransportError: the server does not give them, however often it is asked.
            Stop: the file is not the same any more.
        """
        fruitless = 0
        while not self._ended:
            try:
                response = self._response or self._connect()
                block = self._read_block(response)
            except _ChangedError as error:
                raise Stop(failures.CHANGED) from error
            except _BROKEN as error:
                self._close()
                fruitless += 1
                self._give_up_or_wait(error, fruitless)
                continue
            if block:
                self._has_read = True
                return block
        return b""

    def read_end(self, start: int) -> bytes:
        """Returns the bytes from `start` to the end, without moving `position`; none if they cannot be had."""
        data = bytearray()
        wanted = self.total - start
        try:
            response = self._open_link(Request(self._link.url, headers=self._headers(f"bytes={start}-")))
            with contextlib.closing(response):
                if not self._covers(response, start):
                    return b""
                while len(data) < wanted and (block := response.read(min(_END_READ_BYTES, wanted - len(data)))):
                    data += block
        except (*_BROKEN, _ChangedError):
            return b""
        return bytes(data) if len(data) == wanted else b""

    def _open(self) -> None:
        fruitless = 0
        while self._response is None:
            try:
                self._connect()
            except _BROKEN as error:
                fruitless += 1
                self._give_up_or_wait(error, fruitless)

    def _connect(self) -> Response:
        self._connections += 1
        if self._connections > _MAX_CONNECTIONS:
            raise Stop(failures.UNREACHABLE)
        wanted = ""
        if self._link.chunk_bytes:
            wanted = f"bytes={self.position}-{self.position + self._link.chunk_bytes - 1}"
        elif self.position:
            wanted = f"bytes={self.position}-"
        response = self._open_link(Request(self._link.url, headers=self._headers(wanted)))
        if wanted and self._covers(response, self.position):
            self.has_ranges = True
            covered = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            self._response_end = int(covered[2]) + 1 if covered else 0
            if covered and covered[3] != "*":
                self.total = int(covered[3])
            elif self._link.chunk_bytes:
                raise Stop(failures.ODD_ANSWER)  # nobody could tell where the last piece ends
        else:
            self._take_whole(response)
        self.validator = self.validator or _validator(response)
        self._response = response
        return response

    def _take_whole(self, response: Response) -> None:
        """Takes an answer that begins at the first byte, and passes over what is already there."""
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() and not encoded else 0
        same = total == self.total and _validator(response) == self.validator
        if self.position and not same:
            response.close()
            raise _ChangedError
        self.total = self._response_end = total
        self.has_ranges = response.headers.get("Accept-Ranges", "").lower() == "bytes" and total > 0
        left = self.position
        while left:
            block = response.read(min(left, _MAX_READ_BYTES))
            if not block:
                raise TransportError("shorter than before")
            left -= len(block)

    def _covers(self, response: Response, start: int) -> bool:
        """Tells whether an answer is the asked part of the same file. A whole file is not."""
        if response.status != 206:
            return False
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise _ChangedError
        if self.total and found[3] != "*" and int(found[3]) != self.total:
            raise _ChangedError
        return True

    def _read_block(self, response: Response) -> bytes:
        began = time.monotonic()
        block = response.read(self._read_bytes)
        took_s = time.monotonic() - began
        # A read waits until it has what it asked for: ask a slow site for little, a quick one for much.
        if took_s < _QUICK_S:
            self._read_bytes = min(_MAX_READ_BYTES, self._read_bytes * 2)
        elif took_s > _SLOW_S:
            self._read_bytes = max(_MIN_READ_BYTES, self._read_bytes // 2)
        self.position += len(block)
        if not block:
            self._close()
            if self.position < self.total and self.position != self._response_end:
                raise TransportError("closed early")
            self._ended = self.position >= self.total
        return block

    def _give_up_or_wait(self, error: Exception, fruitless: int) -> None:
        status = error.status if isinstance(error, HTTPError) else 0
        # A read that breaks loses what it had: ask for little again.
        self._read_bytes = _MIN_READ_BYTES
        if status in {403, 410} and self._has_read:  # links of many sites are good for some hours only
            if not self._renewals:
                raise Stop(failures.EXPIRED) from error
            self._renewals -= 1
            self._link = self._renew()
            return
        if fruitless > _MAX_FRUITLESS or (status and status < 500 and status != 429):
            raise error
        if fruitless > 1:
            time.sleep(min(8.0, 0.2 * 2**fruitless))

    def _headers(self, wanted: str) -> HTTPHeaderDict:
        headers = HTTPHeaderDict(self._link.headers, {"Accept-Encoding": "identity"})
        if wanted:
            headers["Range"] = wanted
            if self.validator:
                headers["If-Range"] = self.validator
        return headers

    def _close(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None


def _validator(response: Response) -> str:
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified", "")
