"""A hostile site tries every way to make the service speak to a machine that only the service can reach.

The site is on 127.0.0.1, which these fetches may reach; the machine inside is on other loopback addresses.
It must not get a single connection, whatever the outcome.
"""

import asyncio
import urllib.parse
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fetches import LIMITS, OPEN, refused, site_with_recordings
from tests.sites import Site
from yt_text import spool
from yt_text.errors import IntakeError, Reason
from yt_text.intake.fetch import Fetcher, check_url

SECRET = b"\xff\xfb\x90\x00" + b"inside" * 1000


@dataclass
class Ground:
    """A site and the machines inside; `tmp_path` for what is fetched."""

    site: Site
    inside: Site
    inside_v6: Site
    folder: Path

    def link(self, template: str) -> str:
        """Fills in a link: `{port}` is a machine's inside, `{inside}` its file, `{quoted}` the same in a query."""
        inside = self.inside.url("/secret.mp3")
        return template.format(
            site=self.site.url(""),
            port=self.inside.port,
            port_v6=self.inside_v6.port,
            inside=inside,
            quoted=urllib.parse.quote(inside, safe=""),
        )

    def untouched(self) -> bool:
        return self.inside.requests == [] and self.inside_v6.requests == []


@pytest.fixture
def ground(tmp_path: Path) -> Generator[Ground]:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "secret.mp3").write_bytes(SECRET)
    (tmp_path / "inside" / "secret.m3u8").write_text("#EXTM3U\n#EXTINF:10,\nsecret.mp3\n#EXT-X-ENDLIST\n")
    with ExitStack() as stack:
        site = stack.enter_context(site_with_recordings(tmp_path / "www"))
        inside = stack.enter_context(Site(tmp_path / "inside", "127.0.0.2"))
        inside_v6 = stack.enter_context(Site(tmp_path / "inside", "::1"))
        yield Ground(site, inside, inside_v6, tmp_path)


@pytest.fixture
async def fetcher() -> AsyncGenerator[Fetcher]:
    async with Fetcher(LIMITS, OPEN, resolve) as fetcher:
        yield fetcher


asked: dict[str, int] = {}


async def resolve(host: str, port: int) -> Sequence[str]:
    """Names of a hostile zone; other hosts as the system has them."""
    asked[host] = asked.get(host, 0) + 1
    answers = {
        "inside.example": ["127.0.0.2"],
        "inside-v6.example": ["::1"],
        "mapped.example": ["::ffff:127.0.0.2"],
        "both.example": ["127.0.0.1", "127.0.0.2"],
        "fickle.example": ["127.0.0.1" if asked[host] == 1 else "127.0.0.2"],
        "metadata.example": ["169.254.169.254"],
    }
    if host in answers:
        return answers[host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port)
    return [str(entry[4][0]) for entry in found]


DIRECT = [
    "{inside}",
    "http://2130706434:{port}/secret.mp3",
    "http://0x7f000002:{port}/secret.mp3",
    "http://0x7f.0.0.2:{port}/secret.mp3",
    "http://0177.0.0.2:{port}/secret.mp3",
    "http://127.2:{port}/secret.mp3",
    "http://127.0.2:{port}/secret.mp3",
    "http://127\u30020\u30020\u30022:{port}/secret.mp3",
    "http://[::1]:{port_v6}/secret.mp3",
    "http://[0:0:0:0:0:0:0:1]:{port_v6}/secret.mp3",
    "http://[::ffff:127.0.0.2]:{port}/secret.mp3",
    "http://[::ffff:7f00:2]:{port}/secret.mp3",
    "http://[64:ff9b::7f00:2]:{port}/secret.mp3",
    "http://169.254.169.254/latest/meta-data/",
    "http://0.0.0.0:{port}/secret.mp3",
    "https://127.0.0.2:{port}/secret.mp3",
]

NAMES = [
    "http://inside.example:{port}/secret.mp3",
    "https://inside.example:{port}/secret.mp3",
    "http://inside-v6.example:{port_v6}/secret.mp3",
    "http://mapped.example:{port}/secret.mp3",
    "http://both.example:{port}/secret.mp3",
    "http://metadata.example/latest/meta-data/",
]

BEHIND = [
    *(f"{{site}}/redirect?to={{quoted}}&status={status}" for status in (301, 302, 303, 307, 308)),
    "{site}/redirect?to=/redirect?to={quoted}",
    "{site}/redirect?to=//127.0.0.2:{port}/secret.mp3",
    "{site}/redirect?to=http://inside.example:{port}/secret.mp3",
    "{site}/redirect?to=http://127.0.0.1@127.0.0.2:{port}/secret.mp3",
    "{site}/redirect?to=http://127.0.0.1%5C@127.0.0.2:{port}/secret.mp3",
    "{site}/page?media={quoted}",
    "{site}/page?media=http://127.0.0.1@127.0.0.2:{port}/secret.mp3",
    "{site}/page?media=http://127.0.0.1:80%5C@127.0.0.2:{port}/secret.mp3",
    "{site}/page?media=http://inside.example:{port}/secret.mp3",
    "{site}/page?media=/redirect?to={quoted}",
    "{site}/og?media={quoted}",
    "{site}/rss?media={quoted}",
    "{site}/hls?piece={quoted}",
    "{site}/hls?piece=/0.ts&piece={quoted}",
    "{site}/hls?piece=/redirect?to={quoted}",
    "{site}/hls?piece=/0.ts&key={quoted}",
    "{site}/dash?base={quoted}",
    "{site}/dash?piece={quoted}",
    "{site}/page?media=/hls/list.m3u8?piece={quoted}",
]


@pytest.mark.parametrize("template", DIRECT + NAMES)
async def test_a_link_to_a_machine_inside(fetcher: Fetcher, ground: Ground, template: str) -> None:
    # Even one that the first check let pass.
    error = await refused(fetcher, ground.link(template), ground.folder / "r")
    assert ground.untouched()
    assert (error.reason, error.retryable) == (Reason.ADDRESS_NOT_ALLOWED, False)


async def test_spellings_that_no_resolver_knows_lead_nowhere(fetcher: Fetcher, ground: Ground) -> None:
    for host in ("127.0.0.2.", "127.0.0.2%00", "127.0.0.2%20", "[::ffff:127.0.0.2%25lo]"):
        error = await refused(fetcher, f"http://{host}:{ground.inside.port}/secret.mp3", ground.folder / "r")
        assert error.reason in {Reason.SITE_UNREACHABLE, Reason.ADDRESS_NOT_ALLOWED, Reason.NO_MEDIA_FOUND}, host
    assert ground.untouched()


async def test_the_machine_itself_is_not_open_by_default(ground: Ground) -> None:
    async with Fetcher(LIMITS) as fetcher:
        for host in ("localhost", "127.0.0.1"):
            error = await refused(fetcher, f"http://{host}:{ground.site.port}/talk.mp3", ground.folder / "r")
            assert error.reason is Reason.ADDRESS_NOT_ALLOWED
    assert ground.site.requests == []


@pytest.mark.parametrize("template", DIRECT)
def test_a_link_that_spells_an_address_inside_is_refused_at_once(ground: Ground, template: str) -> None:
    with pytest.raises(IntakeError) as caught:
        check_url(ground.link(template), OPEN)
    assert caught.value.reason is Reason.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("template", BEHIND)
async def test_a_site_that_leads_to_a_machine_inside(fetcher: Fetcher, ground: Ground, template: str) -> None:
    error = await refused(fetcher, ground.link(template), ground.folder / "r")
    assert ground.untouched()
    assert (error.reason, error.retryable) == (Reason.ADDRESS_NOT_ALLOWED, False)
    assert not spool.is_complete(ground.folder / "r")


async def test_a_name_that_leads_inside_at_the_second_look(fetcher: Fetcher, ground: Ground) -> None:
    asked.clear()
    # On the inside's port the open address is closed: what is reached could only be the inside.
    await refused(fetcher, f"http://fickle.example:{ground.inside.port}/secret.mp3", ground.folder / "r")
    error = await refused(fetcher, f"http://fickle.example:{ground.inside.port}/secret.mp3", ground.folder / "r")
    assert ground.untouched()
    assert error.reason is Reason.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize(
    "media",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.2:{port}/x",
        "data:audio/mpeg;base64,//uQAA==",
        "gopher://127.0.0.2:{port}/x",
    ],
)
@pytest.mark.parametrize("way", ["page?media=", "hls?piece=", "dash?base=", "redirect?to="])
async def test_links_that_are_not_of_the_web(fetcher: Fetcher, ground: Ground, way: str, media: str) -> None:
    link = ground.link(f"{{site}}/{way}{media}")
    error = await refused(fetcher, link, ground.folder / "r")
    assert ground.untouched()
    assert not error.message.startswith("root:")
    assert not spool.is_complete(ground.folder / "r")


async def test_a_title_cannot_write_files(fetcher: Fetcher, ground: Ground) -> None:
    before = sorted(ground.folder.rglob("*"))
    await refused(fetcher, ground.site.url("/page?media=/nothing/..%2F..%2F..%2Fevil.mp3"), ground.folder / "r")
    left = [path for path in sorted(ground.folder.rglob("*")) if path not in before]
    assert {path.name for path in left} <= {"r", "r.state"}
