"""Captions that a site gives with a recording: what is asked for, and what came.

The fetch child finds, downloads and reads them (`captions_fetch`); here they arrive in the service.
"""

import asyncio
from dataclasses import dataclass

from yt_text.errors import IntakeError
from yt_text.intake.fetch_messages import CaptionLines, CaptionsFound, NoCaptions
from yt_text.job import MediaInfo
from yt_text.transcript import Segment

__all__ = ["Captions", "CaptionsInbox", "CaptionsOrder"]


@dataclass(frozen=True)
class CaptionsOrder:
    """Which captions to fetch.

    Attributes:
        language_code: BCP-47 tag of the speech, or `auto` for the language of the recording.
        then_recording: fetch the recording if there are no captions.
    """

    language_code: str = "auto"
    then_recording: bool = False


@dataclass(frozen=True)
class Captions:
    """A recording's text as its site has it.

    Attributes:
        segments: at least one, in order of time, none overlapping the next. `words` are filled in where
            the captions have times of words.
        language_code: BCP-47 tag, empty if the site does not tell.
        automatic: made by a program, not by people.
    """

    segments: tuple[Segment, ...]
    language_code: str
    automatic: bool
    media: MediaInfo


class CaptionsInbox:
    """Puts together what a fetch child tells of captions, and hands it out once.

    Args:
        max_segments: more are not believed.
    """

    def __init__(self, max_segments: int) -> None:
        self._max_segments = max_segments
        self._found: CaptionsFound | None = None
        self._segments: list[Segment] = []
        self._answered = asyncio.Event()
        self._error: IntakeError | None = None

    def take(self, event: CaptionsFound | CaptionLines | NoCaptions) -> None:
        """Takes the child's next word. Raises ValueError if it does not make sense."""
        match event:
            case CaptionsFound():
                self._found = event
            case CaptionLines(segments):
                self._segments += segments
                if len(self._segments) > self._max_segments:
                    raise ValueError("more captions than ordered")
            case NoCaptions(problem):
                self.close(problem.error if problem is not None else None)

    def close(self, error: IntakeError | None) -> None:
        """Says that nothing more comes, and why if the captions cannot be had."""
        if not self._answered.is_set():
            self._error = error
            self._answered.set()

    async def wait(self) -> Captions | None:
        """Waits for the answer. Raises IntakeError if it cannot be had."""
        await self._answered.wait()
        if self._error is not None:
            raise self._error
        if self._found is None:
            return None
        found = self._found
        return Captions(tuple(self._segments), found.language_code, found.automatic, found.media)
