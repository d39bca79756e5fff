"""How the sites of `tests.sites` answer: files in many ways, and pages that lead to them."""

import contextlib
import socket
import time
import urllib.parse
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from html import escape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tests.sites import Site, SiteServer

_TYPES = {
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".mp4": "video/mp4",
    ".flac": "audio/flac",
    ".wav": "audio/wav",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".ts": "video/mp2t",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".mpd": "application/dash+xml",
    ".vtt": "text/vtt",
    ".srt": "text/plain",
}
_BLOCK_BYTES = 4 << 10
_COOKIE = "visitor=42"


@dataclass
class _Way:
    """How a file is given."""

    rate: int = 0
    drop: int = 0
    stall: int = 0
    ranges: bool = True
    length: bool = True
    validator: str = ""
    content_type: str = ""


class Visit(BaseHTTPRequestHandler):
    """One connection to a site."""

    protocol_version = "HTTP/1.1"

    @property
    def site(self) -> "Site":
        return cast("SiteServer", self.server).site

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet; the site has its own list."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.note(self.command, self.path, headers)
        parts = urllib.parse.urlsplit(self.path)
        self.query = urllib.parse.parse_qs(parts.query)
        name, *rest = urllib.parse.unquote(parts.path).strip("/").split("/")
        page = getattr(self, f"_page_{name.replace('-', '_')}", None)
        with contextlib.suppress(OSError):
            if page is not None:
                page(*rest)
            else:
                self._give_file([name, *rest])

    # Files

    def _give_file(self, words: list[str]) -> None:
        way = _Way(validator=f'"{"-".join(words[-1:])}"')
        while words:
            name = words.pop(0)
            if name == "slow":
                way.rate = int(words.pop(0))
            elif name == "drop":
                way.drop = int(words.pop(0))
            elif name == "drop-once":
                size = int(words.pop(0))
                way.drop = size if len(self.site.asked(self.path)) == 1 else 0
            elif name == "stall":
                way.stall = int(words.pop(0))
            elif name == "no-ranges":
                way.ranges = False
            elif name == "no-length":
                way.length = way.ranges = False
            elif name == "no-validator":
                way.validator = ""
            elif name == "changing":
                way.validator = f'"{next(self.site.numbers)}"'
            elif name == "as":
                way.content_type = "/".join((words.pop(0), words.pop(0)))
            elif name == "signed":
                words.pop(0)
            elif name == "expiring":
                if len(self.site.asked(self.path)) >= int(words.pop(0)):
                    self._give("expired", status=403)
                    return
            elif name == "needs-cookie" and _COOKIE not in self.headers.get("Cookie", ""):
                self._give("no cookie", status=403)
                return
            elif name == "needs-referer" and "/page" not in self.headers.get("Referer", ""):
                self._give("no referer", status=403)
                return
            elif not name.startswith("needs-"):
                self._send_file(self.site.folder / "/".join([name, *words]), way)
                return
        self._give("nothing", status=404)

    def _send_file(self, path: Path, way: _Way) -> None:
        if not path.is_file():
            self._give("nothing", status=404)
            return
        size = path.stat().st_size
        start, end = self._wanted(size, way)
        if start and start >= size:
            self._give("", status=416, headers={"Content-Range": f"bytes */{size}"})
            return
        partial = way.ranges and "Range" in self.headers and size > 0 and (start, end) != (0, 0)
        self.send_response(206 if partial else 200)
        kind = way.content_type or _TYPES.get(path.suffix, "application/octet-stream")
        self.send_header("Content-Type", kind)
        if way.length:
            self.send_header("Content-Length", str(end - start))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        if way.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        if way.validator:
            self.send_header("ETag", way.validator)
            self.send_header("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            self._send(path, start, end, way)

    def _wanted(self, size: int, way: _Way) -> tuple[int, int]:
        """The first byte to send and the one behind the last."""
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        condition = self.headers.get("If-Range")
        if not way.ranges or not wanted or (condition and condition != way.validator):
            return 0, size
        start, _, last = wanted.partition("-")
        return int(start), min(int(last) + 1, size) if last else size

    def _send(self, path: Path, start: int, end: int, way: _Way) -> None:
        began_s, sent = time.monotonic(), 0
        with path.open("rb") as file:
            file.seek(start)
            while block := file.read(min(_BLOCK_BYTES, end - start - sent)):
                if way.drop and sent + len(block) >= way.drop:
                    self.wfile.write(block[: way.drop - sent])
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.wfile.write(block)
                sent += len(block)
                if way.stall and sent >= way.stall:
                    self.site.wait(3600)
                if way.rate:
                    self.site.wait(max(0.0, began_s + sent / way.rate - time.monotonic()))

    # Pages

    def _page_page(self, *_: str) -> None:
        tracks = ""
        for language, link in self._tracks():
            named = f' srclang="{escape(language)}"' if language else ""
            tracks += f'<track kind="captions"{named} src="{escape(link)}">'
        players = "".join(f'<p><video src="{escape(link)}">{tracks}</video></p>' for link in self.query["media"])
        self._give(f"<html><head><title>A talk</title></head><body>{players}</body></html>")

    def _page_og(self) -> None:
        link = urllib.parse.urljoin(self.site.url("/"), self.query["media"][0])
        head = f'<meta property="og:title" content="An open talk"><meta property="og:video" content="{escape(link)}">'
        head += f'<meta property="og:video:type" content="video/mp4"><meta property="og:image" content="{link}.jpg">'
        self._give(f"<html><head><title>Open</title>{head}</head><body></body></html>")

    def _page_cookie_page(self) -> None:
        player = f'<audio src="{escape(self.query["media"][0])}"></audio>'
        page = f"<html><head><title>Cookies</title></head><body>{player}</body></html>"
        self._give(page, headers={"Set-Cookie": f"{_COOKIE}; Path=/"})

    def _page_signed_page(self) -> None:
        link = f"/signed/{next(self.site.numbers)}{self.query['media'][0]}"
        self._give(f'<html><head><title>Signed</title></head><body><audio src="{link}"></audio></body></html>')

    def _page_rss(self) -> None:
        items = "".join(
            f"<item><title>Part {number}</title><guid>{number}</guid>"
            f'<enclosure url="{escape(urllib.parse.urljoin(self.site.url("/"), link))}" type="audio/mpeg"/></item>'
            for number, link in enumerate(self.query["media"])
        )
        feed = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Pod</title>{items}</channel></rss>'
        self._give(feed, kind="application/rss+xml")

    def _page_hls(self, *_: str) -> None:
        lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:10", "#EXT-X-MEDIA-SEQUENCE:0"]
        lines += [f'#EXT-X-KEY:METHOD=AES-128,URI="{key}",IV=0x{0:032x}' for key in self.query.get("key", ())]
        if "drm" in self.query:
            lines.append('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://key",KEYFORMAT="com.apple.streamingkeydelivery"')
        for piece in self.query["piece"]:
            lines += ["#EXTINF:10,", piece]
        if "live" not in self.query:
            lines.append("#EXT-X-ENDLIST")
        self._give("\n".join(lines) + "\n", kind=_TYPES[".m3u8"])

    def _page_master(self, *_: str) -> None:
        media = '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="s",NAME="T"'
        lines = ["#EXTM3U", *(f'{media},LANGUAGE="{language}",URI="{link}"' for language, link in self._tracks())]
        codecs = self.query.get("codecs", ["mp4a.40.2"])[0]
        lines += [f'#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS="{codecs}",SUBTITLES="s"', self.query["list"][0]]
        self._give("\n".join(lines) + "\n", kind=_TYPES[".m3u8"])

    def _page_dash(self) -> None:
        if base := self.query.get("base"):
            pieces = f"<BaseURL>{escape(base[0])}</BaseURL>"
        else:
            urls = "".join(f'<SegmentURL media="{escape(piece)}"/>' for piece in self.query["piece"])
            pieces = f'<SegmentList duration="10">{urls}</SegmentList>'
        self._give(
            '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
            'mediaPresentationDuration="PT60S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period>'
            '<AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="64000" codecs="mp4a.40.2">'
            f"{pieces}</Representation></AdaptationSet>{self._text_sets()}</Period></MPD>",
            kind=_TYPES[".mpd"],
        )

    def _text_sets(self) -> str:
        sets = ""
        for language, link in self._tracks():
            link = escape(urllib.parse.urljoin(self.site.url("/"), link))
            sets += f'<AdaptationSet mimeType="text/vtt" lang="{language}"><Representation id="t" bandwidth="1">'
            sets += f"<BaseURL>{link}</BaseURL></Representation></AdaptationSet>"
        return sets

    def _tracks(self) -> Iterator[tuple[str, str]]:
        """The language and the link of each of the query's `track`s."""
        for track in self.query.get("track", ()):
            language, _, link = track.partition(":")
            yield language, link

    def _page_redirect(self) -> None:
        status = int(self.query.get("status", ["302"])[0])
        self._give("", status=status, headers={"Location": self.query["to"][0]})

    def _page_status(self, status: str) -> None:
        self._give(f"status {status}", status=int(status))

    def _page_text(self) -> None:
        self._give("<html><head><title>Words</title></head><body>Nothing to hear.</body></html>")

    def _page_robot_check(self) -> None:
        headers = {"Server": "cloudflare", "cf-mitigated": "challenge"}
        self._give("<html><title>Just a moment...</title></html>", status=403, headers=headers)

    def _page_hang(self) -> None:
        self.site.wait(3600)

    def _page_endless(self, kind: str) -> None:
        self._endless("text/html" if kind == "page" else "audio/mpeg")
        block = b"<p>word after word</p>\n" * 1000 if kind == "page" else bytes(range(256)) * 100
        while True:
            self.site.wait(0)
            self.wfile.write(block)

    def _page_bomb(self) -> None:
        """A page that is small on the way and large when unpacked."""
        self._give(b"".join(_packed(int(self.query["mb"][0]))), headers={"Content-Encoding": "gzip"})

    def _endless(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _give(
        self,
        body: str | bytes,
        *,
        status: int = 200,
        kind: str = "text/html; charset=utf-8",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _packed(megabytes: int) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    yield packer.compress(b"<html><body>")
    for _ in range(megabytes):
        yield packer.compress(b"<p>bomb</p>\n" * 87_381)
    yield packer.flush()
