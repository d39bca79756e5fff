"""Checks a link before anything is done with it. Pure: nothing is resolved or reached."""

import difflib
import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from yt_text.errors import IntakeError, Reason
from yt_text.intake import addresses, failures
from yt_text.intake.addresses import Network

MAX_URL_CHARS = 2048

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST_AT_START = re.compile(r"[^\s/@:?#]+\.[^\s/@:?#.]{2,}(:\d+)?([/?#]|$)")
_SMUGGLED = "__youtubedl_smuggle"  # yt-dlp would take options for itself out of such a link


def check_url(url: str, allowed_networks: Sequence[Network] = ()) -> str:
    """Returns a link without surrounding space.

    Args:
        url: what a caller gave.
        allowed_networks: networks that may be reached although they are not public.

    Raises:
        IntakeError: URL_INVALID for what is no http or https link, ADDRESS_NOT_ALLOWED for one that
            plainly leads to a private address. A name may still turn out to do so when it is fetched.
    """
    url = url.strip()
    if not url:
        raise _invalid("The link is empty. Give one that starts with https://.")
    if len(url) > MAX_URL_CHARS:
        raise _invalid(f"The link is longer than {MAX_URL_CHARS} characters. Give a shorter one.")
    if any(not character.isprintable() or character.isspace() for character in url):
        raise _invalid("The link holds a space or a control character. Give it as the browser shows it.")
    parts = _split(url)
    _check_scheme(url, parts.scheme)
    if "\\" in url or _SMUGGLED in url:
        raise _invalid("The link holds something that no web address has. Give it as the browser shows it.")
    if parts.username is not None or parts.password is not None:
        raise _invalid("The link holds a user name or a password. Give one without; logins are not supported.")
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise _invalid("The link names no site. Give one such as https://example.com/recording.mp3.")
    if "%" in host and ":" not in host:
        raise _invalid("The link's site name is not valid. Give it as the browser shows it.")
    if not _reachable(host, _port(parts), allowed_networks):
        raise failures.ADDRESS_NOT_ALLOWED.error()
    return url


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise _invalid("The link's site name is not valid. Give it as the browser shows it.") from error


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise _invalid("The link's port is not a number from 1 to 65535.") from error
    if port == 0:
        raise _invalid("The link's port is not a number from 1 to 65535.")
    return port or (443 if parts.scheme == "https" else 80)


def _check_scheme(url: str, scheme: str) -> None:
    shown = url if len(url) <= 100 else url[:100] + "..."
    rest = url.partition(":")[2].lstrip("/")
    if scheme in {"http", "https"}:
        if not url[len(scheme) :].startswith("://"):
            raise _invalid(f"The link needs two slashes after the colon: {scheme}://...")
        return
    if _HOST_AT_START.match(url):
        raise _invalid(f"The link has no https:// at its start. Did you mean https://{shown}?")
    if not _SCHEME.match(url):
        raise _invalid("That is not a link. Give one that starts with https://.")
    if difflib.get_close_matches(scheme, ("http", "https"), n=1, cutoff=0.7) and rest:
        raise _invalid(f"A link starts with https://, not {scheme}:. Did you mean https://{rest[:100]}?")
    raise _invalid(f"Only http and https links can be fetched, not {scheme[:20]} links. Upload the file instead.")


def _reachable(host: str, port: int, allowed_networks: Sequence[Network]) -> bool:
    if port in addresses.DENIED_PORTS:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return any(addresses.is_allowed(own, allowed_networks) for own in ("127.0.0.1", "::1"))
    # A browser and a resolver read full-width digits as plain ones.
    address = addresses.parse(host if host.isascii() else _plain(host).rstrip("."))
    return address is None or addresses.is_allowed(address, allowed_networks)


def _plain(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise _invalid("The link's site name is not valid. Give it as the browser shows it.") from error


def _invalid(message: str) -> IntakeError:
    return IntakeError(Reason.URL_INVALID, message)
