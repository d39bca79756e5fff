"""Transcription by OpenAI, or by any service that speaks as it does (`base_url`).

    engine = OpenAiApi("whisper-1", OPENAI_URL, api_key)
    result = engine.transcribe(pcm, ChunkOptions(language_code="en"), Event())

Recordings leave this machine by it, and most services cost money. Silence is not sent. A chunk may be sent more
than once, if the service fails, but no more often than the limits say.
"""

import asyncio
from threading import Event

import numpy as np

from yt_text.engines.engine import SAMPLE_RATE, ChunkOptions, ChunkResult
from yt_text.engines.flac import flac
from yt_text.engines.implausible import is_silent
from yt_text.engines.languages import AUTO, standard_tag, whisper_code
from yt_text.engines.openai_answer import AnswerError, read_answer
from yt_text.engines.openai_calls import OpenAiCalls, OpenAiLimits
from yt_text.engines.openai_refusals import FormRefusedError
from yt_text.errors import EngineError, Reason

__all__ = ["OPENAI_URL", "OpenAiApi", "OpenAiLimits"]

OPENAI_URL = "https://api.openai.com/v1"

SHORTEST_INPUT_SAMPLES = SAMPLE_RATE
"""Services refuse what is below 0.1 s: shorter chunks than this get silence behind them."""

LOOKS_EVERY_S = 0.05
"""How often a request looks whether it is cancelled."""

TRANSCRIPTIONS, TRANSLATIONS = "/audio/transcriptions", "/audio/translations"

# From the one that tells most to the one that every model gives.
_FORMS: tuple[dict[str, object], ...] = (
    {"response_format": "verbose_json", "timestamp_granularities": ["segment", "word"]},
    {"response_format": "verbose_json"},
    {"response_format": "json"},
)
_LAST_FORM = len(_FORMS) - 1


class OpenAiApi:
    """One model of one service.

    Args:
        model: its name there. OpenAI's own, all called `gpt-...` but for `whisper-1`, give text without times.
        base_url: of the service, as `OPENAI_URL`.
        api_key: may be empty for a service without keys.
        limits: every limit.

    Raises:
        EngineError: `ENGINE_UNAVAILABLE`: the address or the key cannot be used; `MODEL_NOT_FOUND`: no model.
    """

    name = "openai"
    model_sha256 = ""

    def __init__(self, model: str, base_url: str, api_key: str, limits: OpenAiLimits | None = None) -> None:
        if not model.strip():
            raise EngineError(Reason.MODEL_NOT_FOUND, "No model of the speech service is set. Set one by its name.")
        self.model = model
        self._limits = limits or OpenAiLimits()
        short_name = model.rsplit("/", 1)[-1]  # services for many makers put the maker before it
        timed = not short_name.startswith("gpt-")
        self.max_chunk_ms = self._limits.max_chunk_ms
        if not timed:
            self.max_chunk_ms = min(self.max_chunk_ms, self._limits.max_untimed_chunk_ms)
        self._can_translate = timed
        # The models after gpt-4o take several languages, and pay no heed to the older field for one.
        self._takes_languages = not timed and not short_name.startswith("gpt-4o")
        # What the service refused once, it is not asked again.
        self._forms = {TRANSCRIPTIONS: 0 if timed else _LAST_FORM, TRANSLATIONS: 1}
        self._calls = OpenAiCalls(base_url, api_key, self._limits)
        self._runner: asyncio.Runner | None = None

    def transcribe(self, pcm: bytes, options: ChunkOptions, cancel: Event) -> ChunkResult:
        """Turns one chunk into segments, with words where the service gives them. See `Engine.transcribe`.

        Raises:
            EngineError: besides those of the Protocol `ENGINE_UNAVAILABLE`, `MODEL_NOT_FOUND`. `ENGINE_FAILED`
                carries `tries`: the engine itself has tried so often, and works on.
        """
        language = self._language(options)
        samples = len(pcm) // 2
        if len(pcm) % 2 or samples > self.max_chunk_ms * SAMPLE_RATE // 1000:
            raise EngineError(Reason.INVALID_REQUEST, "The chunk of sound is malformed or too long.")
        if is_silent(np.frombuffer(pcm, dtype="<i2")) or cancel.is_set():
            return ChunkResult((), language)
        sound = flac(pcm + bytes(2 * max(0, SHORTEST_INPUT_SAMPLES - samples)))
        if len(sound) > self._limits.max_upload_bytes:
            raise EngineError(
                Reason.INVALID_REQUEST, "The chunk of sound is larger than may be sent. Set shorter chunks."
            )
        if self._runner is None:
            self._runner = asyncio.Runner()
        answer = self._runner.run(self._unless(cancel, sound, options, language))
        if cancel.is_set():
            return ChunkResult(())
        try:
            result = read_answer(answer, samples * 1000 // SAMPLE_RATE)
        except AnswerError:
            raise EngineError(
                Reason.ENGINE_FAILED,
                "The speech service gave a transcript that makes no sense. Try again, or choose another engine.",
                retryable=True,
                tries="1",
            ) from None
        # The answer to a translation names the language that it was translated to.
        heard = "" if options.translate else result.language_code
        return ChunkResult(result.segments, language or heard)

    def close(self) -> None:
        """Closes the connections."""
        if self._runner is not None:
            self._runner.run(self._calls.close())
            self._runner.close()
            self._runner = None

    def _language(self, options: ChunkOptions) -> str:
        """The tag of the language asked for; empty if it is to be heard."""
        if options.translate and not self._can_translate:
            raise EngineError(
                Reason.OPTION_NOT_SUPPORTED,
                f"The model {self.model} cannot translate. Choose a Whisper model, such as whisper-1.",
            )
        if options.language_code in (AUTO, ""):
            return ""
        code = whisper_code(options.language_code)
        if code is None:
            raise EngineError(
                Reason.LANGUAGE_NOT_SUPPORTED,
                f"The model {self.model} does not know the language asked for. Choose another language or 'auto'.",
            )
        return standard_tag(code)

    async def _unless(self, cancel: Event, sound: bytes, options: ChunkOptions, language: str) -> object:
        """The answer; None as soon as `cancel` is set."""
        asking = asyncio.create_task(self._ask(sound, options, language))
        while not asking.done() and not cancel.is_set():
            await asyncio.wait([asking], timeout=LOOKS_EVERY_S)
        if not asking.done():
            asking.cancel()
            await asyncio.wait([asking])
            return None
        return asking.result()

    async def _ask(self, sound: bytes, options: ChunkOptions, language: str) -> object:
        path = TRANSLATIONS if options.translate else TRANSCRIPTIONS
        # No temperature: Whisper's default is zero, at which it tries again what comes out badly; others take none.
        fields: dict[str, object] = {"model": self.model}
        if options.prompt:
            fields["prompt"] = options.prompt
        if language and not options.translate:
            fields |= {"languages": [language]} if self._takes_languages else {"language": language}
        while True:
            form = self._forms[path]
            try:
                return await self._calls.post(path, fields | _FORMS[form], sound)
            except FormRefusedError as error:
                if form == _LAST_FORM:
                    raise
                self._forms[path] = form + 1 if error.words_only else _LAST_FORM
