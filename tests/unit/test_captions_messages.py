"""How captions come from a fetch child to the service: as events, put together and not believed blindly."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt_text.errors import IntakeError, Reason
from yt_text.intake import failures
from yt_text.intake.captions import CaptionsInbox
from yt_text.intake.captions_segments import MAX_SEGMENT_CHARS
from yt_text.intake.fetch_messages import (
    MAX_EVENT_BYTES,
    CaptionLines,
    CaptionsFound,
    Event,
    Failed,
    FetchOrder,
    NoCaptions,
    event_line,
    read_event,
)
from yt_text.job import MediaInfo
from yt_text.transcript import Segment, Word

FOUND = CaptionsFound(MediaInfo(title="A talk"), "en", automatic=True)
SEGMENT = Segment(1, 2, "no\u2028 \U0001f3a7", (Word("no", 1, 2, 0.5),))


@pytest.mark.parametrize(
    "event",
    [
        FOUND,
        CaptionLines((SEGMENT, Segment(5, 9, "yes"))),
        CaptionLines(()),
        NoCaptions(None),
        NoCaptions(Failed(Reason.SITE_ERROR, "Sorry. Try again.", True, {"a": "b"})),
    ],
)
def test_an_event_is_read_as_it_was_meant(event: Event) -> None:
    assert read_event(event_line(event)) == event
    assert event_line(event).count(b"\n") == 1


def test_an_order_is_read_as_it_was_given() -> None:
    order = FetchOrder("u", "s", "w", "p", 1, 2.5, 3.0, 4, 5, 6, "en", True, 7, 8)
    assert FetchOrder.read(order.line()) == order


def test_the_longest_segment_fits_into_an_event() -> None:
    words = tuple(Word("\U0001f3a7", 3_599_999_999, 3_599_999_999, 1 / 3) for _ in range(MAX_SEGMENT_CHARS))
    longest = Segment(3_599_999_999, 3_599_999_999, "\U0001f3a7" * MAX_SEGMENT_CHARS, words)
    assert len(event_line(CaptionLines((longest,)))) < MAX_EVENT_BYTES


@settings(deadline=None)
@given(st.recursive(st.integers() | st.text(max_size=3) | st.none(), lambda inner: st.lists(inner, max_size=5)))
def test_segments_that_make_no_sense_are_no_event(value: object) -> None:
    line = json.dumps({"event": "lines", "segments": [value]}).encode()
    with pytest.raises(ValueError, match="not an event"):
        read_event(line)


@pytest.mark.parametrize(
    "segment", [[2, 1, "a", []], [-1, 1, "a", []], [0, 1, 5, []], [0, 1.5, "a", []], [0, 1, "a", [["b"]]]]
)
def test_a_segment_that_is_out_of_order_is_no_event(segment: object) -> None:
    with pytest.raises(ValueError, match="not an event"):
        read_event(json.dumps({"event": "lines", "segments": [segment]}).encode())


async def test_captions_are_put_together() -> None:
    inbox = CaptionsInbox(max_segments=3)
    waiting = asyncio.create_task(inbox.wait())
    inbox.take(FOUND)
    inbox.take(CaptionLines((SEGMENT,)))
    inbox.take(CaptionLines((Segment(5, 9, "yes"), Segment(9, 9, "no"))))
    await asyncio.sleep(0)
    assert not waiting.done(), "more may come"
    inbox.close(None)
    captions = await waiting
    assert captions is not None
    assert captions.segments == (SEGMENT, Segment(5, 9, "yes"), Segment(9, 9, "no"))
    assert (captions.language_code, captions.automatic, captions.media) == ("en", True, MediaInfo(title="A talk"))


async def test_more_captions_than_ordered_are_not_taken() -> None:
    inbox = CaptionsInbox(max_segments=1)
    inbox.take(FOUND)
    with pytest.raises(ValueError, match="more captions"):
        inbox.take(CaptionLines((SEGMENT, SEGMENT)))


async def test_that_there_are_none_is_known_before_the_recording_comes() -> None:
    inbox = CaptionsInbox(max_segments=1)
    inbox.take(NoCaptions(None))
    assert await inbox.wait() is None
    inbox.close(failures.KILLED.error())
    assert await inbox.wait() is None, "what happens to the recording is another matter"


async def test_why_captions_cannot_be_had_is_told() -> None:
    inbox = CaptionsInbox(max_segments=1)
    inbox.take(NoCaptions(Failed.of(failures.CAPTIONS_UNREADABLE.error())))
    with pytest.raises(IntakeError) as caught:
        await inbox.wait()
    assert caught.value.message == failures.CAPTIONS_UNREADABLE.message


async def test_half_of_the_captions_are_none() -> None:
    inbox = CaptionsInbox(max_segments=5)
    inbox.take(FOUND)
    inbox.take(CaptionLines((SEGMENT,)))
    inbox.close(failures.KILLED.error())
    with pytest.raises(IntakeError):
        await inbox.wait()
