"""The pure parts of intake: MP4 order, choice of a format, messages, the table of failures."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yt_dlp.networking.exceptions import CertificateVerifyError, ProxyError, RequestError, TransportError
from yt_dlp.utils import DownloadError, ExtractorError, GeoRestrictedError, UnsupportedError, UserNotLive

from tests.sounds import encode, sample_pcm
from yt_text.errors import Reason
from yt_text.intake import failures
from yt_text.intake.choice import Format, choose
from yt_text.intake.failures import Failure, Stop
from yt_text.intake.fetch_messages import Done, Event, Failed, FetchOrder, Metadata, Moved, event_line, read_event
from yt_text.intake.mp4 import end_of_media
from yt_text.intake.site_errors import failure_of, status_of
from yt_text.job import MediaInfo

# MP4


def test_the_end_of_the_media_is_found_where_the_index_stands_behind_them() -> None:
    late = encode(sample_pcm()[:320_000], "mp4", "aac", rate=44_100)
    assert late[end_of_media(late[:4096]) :][4:8] == b"moov"


def test_an_index_at_the_front_needs_nothing() -> None:
    early = encode(sample_pcm()[:320_000], "mp4", "aac", rate=44_100, options={"movflags": "faststart"})
    assert end_of_media(early[:4096]) == 0


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_have_an_end_or_none(data: bytes) -> None:
    assert end_of_media(data) >= 0
    assert end_of_media(b"\0\0\0\x10ftypisom\0\0\0\0" + data) >= 0


# Choice


def audio(**values: object) -> Format:
    return {"protocol": "https", "acodec": "mp4a.40.2", "vcodec": "none", "abr": 128, "format_id": "x", **values}


def chosen(*formats: Format) -> str:
    return next(choose({"formats": list(formats)}))["format_id"]


def test_the_smallest_that_is_good_enough_is_chosen() -> None:
    low = audio(format_id="24k", abr=24)
    assert chosen(audio(format_id="160k", abr=160), audio(format_id="64k", abr=64), low) == "64k"
    assert chosen(low, audio(format_id="32k", abr=32)) == "32k"


def test_opus_is_good_enough_at_a_lower_rate() -> None:
    assert chosen(audio(format_id="aac", abr=44), audio(format_id="opus", abr=44, acodec="opus")) == "opus"


def test_audio_alone_comes_before_video() -> None:
    video = audio(format_id="video", vcodec="avc1", tbr=60, abr=None)
    assert chosen(video, audio(format_id="audio", abr=256)) == "audio"
    assert chosen(audio(format_id="big", vcodec="avc1", tbr=900), video) == "video"


def test_the_original_language_comes_before_a_smaller_dub() -> None:
    dub = audio(format_id="dub", abr=48, language_preference=-1)
    assert chosen(dub, audio(format_id="original", abr=128, language_preference=10)) == "original"


def test_a_file_comes_before_a_stream_of_the_same_size() -> None:
    assert chosen(audio(format_id="hls", protocol="m3u8_native"), audio(format_id="file")) == "file"


def test_what_only_another_program_could_fetch_is_not_chosen() -> None:
    assert list(choose({"formats": [audio(protocol="rtmp"), audio(protocol="mhtml")]})) == []


@pytest.mark.parametrize(
    ("formats", "failure"),
    [
        ([audio(has_drm=True)], failures.DRM),
        ([audio(acodec="none", vcodec="avc1")], failures.NO_AUDIO),
    ],
)
def test_nothing_usable_says_why(formats: list[Format], failure: Failure) -> None:
    with pytest.raises(Stop) as caught:
        list(choose({"formats": formats}))
    assert caught.value.error.reason is failure.reason


# Messages

ORDER = FetchOrder("https://x.example/\u2028", "/s", "/w", "http://a:b@127.0.0.1:1", 1, 2.5, 3.0, 4, 5, 6)


def test_an_order_is_read_as_it_was_given() -> None:
    assert FetchOrder.read(ORDER.line()) == ORDER
    assert ORDER.line().count(b"\n") == 1


@pytest.mark.parametrize(
    "event",
    [
        Metadata(MediaInfo(title="Zeile\n\u2028 \U0001f3a7", duration_ms=1)),
        Moved(1, 2, 3),
        Done(),
        Failed(Reason.BOT_CHECK, "a\nb", True, {"max": "1"}),
    ],
)
def test_an_event_is_read_as_it_was_meant(event: Event) -> None:
    assert read_event(event_line(event)) == event
    assert event_line(event).count(b"\n") == 1


@settings(deadline=None)
@given(st.binary(max_size=50) | st.from_type(dict[str, int]).map(lambda value: json.dumps(value).encode()))
def test_any_other_line_is_no_event(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        read_event(line)


# Failures

ALL = {name: value for name, value in vars(failures).items() if isinstance(value, Failure)}


@pytest.mark.parametrize("name", ALL)
def test_a_failure_tells_what_to_do(name: str) -> None:
    failure = ALL[name]
    sentences = failure.message.rstrip(".").split(". ")
    assert len(sentences) >= 2, "what is wrong, and what to do"
    assert not failure.retryable or "try again" in failure.message.lower()


def thrown(inner: Exception) -> DownloadError:
    """An error as yt-dlp throws it."""
    exc_info: Any = (type(inner), inner, None)
    return DownloadError(f"ERROR: {inner}", exc_info)


def words(text: str) -> DownloadError:
    return thrown(ExtractorError(text, expected=True))


REFUSED = OSError("Tunnel connection failed: 470 ADDRESS_REFUSED")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (thrown(UnsupportedError("https://x.example/login")), failures.NO_MEDIA),
        (thrown(GeoRestrictedError("not here")), failures.GEO_BLOCKED),
        (thrown(UserNotLive()), failures.LIVE),
        (thrown(ExtractorError("x", cause=CertificateVerifyError("bad"))), failures.BAD_CERTIFICATE),
        (thrown(ExtractorError("x", cause=TransportError("reset"))), failures.UNREACHABLE),
        (thrown(ExtractorError("x", cause=ProxyError(cause=REFUSED))), failures.ADDRESS_NOT_ALLOWED),
        (thrown(ExtractorError("Unable to extract title")), failures.EXTRACTOR),
        (words("Sign in to confirm you\u2019re not a bot."), failures.BOT_CHECK),
        (words("Private video. Sign in if you have been invited"), failures.LOGIN),
        (words("This video is only available for registered users"), failures.LOGIN),
        (words("This video is DRM protected"), failures.DRM),
        (words("The uploader has not made this video available in your country"), failures.GEO_BLOCKED),
        (words("This live event will begin in 3 hours."), failures.LIVE),
        (words("Video unavailable. This video has been removed by the uploader"), failures.GONE),
        (thrown(ExtractorError("x", cause=RequestError("bad host"))), failures.UNUSABLE_LINK),
        (DownloadError("\r[download] Got error: HTTP Error 404: Not Found. Giving up"), failures.NOT_FOUND),
        (DownloadError("\r[download] Got error: connection reset. Giving up"), failures.UNREACHABLE),
        (words("HTTP Error 503: Service Unavailable"), failures.SITE_ERROR),
        (words("Requested format is not available"), failures.NO_MEDIA),
        (DownloadError("unable to write data: [Errno 28] No space left on device"), failures.DISK_FULL),
        (OSError(28, "No space left on device"), failures.DISK_FULL),
        (MemoryError(), failures.MEMORY),
        (RuntimeError("/secret/path"), failures.FAILED),
        (Stop(failures.EMPTY), failures.EMPTY),
    ],
)
def test_every_error_of_a_site_is_told_in_our_words(error: BaseException, failure: Failure) -> None:
    told = failure_of(error)
    assert (told.reason, told.message, told.retryable) == (failure.reason, failure.message, failure.retryable)


def test_the_proxys_answer_is_found_in_whatever_it_is_wrapped() -> None:
    assert status_of(thrown(ExtractorError("x", cause=ProxyError(cause=REFUSED)))) == 470
    assert status_of(ValueError("x")) == 0


def test_a_limit_is_named_in_the_message_and_for_programs() -> None:
    error = failures.TOO_LARGE.error(max_bytes="5")
    assert "5 bytes" in error.message
    assert error.metadata == {"max_bytes": "5"}
    assert replace(failures.TOO_LARGE, message="x").error().metadata == {}
