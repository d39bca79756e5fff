"""One request for a model's file, from some byte on, and what the server says of the file."""

import re
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError as ReadError

from yt_text.errors import Reason

_READ_BYTES = 256 << 10
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MAX_REDIRECTS = 8
_POLL_S = 0.2


class LinkError(Exception):
    """A server does not give the file.

    Args:
        what: it does instead, to be read behind its name.
        reason: for programs.
        passing: it may give the file later.
        spoiled: the bytes that are here cannot be used.
        retry_after_s: the wait that it asks for, 0 if none.
    """

    def __init__(
        self, what: str, reason: Reason, *, passing: bool = False, spoiled: bool = False, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(what)
        self.what = what
        self.reason = reason
        self.passing = passing
        self.spoiled = spoiled
        self.retry_after_s = retry_after_s


class ChangedError(Exception):
    """What is here cannot be continued: the server has another file now, or a shorter one."""


def unreachable(what: str, *, retry_after_s: float = 0.0) -> LinkError:
    """A failure that may pass."""
    return LinkError(what, Reason.ENGINE_UNAVAILABLE, passing=True, retry_after_s=retry_after_s)


def spoiled(what: str) -> LinkError:
    """A file that cannot be used."""
    return LinkError(what, Reason.MODEL_INVALID, spoiled=True)


def host(url: str) -> str:
    """The server of a URL, without the name and password that the URL may hold."""
    return urlsplit(url).hostname or "the server"


class Answer:
    """A server's answer.

    Attributes:
        start: where its first byte belongs.
        total: length of the whole file in bytes, 0 if not known.
        validator: tells one state of the file from another; empty if the server gives none.
        sha256: of the whole file as hex; empty if the server does not say.
    """

    def __init__(self, response: requests.Response, position: int) -> None:
        self._response = response
        self.start = 0
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdecimal() else 0
        if response.status_code == 206:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != position:
                raise LinkError("sends other bytes than those it is asked for", Reason.MODEL_INVALID)
            self.start, self.total = position, int(found[2])
        self.validator = _validator(response.headers)
        self.sha256 = next(filter(None, (_linked_sha256(r.headers) for r in (*response.history, response))), "")

    def read(self) -> bytes:
        """Returns the next bytes as soon as there are some; none at the end.

        Raises:
            LinkError: the connection broke.
        """
        try:
            return self._response.raw.read1(_READ_BYTES, decode_content=False)
        except (ReadError, OSError):
            raise unreachable("broke the connection") from None

    def stop(self) -> None:
        """Ends a `read` that waits in another thread."""
        with suppress(ValueError, RuntimeError, OSError):
            self._response.raw.shutdown()

    def close(self) -> None:
        """Closes the connection."""
        self._response.close()


@contextmanager
def stopping(answer: Answer, cancelled: threading.Event) -> Generator[None]:
    """Ends the reading of an answer soon after `cancelled` is set, also while it waits for bytes."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_POLL_S):
            if cancelled.is_set():
                answer.stop()
                return

    thread = threading.Thread(target=watch, name="model-download-stop", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def ask(url: str, position: int, validator: str, *, connect_timeout_s: float, read_timeout_s: float) -> Answer:
    """Asks for a file from `position` on.

    Args:
        url: of the file.
        position: first byte wanted.
        validator: of the state in which it is wanted; in another state all of it comes. Empty if it is not known.
        connect_timeout_s: longest wait for the connection.
        read_timeout_s: longest wait for the next bytes.

    Raises:
        LinkError: the server does not give it.
        ChangedError: it has nothing at `position`.
    """
    headers = {"Accept-Encoding": "identity", "User-Agent": "yt-text"}
    if position:
        headers["Range"] = f"bytes={position}-"
        if validator:
            headers["If-Range"] = validator
    with requests.Session() as session:
        session.max_redirects = _MAX_REDIRECTS
        try:
            response = session.get(url, headers=headers, timeout=(connect_timeout_s, read_timeout_s), stream=True)
        except requests.exceptions.SSLError:
            raise LinkError("has a certificate that is not trusted", Reason.ENGINE_UNAVAILABLE) from None
        except requests.exceptions.Timeout:
            raise unreachable("did not answer in time") from None
        except requests.exceptions.ProxyError:
            raise unreachable("cannot be reached through the proxy") from None
        except (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError):
            raise unreachable("cannot be reached") from None
        except (requests.exceptions.RequestException, ValueError, OSError):
            raise LinkError("answers at no usable address", Reason.MODEL_NOT_FOUND) from None
    try:
        _check(url, response)
        return Answer(response, position)
    except (LinkError, ChangedError):
        response.close()
        raise


def _check(url: str, response: requests.Response) -> None:
    status = response.status_code
    if url.startswith("https:") and not response.url.startswith("https:"):
        raise LinkError("leads to a connection that is not encrypted", Reason.MODEL_INVALID)
    if status == 416:
        raise ChangedError
    if status in _PASSING:
        raise unreachable(f"answers with status {status}", retry_after_s=_retry_after_s(response.headers))
    if status in (404, 410):
        raise LinkError("has no such file", Reason.MODEL_NOT_FOUND)
    if status in (401, 403):
        raise LinkError(f"refuses to give the file (status {status})", Reason.MODEL_NOT_FOUND)
    if status not in (200, 206):
        raise LinkError(f"answers with status {status}", Reason.MODEL_NOT_FOUND)
    if response.headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")):
        raise LinkError("sends a web page instead of the file", Reason.MODEL_INVALID)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise LinkError("sends the file in a form that was not asked for", Reason.MODEL_INVALID)


def _validator(headers: Mapping[str, str]) -> str:
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _linked_sha256(headers: Mapping[str, str]) -> str:
    """The digest that Hugging Face gives with its redirect to a large file."""
    found = _SHA256.fullmatch(headers.get("X-Linked-Etag", "").strip('"').lower())
    return found[0] if found else ""


def _retry_after_s(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and len(text) < 7 else 0.0
