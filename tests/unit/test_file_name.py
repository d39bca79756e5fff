"""Names of files that are safe whatever a title says."""

import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt_text.job import Config, Job, JobState, MediaInfo
from yt_text.rpc.file_name import MAX_BYTES, MAX_CHARS, content_disposition, file_name, safe_name

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ID = "00000000-0000-4000-8000-000000000000"


def job(title: str = "", url: str = "", media_id: str = "") -> Job:
    return Job(ID, JobState.SUCCEEDED, url, media_id, Config(), NOW, NOW, media=MediaInfo(title=title))


@pytest.mark.parametrize(
    ("given_", "name"),
    [
        (job("Der Vortrag: Öl & Gas"), "Der Vortrag- Öl & Gas"),
        (job("talk.mp3", media_id=ID), "talk"),
        (job("Episode 3.14", url="https://a.example/x"), "Episode 3.14"),
        (job(url="https://a.example/casts/one%20day.mp3?x=y#z"), "one day"),
        (job(url="https://a.example/watch/"), "watch"),
        (job(url="https://a.example/"), ID),
        (job("???", url="https://a.example/b.ogg"), "b"),
        (job("../../etc/passwd"), "etc-passwd"),
        (job("CON"), "_CON"),
        (job("nul.tar"), "_nul.tar"),
        (job("a\r\nSet-Cookie: b"), "a Set-Cookie- b"),
        (job("invoice\u202egpj.exe"), "invoicegpj.exe"),
    ],
)
def test_a_name_is_made_of_the_title_the_link_or_the_id(given_: Job, name: str) -> None:
    assert file_name(given_) == name


def test_the_header_has_a_plain_name_and_the_true_one() -> None:
    assert content_disposition(job("Öl 100%"), ".srt", inline=False) == (
        "attachment; filename=\"Ol 100_.srt\"; filename*=UTF-8''%C3%96l%20100%25.srt"
    )
    assert content_disposition(job("会議"), ".txt", inline=True) == (
        f"inline; filename=\"{ID}.txt\"; filename*=UTF-8''%E4%BC%9A%E8%AD%B0.txt"
    )


@given(st.text(max_size=400))
def test_any_text_makes_a_safe_name_or_none(text: str) -> None:
    name = safe_name(text)
    assert len(name) <= MAX_CHARS
    assert len(name.encode()) <= MAX_BYTES + 1
    assert not set(name) & set('/\\:*?"<>|')
    assert all(unicodedata.category(char)[0] != "C" for char in name)
    assert name == name.strip(" .-")
    assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name)
    assert safe_name(name) == name


@given(st.text(max_size=200), st.text(max_size=50), st.booleans(), st.booleans())
def test_any_title_and_link_make_a_header(title: str, url: str, upload: bool, inline: bool) -> None:
    given_ = job(title, url, ID if upload else "")
    found = re.fullmatch(
        r"(inline|attachment); filename=\"([^\"\\%/]+)\.srt\"; filename\*=UTF-8''([A-Za-z0-9!#$&+.^_`|~%-]+)",
        content_disposition(given_, ".srt", inline=inline),
    )
    assert found
    assert found[2].isascii()
    assert found[2].isprintable()
    assert unquote(found[3], errors="strict") == file_name(given_) + ".srt"
