"""The engine with a service that behaves: what is sent, and what comes of it."""

import logging
from collections.abc import Callable, Iterator
from io import BytesIO
from threading import Event

import av
import pytest

from tests.openai_server import BEHAVE, TEXT, OpenAiServer, failure
from tests.sounds import noise, sample_pcm, seconds, silence
from yt_text.engines.engine import ChunkOptions, ChunkResult, Engine
from yt_text.engines.flac import flac
from yt_text.engines.openai_api import OpenAiApi, OpenAiLimits
from yt_text.errors import EngineError, Reason
from yt_text.transcript import Segment

SPEECH = seconds(sample_pcm(), 0, 5)
LIMITS = OpenAiLimits(request_timeout_s=60, tries=1)

Make = Callable[..., OpenAiApi]


@pytest.fixture
def server() -> Iterator[OpenAiServer]:
    with OpenAiServer() as server:
        yield server


@pytest.fixture
def make(server: OpenAiServer) -> Iterator[Make]:
    engines: list[OpenAiApi] = []

    def make(model: str = "whisper-1", key: str | None = None, limits: OpenAiLimits = LIMITS) -> OpenAiApi:
        engines.append(OpenAiApi(model, server.url, server.key if key is None else key, limits))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def transcribe(engine: Engine, pcm: bytes = SPEECH, **options: object) -> ChunkResult:
    return engine.transcribe(pcm, ChunkOptions(**options), Event())  # pyright: ignore[reportArgumentType] - spread


def refused(engine: Engine, pcm: bytes = SPEECH, **options: object) -> EngineError:
    with pytest.raises(EngineError) as caught:
        transcribe(engine, pcm, **options)
    return caught.value


def decoded(file: bytes) -> tuple[bytes, int, str]:
    with av.open(BytesIO(file), "r") as container:
        stream = container.streams.audio[0]
        frames = [bytes(memoryview(f.planes[0])[: f.samples * 2]) for f in container.decode(stream)]
        return b"".join(frames), stream.rate, stream.layout.name


def test_engine_says_what_it_is(make: Make) -> None:
    engine = make()
    assert (engine.name, engine.model, engine.model_sha256) == ("openai", "whisper-1", "")
    assert engine.max_chunk_ms == 240_000


def test_chunks_are_shorter_for_models_that_tell_no_times(make: Make) -> None:
    assert make("gpt-transcribe").max_chunk_ms == make("openai/gpt-4o-transcribe").max_chunk_ms == 60_000
    assert make("gpt-transcribe", limits=OpenAiLimits(max_chunk_ms=20_000)).max_chunk_ms == 20_000
    assert make("local-text").max_chunk_ms == 240_000


def test_segments_with_words_come_from_a_whisper_model(make: Make, server: OpenAiServer) -> None:
    result = transcribe(make(), word_offsets=True)
    assert " ".join(segment.text for segment in result.segments) == TEXT
    assert [(segment.start_ms, segment.end_ms) for segment in result.segments] == [(0, 2000), (2500, 4250)]
    assert [word.text for segment in result.segments for word in segment.words] == TEXT.split()
    assert result.language_code == "en"
    [upload] = server.requests
    assert upload.path == "/v1/audio/transcriptions"
    assert upload.fields == {
        "model": ["whisper-1"],
        "response_format": ["verbose_json"],
        "timestamp_granularities[]": ["segment", "word"],
    }


def test_what_is_sent_decodes_to_the_same_sound(make: Make, server: OpenAiServer) -> None:
    transcribe(make())
    [upload] = server.requests
    assert (upload.file_name, upload.file_type) == ("sound.flac", "audio/flac")
    assert decoded(upload.file) == (SPEECH, 16_000, "mono")
    assert len(upload.file) < 0.75 * len(SPEECH)


def test_longest_chunk_of_the_worst_sound_is_below_the_limit() -> None:
    pcm = noise(OpenAiLimits().max_chunk_ms / 1000, amplitude=1.0)
    file = flac(pcm)
    assert decoded(file)[0] == pcm
    assert len(file) < OpenAiLimits().max_upload_bytes / 3


@pytest.mark.parametrize("samples", [1, 100, 4_095, 4_096, 4_097, 15_999])
def test_a_short_chunk_is_sent_with_silence_behind_it(make: Make, server: OpenAiServer, samples: int) -> None:
    pcm = noise(1, amplitude=0.2)[: samples * 2]
    transcribe(make(), pcm)
    assert decoded(server.requests[0].file)[0] == pcm + bytes(32_000 - len(pcm))


@pytest.mark.parametrize("pcm", [b"", silence(0.5), silence(30), noise(10, amplitude=0.0001)])
def test_silence_is_not_sent(make: Make, server: OpenAiServer, pcm: bytes) -> None:
    assert transcribe(make(), pcm) == ChunkResult(())
    assert transcribe(make(), pcm, language_code="de") == ChunkResult((), "de")
    assert server.requests == []


def test_language_and_prompt_are_sent_when_they_are_asked_for(make: Make, server: OpenAiServer) -> None:
    engine = make()
    result = transcribe(engine, language_code="de-AT", prompt="Namen: Jörg, 好")
    assert server.requests[0].field("language") == "de"
    assert server.requests[0].field("prompt") == "Namen: Jörg, 好"
    assert result.language_code == "de"  # what was asked for, not what the service thinks
    transcribe(engine)
    assert not {"language", "languages", "prompt"} & set(server.requests[1].fields)


def test_languages_have_their_standard_codes(make: Make, server: OpenAiServer) -> None:
    transcribe(make(), language_code="jw")
    assert server.requests[0].field("language") == "jv"


def test_gpt_transcribe_gets_languages_and_says_what_it_heard(make: Make, server: OpenAiServer) -> None:
    engine = make("gpt-transcribe")
    result = transcribe(engine)
    assert result == ChunkResult((Segment(0, 5000, TEXT),), "en")
    assert server.requests[0].fields == {"model": ["gpt-transcribe"], "response_format": ["json"]}
    transcribe(engine, language_code="en")
    assert server.requests[1].fields["languages[]"] == ["en"]
    assert "language" not in server.requests[1].fields
    transcribe(make("gpt-4o-transcribe"), language_code="en")
    assert server.requests[2].field("language") == "en"


def test_translation_goes_to_its_own_address_and_names_no_language(make: Make, server: OpenAiServer) -> None:
    engine = make()
    result = transcribe(engine, translate=True, language_code="de")
    assert " ".join(segment.text for segment in result.segments) == TEXT
    assert result.language_code == "de"
    assert transcribe(engine, translate=True).language_code == ""
    for upload in server.requests:
        assert upload.path == "/v1/audio/translations"
        assert upload.fields == {"model": ["whisper-1"], "response_format": ["verbose_json"]}


def test_models_that_cannot_translate_are_not_asked(make: Make, server: OpenAiServer) -> None:
    assert refused(make("gpt-transcribe"), translate=True).reason is Reason.OPTION_NOT_SUPPORTED
    assert server.requests == []


def test_a_language_that_nobody_knows_is_not_asked_for(make: Make, server: OpenAiServer) -> None:
    assert refused(make(), language_code="tlh").reason is Reason.LANGUAGE_NOT_SUPPORTED
    assert server.requests == []


def test_an_unknown_model_that_gives_only_text_is_found_out_once(make: Make, server: OpenAiServer) -> None:
    engine = make("local-text")
    whole = ChunkResult((Segment(0, 5000, TEXT),))
    assert transcribe(engine) == whole
    assert transcribe(engine) == whole
    assert [upload.field("response_format") for upload in server.requests] == ["verbose_json", "json", "json"]


def test_a_model_that_gives_no_times_of_words_still_gives_segments(make: Make, server: OpenAiServer) -> None:
    words = "Value error: timestamp_granularities"
    server.will(failure(422, words), BEHAVE)
    engine = make("local-whisper")
    for _ in range(2):
        result = transcribe(engine)
        assert [(segment.start_ms, segment.words) for segment in result.segments] == [(0, ()), (2500, ())]
    sent = [("timestamp_granularities[]" in u.fields, u.field("response_format")) for u in server.requests]
    assert sent == [(True, "verbose_json"), (False, "verbose_json"), (False, "verbose_json")]


def test_a_service_that_gives_no_form_at_all_is_given_up(make: Make, server: OpenAiServer) -> None:
    server.will(failure(400, "Unknown response_format", param="response_format"))
    assert refused(make()).reason is Reason.INVALID_REQUEST
    assert len(server.requests) == 2


@pytest.mark.parametrize("size", [1, 240_000 * 32 + 2])
def test_chunk_over_the_longest_or_with_half_a_sample_is_refused(make: Make, server: OpenAiServer, size: int) -> None:
    assert refused(make(), bytes(size)).reason is Reason.INVALID_REQUEST
    assert server.requests == []


def test_an_upload_over_the_limit_is_not_sent(make: Make, server: OpenAiServer) -> None:
    error = refused(make(limits=OpenAiLimits(max_upload_bytes=50_000)))
    assert error.reason is Reason.INVALID_REQUEST
    assert server.requests == []


def test_the_key_goes_as_a_bearer_and_nowhere_else(
    make: Make, server: OpenAiServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    engine = make()
    transcribe(engine)
    wrong = make(key="sk-wrong-4711")
    error = refused(wrong)
    [right, _] = server.requests
    assert right.headers["authorization"] == f"Bearer {server.key}"
    assert server.key not in str({name: value for name, value in right.headers.items() if name != "authorization"})
    assert server.key not in right.path + str(right.fields)
    told = caplog.text + "".join(str(record.__dict__) for record in caplog.records) + str(capfd.readouterr())
    told += repr(engine) + repr(error) + str(error.metadata) + repr(error.__cause__)
    assert caplog.records, "the libraries say something at this level"
    assert server.key not in told
    assert "sk-wrong-4711" not in told


def test_a_service_without_keys_gets_none() -> None:
    with OpenAiServer(key="") as server:
        engine = OpenAiApi("whisper-1", server.url, "", LIMITS)
        assert transcribe(engine).segments
        engine.close()
        assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-a b", "sk-ä", "sk\0"])
def test_a_key_that_cannot_be_sent_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(EngineError) as caught:
        OpenAiApi("whisper-1", "https://localhost/v1", key)
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
    assert key not in repr(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://localhost/v1",
        "https://",
        "https://me:secret@localhost/v1",
        "http://[::1/v1",
        "https://h/v1?k=1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(EngineError) as caught:
        OpenAiApi("whisper-1", url, "sk-a")
    assert caught.value.reason is Reason.ENGINE_UNAVAILABLE
    assert "secret" not in repr(caught.value)


def test_a_base_address_may_end_in_a_slash(make: Make, server: OpenAiServer) -> None:
    engine = OpenAiApi("whisper-1", server.url + "/", server.key, LIMITS)
    assert transcribe(engine).segments
    engine.close()


def test_an_engine_without_a_model_is_refused() -> None:
    with pytest.raises(EngineError) as caught:
        OpenAiApi(" ", "https://localhost/v1", "sk-a")
    assert caught.value.reason is Reason.MODEL_NOT_FOUND


def test_it_can_be_closed_twice_and_unused(make: Make) -> None:
    engine = make()
    engine.close()
    transcribe(engine)
    engine.close()
    engine.close()
