"""The recordings that other tests trust: known words at known times, in files of every kind."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pywhispercpp.model import Model

from tests.models import MICRO
from tests.recordings import (
    PHRASES,
    SAMPLE_RATE,
    Codec,
    Pcm,
    Recording,
    SpokenWord,
    concatenate,
    matches,
    music,
    noise,
    phrases,
    speech,
    with_silences,
    word_errors,
    write,
    write_rate_change,
    write_video_only,
)
from tests.scoring import spoken


@pytest.fixture(scope="module")
def micro() -> Model:
    return Model(str(MICRO), n_threads=1, print_progress=False, redirect_whispercpp_logs_to=None)


def heard(model: Model, pcm: Pcm) -> list[tuple[float, str]]:
    """Returns start and text of each segment that the model hears."""
    sound = (pcm / 32768).astype(np.float32)
    return [(s.t0 / 100, s.text) for s in model.transcribe(sound, language="en", n_max_text_ctx=0)]


def decoded(path: Path) -> Pcm:
    with av.open(str(path)) as file:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = [*file.decode(audio=0), None]
        return np.concatenate([part.to_ndarray()[0] for frame in frames for part in resampler.resample(frame)])


def delay_samples(sound: Pcm, original: Pcm) -> int:
    """Returns by how many samples `sound` is later than `original`, at most 2000 either way."""
    middle = original[2000:-2000].astype(np.float64)
    fits = np.correlate(sound[: len(original)].astype(np.float64), middle, "valid")
    return int(np.argmax(fits)) - 2000


def level_dbfs(pcm: Pcm) -> float:
    return 20 * math.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) / 32768)


def test_the_bank_holds_ten_minutes_of_all_words() -> None:
    assert len(phrases()) == 400
    assert sum(phrase.duration_s for phrase in phrases()) > 600
    assert len({word.text for phrase in phrases() for word in phrase.words}) == 85


def test_words_lie_in_order_within_their_phrase_where_it_is_loud() -> None:
    for phrase in phrases():
        loudest = np.abs(phrase.pcm.astype(int)).max()
        before_s = 0.0
        for word in phrase.words:
            assert before_s - 0.02 <= word.start_s < word.end_s <= phrase.duration_s + 0.01
            part = phrase.pcm[int(word.start_s * SAMPLE_RATE) : int(word.end_s * SAMPLE_RATE)]
            assert np.abs(part.astype(int)).max() > loudest / 50
            before_s = word.end_s


@given(st.floats(0, 40), st.integers(0, 1000))
def test_speech_has_its_exact_length_and_all_words_inside(duration_s: float, seed: int) -> None:
    recording = speech(duration_s, seed=seed)
    assert len(recording.pcm) == round(duration_s * SAMPLE_RATE)
    assert all(0 < word.start_s < word.end_s <= duration_s + 0.01 for word in recording.words)
    starts_s = [word.start_s for word in recording.words]
    assert starts_s == sorted(starts_s)
    assert recording.text.split() == [word.text for word in recording.words]


def test_speech_follows_from_its_seed() -> None:
    first, again, other = speech(20, seed=1), speech(20, seed=1), speech(20, seed=2)
    assert np.array_equal(first.pcm, again.pcm)
    assert first.words == again.words
    assert first.text != other.text


def test_every_phrase_comes_once_before_one_comes_twice() -> None:
    said = speech(2000, gap_s=(0.2, 0.3)).text.split()
    first_round = sorted(word.text for phrase in phrases() for word in phrase.words)
    assert sorted(said[: len(first_round)]) == first_round
    assert len(said) > len(first_round)


def test_pauses_are_as_long_as_asked() -> None:
    pauses_s = pauses(speech(120, gap_s=(2.0, 3.0)))
    assert len([pause_s for pause_s in pauses_s if pause_s > 1.9]) > 20
    assert max(pauses_s) < 3.1


def pauses(recording: Recording) -> list[float]:
    return [after.start_s - before.end_s for before, after in pairwise(recording.words)]


def test_long_silences_lie_between_passages() -> None:
    recording = with_silences(3, passage_s=10, silence_s=20)
    assert recording.duration_s == 70
    assert len([pause_s for pause_s in pauses(recording) if pause_s > 20]) == 2


def test_joined_recordings_keep_their_words_at_their_sound() -> None:
    first, second = speech(5, seed=1), speech(7, seed=2)
    joined = concatenate(first, noise(3), second)
    assert joined.duration_s == 15
    assert joined.text == f"{first.text} {second.text}"
    assert joined.words[-1].start_s == pytest.approx(second.words[-1].start_s + 8)


@pytest.mark.parametrize("asked_dbfs", [-60.0, -40.0, -20.0])
def test_noise_and_music_have_the_asked_level_and_no_words(asked_dbfs: float) -> None:
    for recording in (noise(4, level_dbfs=asked_dbfs), music(4, level_dbfs=asked_dbfs)):
        assert level_dbfs(recording.pcm) == pytest.approx(asked_dbfs, abs=0.5)
        assert recording.duration_s == 4
        assert not recording.words


def test_digital_silence_is_noise_of_no_level() -> None:
    assert not noise(1, level_dbfs=-math.inf).pcm.any()


def test_the_micro_model_hears_the_words_at_their_times(micro: Model) -> None:
    recordings = [speech(28, seed=seed) for seed in range(8)]
    expected: list[str] = []
    texts: list[str] = []
    late_s: list[float] = []
    for recording in recordings:
        segments = heard(micro, recording.pcm)
        expected += [word.text for word in recording.words]
        texts += [text for _, text in segments]
        starts = [(start_s if not i else None, word) for start_s, t in segments for i, word in enumerate(spoken(t))]
        for said, found in matches([word.text for word in recording.words], [word for _, word in starts]):
            start_s = starts[found][0]
            if start_s is not None:
                late_s.append(start_s - recording.words[said].start_s)
    assert word_errors(expected, " ".join(texts)) < 0.15
    assert len(late_s) > 50
    assert np.median(np.abs(late_s)) < 0.05


def test_the_demo_says_what_its_description_says(micro: Model) -> None:
    words = [SpokenWord(*word) for word in json.loads(PHRASES.with_name("demo.json").read_text())]
    pcm = decoded(PHRASES.with_name("demo.mp3"))
    assert 75 <= len(pcm) / SAMPLE_RATE <= 90
    assert word_errors([word.text for word in words], " ".join(text for _, text in heard(micro, pcm))) < 0.15


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "late_samples"),
    [
        ("wav", None, 1, 0),
        ("flac", None, 1, 0),
        ("mp3", None, 1, 0),
        ("mp3", 16_000, 1, 0),
        ("opus", None, 2, 0),
        ("m4a", None, 2, 0),
        ("m4a", 16_000, 1, 0),
        ("ts", None, 1, 1024 * SAMPLE_RATE / 44_100),
        ("wav", 8_000, 2, 0),
        ("flac", 96_000, 1, 0),
    ],
)
def test_a_file_holds_the_sound_at_its_time(
    tmp_path: Path, codec: Codec, rate: int | None, channels: int, late_samples: float
) -> None:
    recording = speech(6, seed=5)
    path = write(recording, tmp_path / "sound", codec=codec, rate=rate, channels=channels)
    with av.open(str(path)) as file:
        context = file.streams.audio[0].codec_context
        assert context.channels == channels
        assert rate is None or context.sample_rate == rate
    sound = decoded(path)
    assert len(sound) / SAMPLE_RATE == pytest.approx(6, abs=0.1)
    assert delay_samples(sound, recording.pcm) == pytest.approx(late_samples, abs=2)


def test_lossless_files_hold_the_very_samples(tmp_path: Path) -> None:
    pcm = music(3).pcm
    for codec in ("wav", "flac"):
        assert np.array_equal(decoded(write(pcm, tmp_path / "sound", codec=codec)), pcm)


def test_the_bitrate_is_the_callers(tmp_path: Path) -> None:
    small, large = (write(speech(10), tmp_path / str(b), codec="mp3", bitrate_bps=b) for b in (32_000, 128_000))
    assert large.stat().st_size / small.stat().st_size == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("faststart", [False, True])
def test_the_index_of_an_m4a_stands_after_the_sound_or_before(tmp_path: Path, faststart: bool) -> None:
    path = write(speech(3), tmp_path / "sound", codec="m4a", faststart=faststart)
    boxes = list(mp4_boxes(path.read_bytes()))
    assert (boxes.index("moov") < boxes.index("mdat")) == faststart


def mp4_boxes(data: bytes) -> Iterator[str]:
    at = 0
    while at < len(data):
        yield data[at + 4 : at + 8].decode()
        at += int.from_bytes(data[at : at + 4], "big")


def test_a_video_without_sound_has_no_audio_stream(tmp_path: Path) -> None:
    with av.open(str(write_video_only(tmp_path / "video"))) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert sum(1 for _ in file.decode(video=0)) == 50


@pytest.mark.parametrize("codec", ["mp3", "adts"])
def test_the_rate_changes_in_the_middle_of_one_stream(tmp_path: Path, codec: str) -> None:
    path = write_rate_change(speech(8), tmp_path / "sound", codec="mp3" if codec == "mp3" else "adts")
    seconds: dict[int, float] = {}
    with av.open(str(path)) as file:
        assert len(file.streams) == 1
        for frame in file.decode(audio=0):
            seconds[frame.sample_rate] = seconds.get(frame.sample_rate, 0) + frame.samples / frame.sample_rate
    assert list(seconds) == [22_050, 44_100]
    assert list(seconds.values()) == pytest.approx([4, 4], abs=0.2)


def test_word_errors_count_wrong_missing_and_invented_words() -> None:
    expected = ["hello", "red", "garden", "nine"]
    assert word_errors(expected, " Hello, red\ngarden. NINE!") == 0
    assert word_errors(expected, "hello red nine") == 0.25
    assert word_errors(expected, "hello blue garden nine") == 0.25
    assert word_errors(expected, "hello red garden nine nine") == 0.25
    assert word_errors(expected, "") == 1


def test_matches_pair_the_words_that_were_heard_rightly() -> None:
    expected = ["one", "two", "three", "four", "five"]
    assert matches(expected, ["One,", "three!", "six", "five"]) == [(0, 0), (2, 1), (4, 3)]
    assert matches(["one"], []) == []
