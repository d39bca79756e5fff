"""Which failure of ours an error of yt-dlp is. Runs in the fetch child only."""

import errno
import re
from collections.abc import Iterator

from yt_dlp.networking.exceptions import CertificateVerifyError, HTTPError, RequestError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from yt_text.errors import IntakeError
from yt_text.intake import failures
from yt_text.intake.failures import Failure, Stop
from yt_text.intake.fetch_messages import ProxyStatus

_KINDS: tuple[tuple[type[BaseException], Failure], ...] = (
    (MemoryError, failures.MEMORY),
    (UnsupportedError, failures.NO_MEDIA),
    (GeoRestrictedError, failures.GEO_BLOCKED),
    (UserNotLive, failures.LIVE),
    (CertificateVerifyError, failures.BAD_CERTIFICATE),
)

_STATUSES: dict[int, Failure] = {
    401: failures.LOGIN,
    402: failures.LOGIN,
    403: failures.ACCESS_DENIED,
    404: failures.NOT_FOUND,
    407: failures.FAILED,
    410: failures.GONE,
    429: failures.RATE_LIMITED,
    451: failures.GEO_BLOCKED,
    ProxyStatus.ADDRESS_REFUSED: failures.ADDRESS_NOT_ALLOWED,
    ProxyStatus.NAME_UNKNOWN: failures.NAME_UNKNOWN,
    ProxyStatus.NAME_NOT_RESOLVED: failures.NAME_NOT_RESOLVED,
    ProxyStatus.CONNECT_FAILED: failures.CONNECT_FAILED,
    ProxyStatus.CONNECT_TIMEOUT: failures.CONNECT_TIMEOUT,
}

# yt-dlp says these only in words. The first row with a match counts.
_WORDS: tuple[tuple[re.Pattern[str], Failure], ...] = tuple(
    (re.compile(words, re.IGNORECASE), failure)
    for words, failure in (
        (r"no space left|disk quota", failures.DISK_FULL),
        (r"not a bot|anti-bot|captcha|cloudflare", failures.BOT_CHECK),
        (r"\bdrm\b", failures.DRM),
        (r"geo.?restrict|your (country|location|region)|not available in your", failures.GEO_BLOCKED),
        (r"premieres in|will begin in|is upcoming|not live|live event|live stream", failures.LIVE),
        (r"private video|sign in|log ?in\b|registered users|members.only", failures.LOGIN),
        (r"subscri(be|ption)|cookies|confirm your age", failures.LOGIN),
        (r"downloaded file is empty|did not get any data", failures.EMPTY),
        (r"requested format is not available|no video formats|unsupported url", failures.NO_MEDIA),
        (r"removed|no longer available|unavailable|deleted|terminated|does not exist", failures.GONE),
    )
)
# Links, and the phrase that a web server puts behind its status, such as `503: Service Unavailable`.
_NO_WORDS = re.compile(r"https?://\S+|HTTP Error \d{3}:.*")
_TUNNEL = re.compile(r"tunnel connection failed: (\d{3})", re.IGNORECASE)
# How yt-dlp's downloaders end: they keep the text of an error only.
_STATUS = re.compile(r"HTTP Error (\d{3})")
_GAVE_UP = re.compile(r"got error:", re.IGNORECASE)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def status_of(error: BaseException) -> int:
    """Returns the status that a site or the proxy answered with, 0 if that is not what went wrong."""
    for link in _chain(error):
        if isinstance(link, HTTPError):
            return link.status
        if found := _TUNNEL.search(str(link)):
            return int(found[1])
        if isinstance(link, DownloadError) and (found := _STATUS.search(str(link))):
            return int(found[1])
    return 0


def failure_of(error: BaseException) -> IntakeError:
    """Returns an error of ours for whatever ended a fetch."""
    return error.error if isinstance(error, Stop) else _find(error).error()


def _find(error: BaseException) -> Failure:
    chain = list(_chain(error))
    for kind, failure in _KINDS:
        if any(isinstance(link, kind) for link in chain):
            return failure
    if any(isinstance(link, OSError) and link.errno in _FULL for link in chain):
        return failures.DISK_FULL
    # What yt-dlp understood of a page says more than a status: many answer 403 to what needs a login.
    said = " ".join(str(link) for link in chain if isinstance(link, ExtractorError | DownloadError))
    said = _NO_WORDS.sub("", said)
    for words, failure in _WORDS:
        if words.search(said):
            return failure
    status = status_of(error)
    if status:
        return _STATUSES.get(status) or (failures.SITE_ERROR if status >= 500 else failures.ODD_ANSWER)
    if any(isinstance(link, TransportError) for link in chain) or _GAVE_UP.search(said):
        return failures.UNREACHABLE
    if any(isinstance(link, RequestError) for link in chain):  # it could not even be sent
        return failures.UNUSABLE_LINK
    if any(isinstance(link, ExtractorError) for link in chain):
        return failures.EXTRACTOR
    return failures.FAILED


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, outermost first."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting and len(seen) < 16:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, DownloadError) and link.exc_info:
            waiting.append(link.exc_info[1])
        waiting += [getattr(link, "cause", None), link.__cause__, link.__context__]
