"""What is told about a link before anything is fetched."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt_text.errors import IntakeError, Reason
from yt_text.intake.links import MAX_URL_CHARS, check_url

LOOPBACK = (ip_network("127.0.0.1/32"),)


def refusal(url: str) -> IntakeError:
    with pytest.raises(IntakeError) as caught:
        check_url(url)
    assert not caught.value.retryable
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/watch?v=abc&t=1#part",
        "HTTP://EXAMPLE.COM:8080/a.mp3",
        "https://münchen.example/straße.mp3",
        "http://93.184.216.34/a.mp3",
        "http://[2606:4700::1111]/a.mp3",
        "https://example.com/user@name/a:b.mp3",
    ],
)
def test_a_good_link_is_returned_as_it_is(url: str) -> None:
    assert check_url(url) == url
    assert check_url(f"  {url}\n") == url


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("htps://example.com/a.mp3", "Did you mean https://example.com/a.mp3?"),
        ("hhttps://example.com/a", "Did you mean https://example.com/a?"),
        ("example.com/a.mp3", "Did you mean https://example.com/a.mp3?"),
        ("www.example.com", "Did you mean https://www.example.com?"),
        ("example.com:8080/a", "Did you mean https://example.com:8080/a?"),
        ("recording", "not a link"),
        ("https//example.com/a", "not a link"),
        ("file:///etc/passwd", "file"),
        ("ftp://example.com/a.mp3", "ftp"),
        ("ytsearch:cats", "ytsearch"),
        ("javascript:alert(1)", "javascript"),
        ("data:audio/wav;base64,AAAA", "data"),
        ("https:/example.com", "two slashes"),
        ("https:example.com", "two slashes"),
        ("https://", "names no site"),
        ("https:///a.mp3", "names no site"),
        ("https://user:secret@example.com/", "password"),
        ("https://user@example.com/", "password"),
        ("https://example.com/a b.mp3", "space"),
        ("https://exam\u200bple.com/", "control"),
        ("https://example.com/\x00", "control"),
        ("https://example.com:99999/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:x/", "port"),
        ("http://[::1", "not valid"),
        ("http://127.0.0.1%00.example/", "not valid"),
        ("http://good.example\\@127.0.0.1/", "Give it as the browser shows it"),
        ("https://example.com/#__youtubedl_smuggle=%7B%7D", "Give it as the browser shows it"),
        ("https://example.com/" + "a" * MAX_URL_CHARS, "longer"),
    ],
)
def test_a_bad_link_is_refused_with_advice(url: str, advice: str) -> None:
    error = refusal(url)
    assert error.reason is Reason.URL_INVALID
    assert advice in error.message


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020\u30020\u30021/",
        "http://127.0.0.1./",
        "http://0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://localhost:8080/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://example.com:22/",
        "https://example.com:6379/",
    ],
)
def test_a_link_that_plainly_leads_inside_is_refused(url: str) -> None:
    assert refusal(url).reason is Reason.ADDRESS_NOT_ALLOWED


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://2130706433/", "http://localhost/"])
def test_an_allowed_network_may_be_given(url: str) -> None:
    assert check_url(url, LOOPBACK) == url


@settings(deadline=None)
@given(st.text(max_size=60) | st.from_regex(r"https?://[^\s]{0,40}", fullmatch=True))
def test_any_text_is_a_link_or_refused_with_a_reason(text: str) -> None:
    refused: IntakeError | None = None
    try:
        checked = check_url(text)
    except IntakeError as error:
        refused = error
    else:
        assert checked == text.strip()
        assert checked.lower().startswith(("http://", "https://"))
    if refused is not None:
        assert refused.reason in {Reason.URL_INVALID, Reason.ADDRESS_NOT_ALLOWED}
        assert refused.message.isprintable()
