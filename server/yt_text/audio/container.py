"""Opens a recording and chooses its audio track, without trusting either.

The media library opens nothing by itself: a playlist or description that names files or addresses is not
even recognised, because formats, codecs and protocols are those listed here and no others. How the source
is read, forward only or with seeks, depends on its content alone and not on how much of it has arrived,
so that a recording decoded while it is fetched and again later gives the same samples.
"""

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Never, Protocol, cast

import av
import av.error
import av.logging
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition

from yt_text.errors import MediaError, Reason

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,ogg,mp3,aac,flac,wav,w64,mpegts,mpeg,flv,avi,asf,aiff,caf,amr,"
    "ac3,eac3,au,dts"
)
CODECS = (
    "mp3,mp3float,mp2,mp2float,aac,aac_latm,opus,libopus,vorbis,flac,alac,ac3,eac3,wmav1,wmav2,wmapro,"
    "amrnb,amrwb,pcm_s16le,pcm_s16be,pcm_u8,pcm_s8,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,"
    "pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ima_wav,adpcm_ms,adpcm_ima_qt,dca,speex,libspeex"
)
_CODEC_NAMES = frozenset(CODECS.split(","))
RATES_HZ = range(4_000, 384_001)
"""Sample rates that are decoded: at 1 Hz a megabyte would be days of sound."""
_PROBES = ((1 << 20, 3_000_000), (16 << 20, 60_000_000))
"""How many bytes and microseconds to look for an audio track: a video's may begin late."""
_TIMED = frozenset({"mov", "matroska", "ogg", "mpegts", "mpeg", "flv", "asf"})
_SEEKING = (b"caff", b"FORM")
"""Beginnings of files whose parts may stand in any order."""
_AUDIO_TRACK = re.compile(r"^ *Stream #0:\d.*: Audio: ", re.MULTILINE)
_OWN_SLACK_S = 2.0
_TAG_BYTES_MAX = 4 << 20
_BOXES_MAX = 64

av.logging.set_level(None)


class Source(Protocol):
    """What a recording is read from. `read` gives `b""` at the end only."""

    def read(self, size: int = -1, /) -> bytes:
        """Reads up to `size` bytes."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves to a position."""
        ...

    def tell(self) -> int:
        """Returns the present position."""
        ...


class _Forward:
    """A source that only goes forward: PyAV does not seek what has no `seek`."""

    def __init__(self, source: Source) -> None:
        self.read = source.read


class _Seekable:
    """A source that seeks, even where its end is still to come: reading there waits."""

    def __init__(self, source: Source) -> None:
        self.read, self.seek, self.tell = source.read, source.seek, source.tell


@dataclass(frozen=True, slots=True)
class Recording:
    """An open recording.

    Attributes:
        container: to be closed by whoever opened it.
        stream: the only track that is read.
        timed: the container says when each sound is to be heard, rather than just listing them.
        spliced: another stream, with other tracks, may be written straight behind it.
        declared_s: how long the recording says it is; 0 if it does not say.
        slack_s: how far its true length may be from that without being a surprise.
    """

    container: InputContainer
    stream: AudioStream
    timed: bool
    spliced: bool
    declared_s: float
    slack_s: float

    def count_audio_tracks(self) -> int:
        """Counts the audio tracks seen by now. `container.streams` holds only those seen at first."""
        # PyAV shows later ones in its description alone, and that goes through the log.
        av.logging.set_level(av.logging.INFO)
        try:
            return len(_AUDIO_TRACK.findall(cast(Any, self.container).dumps_format()))  # missing in PyAV's stub
        finally:
            av.logging.set_level(None)


def open_recording(source: Source) -> Recording:
    """Opens a recording that its source is at the beginning of.

    Raises:
        MediaError: `RECORDING_EMPTY`, `MEDIA_UNREADABLE`, `NO_AUDIO_TRACK`. What the source raises comes
            through.
    """
    head = _read(source, 16)
    if not head:
        raise MediaError(Reason.RECORDING_EMPTY, "The recording is empty: it has no bytes.")
    seeks = head[4:8] == b"ftyp" and _index_is_late(source)
    source_for_av = _Seekable(source) if seeks or head[:4] in _SEEKING else _Forward(source)
    declared_s = _mp3_declares_s(source, head)
    for probe in _PROBES:
        source.seek(0)
        try:
            container = _open(source_for_av, *probe)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError):
            raise MediaError(
                Reason.MEDIA_UNREADABLE,
                "This is not an audio or video file that can be read. Check that it plays, or convert it to "
                "MP3 or M4A.",
            ) from None
        if container.streams.audio:
            return _recording(container, declared_s)
        container.close()
    raise MediaError(Reason.NO_AUDIO_TRACK, "The recording has no audio track.")


def open_splice(source: Source, position: int) -> Recording | None:
    """Opens what was spliced on behind a transport stream, if there is anything; see `Recording.spliced`."""
    source.seek(position)
    try:
        container = _open(_Forward(source), *_PROBES[0])
    except (av.error.FFmpegError, ValueError):
        return None
    if container.streams.audio:
        return _recording(container, 0)
    container.close()
    return None


def _recording(container: InputContainer, declared_s: float) -> Recording:
    stream, slack_s = _choose(container), _OWN_SLACK_S
    if not declared_s:
        declared_s, slack_s = _declares_s(container, stream)
    form = container.format.name.split(",")[0]
    return Recording(container, stream, form in _TIMED, form == "mpegts", declared_s, slack_s)


def _open(source: object, probe_bytes: int, analyze_us: int) -> InputContainer:
    return av.open(
        source,
        mode="r",
        options={
            "format_whitelist": FORMATS,
            "codec_whitelist": CODECS,
            "protocol_whitelist": "none",
            "probesize": str(probe_bytes),
            "analyzeduration": str(analyze_us),
        },
        metadata_errors="ignore",
        buffer_size=1 << 16,
        io_open=_refuse,
    )


def _read(source: Source, size: int) -> bytes:
    """Reads `size` bytes, however few come at a time; fewer only at the end."""
    data = bytearray()
    while len(data) < size and (more := source.read(size - len(data))):
        data += more
    return bytes(data)


def _declares_s(container: InputContainer, stream: AudioStream) -> tuple[float, float]:
    """How long a recording says it is, and how far from that is no surprise."""
    if stream.duration and stream.time_base:
        declared_s = float(stream.duration * stream.time_base)
        return declared_s, max(_OWN_SLACK_S, declared_s * 0.01)
    # The longest track's, perhaps not this one's.
    declared_s = (container.duration or 0) / 1e6
    return declared_s, max(5.0, declared_s * 0.05)


def _mp3_declares_s(source: Source, head: bytes) -> float:
    """Reads how long an MP3 says it is: its first frame may count all frames.

    The media library reads that only where it can seek, and where it cannot find it takes the file's
    size for a measure. So it gets to see the beginning as a file of its own, and what it makes of that is
    never too long.
    """
    if head[:3] == b"ID3":
        tag_bytes = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    elif head[0] == 0xFF and head[1:2] >= b"\xe0":
        tag_bytes = 0
    else:
        return 0
    source.seek(0)
    beginning = _read(source, min(tag_bytes, _TAG_BYTES_MAX) + (16 << 10))
    try:
        with _open(BytesIO(beginning), *_PROBES[0]) as container:
            return (container.duration or 0) / 1e6 if container.format.name == "mp3" else 0
    except (av.error.FFmpegError, ValueError):
        return 0


def _choose(container: InputContainer) -> AudioStream:
    """Takes the track that a player would play, and turns off all others."""
    known = [s for s in container.streams.audio if s.codec_context and s.codec_context.name in _CODEC_NAMES]
    if not known:
        raise MediaError(
            Reason.MEDIA_UNREADABLE,
            "The recording's audio is in a form that cannot be decoded. Convert it to MP3 or M4A.",
        )
    chosen = min(known, key=lambda s: (not s.disposition & Disposition.default, s.index))
    if chosen.rate and chosen.rate not in RATES_HZ:
        raise_rate(chosen.rate)
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    chosen.codec_context.thread_count = 1
    return chosen


def _index_is_late(source: Source) -> bool:
    """Tells whether an MP4's sound comes before the index that says where it is."""
    position = 0
    for _ in range(_BOXES_MAX):
        source.seek(position)
        header = _read(source, 16)
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if kind == b"mdat":
            return True
        if kind in (b"moov", b"moof") or size < 8:
            return False
        position += size
    return False


def _refuse(*_: object) -> Never:
    raise PermissionError("a recording opens nothing else")


def raise_rate(rate_hz: int) -> Never:
    """Refuses a sample rate outside `RATES_HZ`."""
    raise MediaError(
        Reason.MEDIA_UNREADABLE,
        f"The recording's sample rate of {rate_hz} Hz is outside {RATES_HZ[0]} to {RATES_HZ[-1]} Hz.",
    )
