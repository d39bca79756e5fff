"""Turns a recording's bytes into PCM, whatever the container and codec, and says what was wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Never, Self, cast

import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.packet import Packet

from yt_text.audio.container import RATES_HZ, Recording, Source, open_recording, open_splice, raise_rate
from yt_text.audio.timeline import BYTES_PER_SAMPLE
from yt_text.engines.engine import SAMPLE_RATE
from yt_text.errors import MediaError, Problem, Reason

_BLOCK_BYTES = SAMPLE_RATE * BYTES_PER_SAMPLE
_GAP_S = 0.1
"""Times may be off by this much before silence is put in."""
_DAMAGE_MIN = 100
"""So many packets may be damaged before it is asked whether most are."""
_READ_ERRORS_MAX = 32
_FAILURES_MAX = 16
"""So many packets in a row that cannot be decoded are perhaps of another codec."""
_SPLICES_MAX = 256
_TS_PACKET_BYTES = 188


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a recording may ask for.

    Attributes:
        max_duration_s: a longer recording is refused, by what it declares or as it shows.
        max_gap_s: a longer jump in its times is a mistake of the recording's, and not filled with silence.
    """

    max_duration_s: float = 4 * 3600
    max_gap_s: float = 300


class Decoder:
    """Decodes one recording. Iterate over it once for blocks of about a second: 16 kHz mono s16le.

    Args:
        source: the recording, at its beginning.
        limits: what it may ask for.

    Raises:
        MediaError: `RECORDING_EMPTY`, `MEDIA_UNREADABLE`, `NO_AUDIO_TRACK`, `RECORDING_TOO_LONG`; when
            made or while iterated over. What the source raises comes through.
    """

    def __init__(self, source: Source, limits: DecodeLimits | None = None) -> None:
        self._limits = limits or DecodeLimits()
        self._recording = open_recording(source)
        self._base_s: float | None = None
        self._source = source
        self._sound_position = 0  # of the last packet that could be decoded, or the first that could not
        self._next_pts: int | None = None
        self._failures = 0  # packets in a row that could not be decoded
        self._good = 0
        self._good_before = 0  # when the present container was opened
        self._bad = 0
        self._cut_short = False
        self.samples = 0
        """How many samples were decoded so far."""
        if self._recording.declared_s > self._limits.max_duration_s + self._recording.slack_s:
            self.close()
            self._raise_too_long()

    def __iter__(self) -> Iterator[bytes]:
        block = bytearray()
        for piece in self._pieces():
            self.samples += len(piece) // BYTES_PER_SAMPLE
            if self.samples > self._limits.max_duration_s * SAMPLE_RATE:
                self._raise_too_long()
            block += piece
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        # An index that is damaged, or too big for the memory allowed, leaves nothing of what was declared.
        if self._bad > self._good or (not self.samples and self._recording.declared_s):
            _raise_damaged()
        if not self.samples:
            raise MediaError(Reason.RECORDING_EMPTY, "The recording has no sound in it: its length is zero.")
        if block:
            yield bytes(block)

    @property
    def declared_ms(self) -> int:
        """How long the recording says it is; 0 if it does not say."""
        return round(self._recording.declared_s * 1000)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is to be said of a recording that was decoded to its end."""
        found: list[Problem] = []
        if self._bad:
            found.append(
                Problem(
                    Reason.RECORDING_DAMAGED,
                    "Parts of the recording are damaged; some speech may be missing.",
                    {"damaged_packets": str(self._bad)},
                )
            )
        decoded_s, declared_s = self.samples / SAMPLE_RATE, self._recording.declared_s
        if self._cut_short or decoded_s < declared_s - self._recording.slack_s:
            metadata = {"decoded_s": f"{decoded_s:.0f}"}
            if declared_s:
                metadata["declared_s"] = f"{declared_s:.0f}"
            found.append(
                Problem(
                    Reason.RECORDING_TRUNCATED,
                    "The recording ends before it should; the transcript ends there too.",
                    metadata,
                )
            )
        return tuple(found)

    def close(self) -> None:
        """Frees what the media library holds."""
        self._recording.container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _raise_too_long(self) -> Never:
        limit_s = self._limits.max_duration_s
        raise MediaError(
            Reason.RECORDING_TOO_LONG,
            f"The recording is longer than {limit_s / 60:.0f} minutes, the most that is accepted. Cut it into parts.",
            max_duration_s=f"{limit_s:.0f}",
        )

    def _pieces(self) -> Iterator[bytes | memoryview]:
        """Decoded sound, with silence where the recording's times say that some is missing."""
        resampler, setup = _resampler(), None
        for frame in self._frames():
            if frame.sample_rate not in RATES_HZ:
                raise_rate(frame.sample_rate)
            if setup != (now := (frame.format.name, frame.layout.name, frame.sample_rate)):
                # Spliced in: another rate or layout. A resampler knows only the first.
                yield from self._sound(resampler, None)
                resampler, setup = _resampler(), now
            yield from self._silence_before(frame)
            frame.pts = None
            yield from self._sound(resampler, frame)
        yield from self._sound(resampler, None)

    def _sound(self, resampler: AudioResampler, frame: AudioFrame | None) -> list[memoryview]:
        try:
            frames = resampler.resample(frame)
        except (av.error.FFmpegError, ValueError):  # more channels than there are, and the like
            self._count_damage()
            return []
        return [memoryview(piece.planes[0])[: piece.samples * BYTES_PER_SAMPLE] for piece in frames]

    def _silence_before(self, frame: AudioFrame) -> Iterator[bytes]:
        time_s = frame.time if self._recording.timed else None
        if time_s is None:
            return
        now_s = self.samples / SAMPLE_RATE
        if self._base_s is None:
            start = cast("int | None", self._recording.container.start_time)  # PyAV's annotation forgets None
            self._base_s = (time_s if start is None else start / 1e6) - now_s
        gap_s = time_s - self._base_s - now_s
        declared = time_s - self._base_s <= self._recording.declared_s + self._recording.slack_s
        if abs(gap_s) > self._limits.max_gap_s and not (declared and gap_s > 0):
            self._base_s = time_s - now_s  # the clock was set anew
        elif gap_s > _GAP_S:
            missing = round(gap_s * SAMPLE_RATE) * BYTES_PER_SAMPLE
            for start in range(0, missing, _BLOCK_BYTES):
                yield bytes(min(_BLOCK_BYTES, missing - start))
        # Times that go back a little: all sound is kept, and the next gap is that much shorter.

    def _frames(self) -> Iterator[AudioFrame]:
        for packet in self._packets():
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):
                self._failures += 1
                self._count_damage()
                continue
            self._failures = 0
            for frame in frames:
                if not frame.samples:
                    continue
                if frame.is_corrupt:
                    self._count_damage()
                self._good += 1
                yield frame

    def _packets(self) -> "Iterator[Packet[AudioStream]]":
        """Packets of the recording, and of those spliced on behind it with other tracks or another codec."""
        origin = 0
        for _ in range(_SPLICES_MAX):
            yield from self._packets_of(self._recording)
            position = self._splice()
            if position is None or (splice := open_splice(self._source, origin + position)) is None:
                return
            self.close()
            self._bad -= self._failures  # it was no damage after all
            self._failures = 0
            self._recording, self._base_s, self._next_pts = splice, None, None
            self._good_before = self._good
            origin += position

    def _splice(self) -> int | None:
        """Where in the present container's bytes another stream begins; None if that is its end."""
        if not self._recording.spliced:
            return None
        if self._may_be_another_codec():
            return self._sound_position
        return self._sound_position + _TS_PACKET_BYTES if self._has_more_tracks() else None

    def _may_be_another_codec(self) -> bool:
        # Opened anew and no better: then it is damage.
        return self._failures >= _FAILURES_MAX and self._good > self._good_before

    def _has_more_tracks(self) -> bool:
        return self._recording.count_audio_tracks() > len(self._recording.container.streams.audio)

    def _jumps(self, packet: "Packet[AudioStream]") -> bool:
        """Tells whether there was something else between the last packet and this one."""
        if packet.pts is None or not packet.time_base:
            return False
        expected, self._next_pts = self._next_pts, packet.pts + (packet.duration or 0)
        return expected is not None and abs(packet.pts - expected) * packet.time_base > 1

    def _packets_of(self, recording: Recording) -> "Iterator[Packet[AudioStream]]":
        errors = 0
        while True:
            try:
                for packet in recording.container.demux(recording.stream):
                    errors = 0
                    if recording.spliced and self._jumps(packet) and self._has_more_tracks():
                        return
                    if packet.pos is not None and not self._failures:
                        self._sound_position = packet.pos
                    yield packet
                    if recording.spliced and self._may_be_another_codec():
                        return
            except (av.error.FFmpegError, ValueError):
                # The container itself is damaged here; often it goes on behind.
                errors += 1
                self._count_damage()
                if errors >= _READ_ERRORS_MAX:
                    self._cut_short = True
                    return
            except IndexError:
                # PyAV, at the end of a recording in which a track began later than it looked for tracks.
                return
            else:
                return

    def _count_damage(self) -> None:
        self._bad += 1
        if self._bad >= _DAMAGE_MIN and self._bad > self._good:
            _raise_damaged()


def _resampler() -> AudioResampler:
    return AudioResampler("s16", "mono", SAMPLE_RATE)


def _raise_damaged() -> Never:
    raise MediaError(Reason.MEDIA_UNREADABLE, "The recording is too damaged to be decoded.")
