"""What every engine promises, asked of each of them; and what each one knows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from threading import Event, Timer

import _pywhispercpp as whisper
import pytest

from tests.models import MICRO, Line, wired_model
from tests.scoring import matches, word_errors
from tests.sounds import noise, pause, sample_pcm, sample_words, seconds, silence
from yt_text.engines import catalog
from yt_text.engines.engine import ChunkOptions, ChunkResult, Engine
from yt_text.engines.languages import WHISPER_LANGUAGES
from yt_text.errors import EngineError, Reason

ENGLISH = ChunkOptions(language_code="en")
STOPPED_WITHIN_S = 20
"""Far more than any engine needs on a busy machine, far less than `LONG` takes pocketsphinx."""

WIRED_LOW = (Line(0.0, " Hello from speaker one.", 2.0), Line(2.02, " Second line!", 4.0))


@dataclass
class Loaded:
    engine: Engine
    speech: bytes


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wired_model(tmp_path_factory.mktemp("models") / "ggml-wired.bin", low=WIRED_LOW, high=())


@pytest.fixture(scope="module", params=["micro", "wired", "pocketsphinx"])
def loaded(request: pytest.FixtureRequest, wired: Path) -> Iterator[Loaded]:
    speech = seconds(sample_pcm(), 0, pause(0.3, 9))
    match request.param:
        case "micro":
            engine = catalog.load(catalog.WHISPER_CPP, str(MICRO), 1)
        case "wired":
            engine = catalog.load(catalog.WHISPER_CPP, str(wired), 1)
        case _:
            engine = catalog.load(catalog.POCKETSPHINX, "", 1)
    yield Loaded(engine, speech)
    engine.close()


@pytest.fixture(scope="module")
def micro() -> Iterator[Engine]:
    engine = catalog.load(catalog.WHISPER_CPP, str(MICRO), 1)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def multilingual(wired: Path) -> Iterator[Engine]:
    engine = catalog.load(catalog.WHISPER_CPP, str(wired), 1)
    yield engine
    engine.close()


def transcribe(engine: Engine, pcm: bytes, options: ChunkOptions = ENGLISH) -> ChunkResult:
    return engine.transcribe(pcm, options, Event())


def text(result: ChunkResult) -> str:
    return " ".join(segment.text for segment in result.segments)


def check_times(result: ChunkResult, duration_ms: int) -> None:
    edges = [0]
    for segment in result.segments:
        assert segment.text == segment.text.strip() != ""
        edges += [segment.start_ms, segment.end_ms]
        assert segment.words, "every segment has words with times"
        inside = [segment.start_ms]
        for word in segment.words:
            assert word.text == word.text.strip() != ""
            assert 0 <= word.confidence <= 1
            inside += [word.start_ms, word.end_ms]
        inside.append(segment.end_ms)
        assert inside == sorted(inside)
    edges.append(duration_ms)
    assert edges == sorted(edges)


def test_engine_says_what_it_is(loaded: Loaded):
    assert loaded.engine.name in catalog.ENGINES
    assert loaded.engine.model
    assert len(loaded.engine.model_sha256) in (0, 64)
    assert loaded.engine.max_chunk_ms == 30_000


def test_speech_gives_text_with_times_in_order_and_inside_the_chunk(loaded: Loaded):
    result = transcribe(loaded.engine, loaded.speech)
    assert result.segments
    assert result.language_code == "en"
    check_times(result, len(loaded.speech) // 32)


def test_words_join_to_the_text_of_their_segment(loaded: Loaded):
    for segment in transcribe(loaded.engine, loaded.speech).segments:
        assert " ".join(word.text for word in segment.words) == segment.text


def test_longest_chunk_is_taken(loaded: Loaded):
    pcm = (loaded.speech + silence(30))[: 30 * 32_000]
    result = transcribe(loaded.engine, pcm)
    assert result.segments
    check_times(result, 30_000)


@pytest.mark.parametrize("size", [1, 30 * 32_000 + 2])
def test_chunk_over_the_longest_or_with_half_a_sample_is_refused(loaded: Loaded, size: int):
    with pytest.raises(EngineError) as caught:
        transcribe(loaded.engine, bytes(size))
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("samples", [0, 1, 2, 159, 1_600, 7_999])
def test_chunk_of_any_short_length_is_taken(loaded: Loaded, samples: int):
    loud = noise(1, amplitude=0.2)[: samples * 2]
    check_times(transcribe(loaded.engine, loud), samples // 16)


@pytest.mark.parametrize("duration_s", [0.5, 5, 30])
def test_silence_gives_nothing(loaded: Loaded, duration_s: float):
    assert transcribe(loaded.engine, silence(duration_s)).segments == ()


def test_hum_below_hearing_gives_nothing(loaded: Loaded):
    assert transcribe(loaded.engine, noise(10, amplitude=0.0001)).segments == ()


def test_a_call_does_not_depend_on_the_calls_before(loaded: Loaded):
    alone = transcribe(loaded.engine, loaded.speech)
    other = ChunkOptions(language_code="auto", prompt="left right stop")
    transcribe(loaded.engine, seconds(sample_pcm(), 30, 36), other)
    transcribe(loaded.engine, b"")
    assert transcribe(loaded.engine, loaded.speech) == alone


def test_a_refused_call_leaves_nothing_behind(loaded: Loaded):
    alone = transcribe(loaded.engine, loaded.speech)
    with pytest.raises(EngineError):
        transcribe(loaded.engine, loaded.speech, ChunkOptions(language_code="tlh"))
    assert transcribe(loaded.engine, b"").segments == ()
    assert transcribe(loaded.engine, loaded.speech) == alone


def test_cancelled_call_returns_soon_and_the_next_one_works(loaded: Loaded):
    pcm = (loaded.speech * 8)[: 30 * 32_000]
    alone = transcribe(loaded.engine, loaded.speech)
    cancel = Event()
    timer = Timer(0.02, cancel.set)
    timer.start()
    begun = time.monotonic()
    result = loaded.engine.transcribe(pcm, ENGLISH, cancel)
    timer.join()
    assert result.segments == () or not cancel.is_set()
    assert time.monotonic() - begun < STOPPED_WITHIN_S
    assert transcribe(loaded.engine, loaded.speech) == alone


def test_call_cancelled_before_it_begins_computes_nothing(loaded: Loaded):
    cancel = Event()
    cancel.set()
    before_s = time.process_time()
    assert loaded.engine.transcribe((loaded.speech * 8)[: 30 * 32_000], ENGLISH, cancel).segments == ()
    assert time.process_time() - before_s < 0.5


@pytest.mark.parametrize("tag", ["tlh", "xx", "english", "e", "\0"])
def test_unknown_language_is_refused(loaded: Loaded, tag: str):
    with pytest.raises(EngineError) as caught:
        transcribe(loaded.engine, loaded.speech, ChunkOptions(language_code=tag))
    assert caught.value.reason is Reason.LANGUAGE_NOT_SUPPORTED


@pytest.mark.parametrize("tag", ["en", "en-GB", "EN-us", "auto", ""])
def test_english_is_known_under_all_its_tags(loaded: Loaded, tag: str):
    assert transcribe(loaded.engine, silence(1), ChunkOptions(language_code=tag)) is not None


@pytest.mark.parametrize("name", ["micro", "pocketsphinx"])
def test_engine_that_knows_english_only_refuses_other_languages_and_translation(name: str, micro: Engine):
    engine = micro if name == "micro" else catalog.load(catalog.POCKETSPHINX, "", 1)
    pcm = seconds(sample_pcm(), 0, 2)
    with pytest.raises(EngineError) as caught:
        transcribe(engine, pcm, ChunkOptions(language_code="de"))
    assert caught.value.reason is Reason.LANGUAGE_NOT_SUPPORTED
    with pytest.raises(EngineError) as caught:
        transcribe(engine, pcm, ChunkOptions(translate=True))
    assert caught.value.reason is Reason.OPTION_NOT_SUPPORTED


def test_micro_hears_the_words_at_their_times(micro: Engine):
    words = sample_words()
    cuts = [0.0, pause(0.4, 20), pause(0.4, 40), 60.0]
    heard: list[tuple[str, float, float]] = []
    for begin, end in pairwise(cuts):
        result = transcribe(micro, seconds(sample_pcm(), begin, end))
        heard += [
            (word.text, begin + word.start_ms / 1000, begin + word.end_ms / 1000)
            for segment in result.segments
            for word in segment.words
        ]
    assert word_errors([word.text for word in words], " ".join(word for word, _, _ in heard)) < 0.1
    pairs = matches([word.text for word in words], [word for word, _, _ in heard])
    assert median(abs(words[said].start_s - heard[place][1]) for said, place in pairs) < 0.08
    assert median(abs(words[said].end_s - heard[place][2]) for said, place in pairs) < 0.08


def test_segments_of_whisper_carry_a_likelihood(micro: Engine):
    result = transcribe(micro, seconds(sample_pcm(), 0, 9))
    assert all(-1 < segment.avg_logprob < 0 for segment in result.segments)


def test_wired_model_is_read_word_for_word_with_its_times(multilingual: Engine):
    result = transcribe(multilingual, noise(5), ChunkOptions(language_code="de"))
    said = [(segment.start_ms, segment.end_ms, segment.text) for segment in result.segments]
    assert said == [(0, 2000, "Hello from speaker one."), (2020, 4000, "Second line!")]
    assert [word.text for word in result.segments[0].words] == ["Hello", "from", "speaker", "one."]
    assert result.language_code == "de"


def test_times_beyond_the_end_of_the_chunk_are_cut(multilingual: Engine):
    result = transcribe(multilingual, noise(3), ChunkOptions(language_code="de"))
    check_times(result, 3_000)
    assert result.segments[-1].end_ms == 3_000


def test_language_is_found_out_with_its_likelihood(multilingual: Engine):
    result = transcribe(multilingual, noise(5), ChunkOptions(language_code="auto"))
    assert text(result) == "Hello from speaker one. Second line!"
    assert result.language_code == "de"
    assert 0.9 < result.language_confidence <= 1


def test_translation_gives_the_english_text(multilingual: Engine):
    result = transcribe(multilingual, noise(5), ChunkOptions(language_code="de", translate=True))
    assert text(result) == "English text"
    assert text(transcribe(multilingual, noise(5), ChunkOptions(language_code="de"))).startswith("Hello")


@pytest.mark.parametrize("prompt", ["Names: Ada, Grace.", "word " * 500, "größer 好 \U0001f600", " "])
def test_prompt_of_any_kind_and_length_is_taken_and_forgotten(multilingual: Engine, prompt: str):
    options = ChunkOptions(language_code="de", prompt=prompt)
    assert text(transcribe(multilingual, noise(5), options)) == "Hello from speaker one. Second line!"
    assert text(transcribe(multilingual, noise(5))) == "Hello from speaker one. Second line!"


def test_model_does_not_know_a_language_that_came_after_it(multilingual: Engine):
    with pytest.raises(EngineError) as caught:
        transcribe(multilingual, noise(1), ChunkOptions(language_code="yue"))
    assert caught.value.reason is Reason.LANGUAGE_NOT_SUPPORTED


def test_our_table_of_languages_is_the_librarys():
    library = [whisper.whisper_lang_str(i) for i in range(whisper.whisper_lang_max_id() + 1)]
    assert list(WHISPER_LANGUAGES) == library


def test_engine_without_its_name_in_the_catalog_is_not_loaded():
    with pytest.raises(EngineError) as caught:
        catalog.load("siri", "", 1)
    assert caught.value.reason is Reason.ENGINE_UNKNOWN
