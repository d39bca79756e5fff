"""The little of HTTP that the proxy understands: the head of a request, and of its answer."""

import asyncio
import base64
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from yt_text.intake.fetch_messages import ProxyStatus

_HOP_FIELDS = ("host:", "proxy-", "connection:", "keep-alive:")


@dataclass(frozen=True)
class ProxyRequest:
    """What a child asks for; `forward` is the request to send on, empty for a tunnel."""

    host: str
    port: int
    token: str
    forward: bytes

    @classmethod
    def parse(cls, head: bytes) -> "ProxyRequest | None":
        """Reads the head of a request. None if it is none that a proxy serves."""
        line, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        words = line.split(" ")
        if len(words) != 3:
            return None
        method, target, version = words
        tunnel = method == "CONNECT"
        if not tunnel and not target.lower().startswith("http://"):
            return None
        try:
            parts = urlsplit(f"//{target}" if tunnel else target)
            host, port = parts.hostname, parts.port or (443 if tunnel else 80)
        except ValueError:
            return None
        if not host:
            return None
        names = {name.strip().lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        forward = b""
        if not tunnel:
            path = re.sub(r"^[^/]*//[^/?#]*", "", target).partition("#")[0]
            path = path if path.startswith("/") else f"/{path}"
            kept = [field for field in fields if not field.lower().startswith(_HOP_FIELDS)]
            # One request a connection, so that each is checked; `Host` says what is dialled.
            shown = f"[{host}]" if ":" in host else host
            own = [f"Host: {shown}" if port == 80 else f"Host: {shown}:{port}", "Connection: close"]
            forward = "\r\n".join([f"{method} {path} {version}", *own, *kept, "", ""]).encode("latin-1")
        return cls(host, port, _token(names.get("proxy-authorization", "")), forward)


def _token(authorization: str) -> str:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii").partition(":")[2]
    except (ValueError, UnicodeError):
        return ""


async def closing_head(reader: asyncio.StreamReader) -> bytes:
    """Reads the head of an answer, and returns it saying that the connection closes behind it.

    The one who asked would else use the connection again at the moment when it is closed.
    """
    told = b""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            return told + error.partial
        except asyncio.LimitOverrunError:
            return told  # what follows is passed on as it is
        if not re.match(rb"HTTP/1\.[01] 1\d\d", head):
            break
        told += head  # an answer before the answer, such as `100 Continue`
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [field for field in fields if not field.lower().startswith((b"connection:", b"keep-alive:"))]
    return told + b"\r\n".join([line, *kept, b"Connection: close", b"", b""])


def answer(status: ProxyStatus) -> bytes:
    """The answer to a request that is not relayed."""
    return f"HTTP/1.1 {status.value} {status.name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
