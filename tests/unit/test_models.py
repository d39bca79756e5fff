"""Our own test models in the real whisper.cpp: what each sound and option gives."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pywhispercpp.model import Model

from tests.models import HIGH, LOW, MICRO, TRANSLATION, Line, Script, wired_model
from tests.wired import encode
from tools.micro_model.ggml import read_head

SAMPLE_RATE = 16_000

Sound = NDArray[np.float32]


def tone(frequency_hz: float, duration_s: float = 5.0) -> Sound:
    at_s = np.arange(int(duration_s * SAMPLE_RATE)) / SAMPLE_RATE
    return (0.3 * np.sin(2 * np.pi * frequency_hz * at_s)).astype(np.float32)


LOW_TONE, HIGH_TONE = tone(400), tone(5000)
SILENCE = np.zeros(5 * SAMPLE_RATE, np.float32)


def recited(
    model: Model,
    sound: Sound,
    *,
    language: str = "en",
    translate: bool = False,
    no_timestamps: bool = False,
) -> Script:
    # Every option is given in every call: the wrapper keeps those of the last one.
    segments = model.transcribe(
        sound, language=language, translate=translate, no_timestamps=no_timestamps, n_max_text_ctx=0
    )
    return tuple(Line(s.t0 / 100, " " + s.text, s.t1 / 100) for s in segments)


def detected_language(model: Model, sound: Sound) -> str:
    (code, _), _ = model.auto_detect_language(sound, n_threads=1)
    return code


def load(path: Path) -> Model:
    return Model(str(path), n_threads=1, print_progress=False, redirect_whispercpp_logs_to=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def multilingual(folder: Path) -> Model:
    return load(wired_model(folder / "multilingual.bin"))


@pytest.fixture(scope="module")
def english(folder: Path) -> Model:
    return load(wired_model(folder / "english.bin", multilingual=False))


@pytest.fixture(params=["multilingual", "english"])
def either(request: pytest.FixtureRequest) -> Model:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(("sound", "script"), [(LOW_TONE, LOW), (HIGH_TONE, HIGH), (SILENCE, ())])
def test_each_sound_gives_its_script_with_its_times(either: Model, sound: Sound, script: Script) -> None:
    assert recited(either, sound) == script


def test_sound_amid_silence_is_found(either: Model) -> None:
    assert recited(either, np.concatenate([SILENCE, SILENCE, SILENCE, LOW_TONE, SILENCE])) == LOW


@pytest.mark.parametrize(("sound", "script"), [(LOW_TONE, LOW), (HIGH_TONE, HIGH)])
def test_the_text_is_the_same_without_timestamps(either: Model, sound: Sound, script: Script) -> None:
    segments = recited(either, sound, no_timestamps=True)
    assert "".join(s.text for s in segments) == "".join(line.text for line in script)


@pytest.mark.parametrize("sound", [LOW_TONE, HIGH_TONE])
def test_the_task_translate_gives_the_translation(multilingual: Model, sound: Sound) -> None:
    assert recited(multilingual, sound, translate=True) == TRANSLATION


def test_language_is_detected_and_text_follows(multilingual: Model) -> None:
    assert detected_language(multilingual, LOW_TONE) == "de"
    assert recited(multilingual, LOW_TONE, language="auto") == LOW


def test_scripts_language_and_layers_are_the_callers(tmp_path: Path) -> None:
    script = (Line(0.5, " Rivers of coffee", 1.5), Line(1.6, " and music.", 29.98))
    model = load(wired_model(tmp_path / "own.bin", low=script, high=(), language="fr", encoder_layers=3))
    assert recited(model, LOW_TONE) == script
    assert recited(model, HIGH_TONE) == script
    assert detected_language(model, LOW_TONE) == "fr"


@pytest.mark.parametrize("call", range(3))
def test_calls_in_any_number_give_the_same(multilingual: Model, call: int) -> None:
    assert recited(multilingual, LOW_TONE) == LOW
    assert recited(multilingual, SILENCE) == ()


@pytest.mark.parametrize(
    "script",
    [
        (Line(0.0, " table and table", 2.0),),
        (Line(0.0, " table", 2.0), Line(2.0, " garden", 3.0)),
        (Line(0.0, " table", 31.0),),
        (Line(0.0, "".join(f" {n}" for n in range(200)), 1.0),),
        (),
    ],
    ids=["a word twice", "a time twice", "a time after the window", "too long", "empty"],
)
def test_a_script_that_cannot_be_wired_is_refused(tmp_path: Path, script: Script) -> None:
    with pytest.raises(ValueError, match=r"twice|within|too many|empty"):
        wired_model(tmp_path / "refused.bin", low=script)


def test_a_text_is_split_into_tokens_that_join_to_it() -> None:
    vocabulary = read_head(MICRO).vocabulary
    ids = {token: place for place, token in enumerate(vocabulary)}
    text = " naïve Foxtrot, café!"
    assert b"".join(vocabulary[token] for token in encode(text, ids)) == text.encode()
    with pytest.raises(ValueError, match="no token"):  # the file has no tokens of single bytes above 127
        encode("\N{GRINNING FACE}", ids)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.bin"
    path.write_bytes(b"<html>not found</html>" * 10)
    with pytest.raises(ValueError, match="not a whisper"):
        read_head(path)
