"""Recordings that are kept whole, and what they are."""

from dataclasses import dataclass
from pathlib import Path

from yt_text import spool
from yt_text.job import Job, JobState

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of jobs on the disk.

    Attributes:
        folder: they are in `<media id>` for uploads, in `<job id>` for what was fetched.
        keep_fetched: what was fetched stays after the job has succeeded. Otherwise it goes then, and is not shown
            before: a player that vanishes at the end would puzzle.
    """

    folder: Path
    keep_fetched: bool = False

    def find(self, job: Job) -> Path | None:
        """Returns the whole recording of a job, if it is kept. Reads a few bytes from the disk."""
        if not job.media_id and not self.keep_fetched and job.state not in (JobState.FAILED, JobState.CANCELLED):
            return None
        path = self.folder / (job.media_id or job.id)
        return path if spool.is_complete(path) else None


@dataclass(frozen=True, slots=True)
class Kind:
    """What a recording is: its media type for HTTP, and the ending of its file name."""

    media_type: str
    extension: str


UNKNOWN = Kind("application/octet-stream", ".bin")


def recognise(head: bytes) -> Kind:
    """Tells a recording's kind by its first `HEAD_BYTES`. It is sound, video or unknown: never a page or script."""
    if head[4:8] == b"ftyp":
        return Kind("audio/mp4", ".m4a") if head[8:11] in (b"M4A", b"M4B") else Kind("video/mp4", ".mp4")
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return Kind("audio/wav", ".wav")
    if head[:4] == b"OggS":
        return Kind("audio/ogg", ".ogg")
    if head[:4] == b"fLaC":
        return Kind("audio/flac", ".flac")
    if head[:4] == b"\x1aE\xdf\xa3" and b"webm" in head[:64]:
        video = b"V_VP" in head or b"V_AV1" in head
        return Kind("video/webm", ".webm") if video else Kind("audio/webm", ".webm")
    if head[:3] == b"ID3":
        return Kind("audio/mpeg", ".mp3")
    if len(head) > 1 and head[0] == 0xFF:
        # A frame begins with eleven or twelve set bits; two behind them say which layer of MPEG, none for AAC.
        if head[1] & 0xF6 == 0xF0:
            return Kind("audio/aac", ".aac")
        if head[1] >= 0xE0 and head[1] & 0x06:
            return Kind("audio/mpeg", ".mp3")
    return UNKNOWN
