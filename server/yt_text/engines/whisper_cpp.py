"""whisper.cpp, through the low-level module of pywhispercpp.

    engine = WhisperCpp(Path("ggml-base-q5_1.bin"), threads=1)
    result = engine.transcribe(pcm, ChunkOptions(language_code="en"), Event())

Belongs in a process of its own (`yt_text.pool.host`): the library ends the process on many faults. The
high-level wrapper is not used because it ignores return codes, and gives the text of the call before when
a call fails. Every parameter is set for every call on a fresh object, so nothing stays from call to call
but the state of one random generator, which only a retry at a higher temperature looks at.
"""

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import _pywhispercpp as whisper
import numpy as np

from yt_text.engines import ggml_file
from yt_text.engines.engine import SAMPLE_RATE, ChunkOptions, ChunkResult
from yt_text.engines.implausible import LEAST_LIKELIHOOD, is_silent
from yt_text.engines.languages import AUTO, ENGLISH, standard_tag, whisper_code
from yt_text.engines.models import model_name
from yt_text.engines.repetition import without_loops
from yt_text.engines.sound_notes import is_said
from yt_text.engines.word_times import FRAME_MS, Token, text_of, words_of
from yt_text.errors import EngineError, Reason
from yt_text.transcript import Segment

MAX_CHUNK_MS = 30_000
SHORTEST_INPUT_SAMPLES = SAMPLE_RATE
"""The library answers nothing below 0.1 s, and poorly below 1 s: shorter chunks get silence behind them."""

RETRY_TEMPERATURE_STEP = 0.4
"""A chunk that comes out badly is tried again at 0.4 and 0.8: at most three times the decoder's work."""

LONGEST_PROMPT_TOKENS = 223
"""What the models leave room for. Of a longer prompt the end is used."""

LOG_WARNING, LOG_ERROR = 3, 4
_DETECTED = re.compile(r"auto-detected language: (\w+) \(p = ([0-9.]+)\)")


class WhisperCpp:
    """One loaded model of whisper.cpp.

    Args:
        model_path: a ggml model file that `ggml_file.check` accepts.
        threads: of the processor, for one call.
        model_sha256: of the file, if it is known already.

    Raises:
        EngineError: `MODEL_INVALID`.
    """

    name = "whisper.cpp"
    max_chunk_ms = MAX_CHUNK_MS

    def __init__(self, model_path: Path, threads: int = 1, model_sha256: str = "") -> None:
        header = ggml_file.check(model_path)
        self.model = model_name(model_path)
        self.model_sha256 = model_sha256 or ggml_file.sha256(model_path)
        self._threads = threads
        self._failed = False
        params = whisper.whisper_context_default_params()
        # A load that fails gives an object that ends the process when it is used: only the log tells.
        with _log_lines() as lines:
            self._ctx: Any = whisper.whisper_init_from_file_with_params(str(model_path), params)
        if any(level == LOG_ERROR for level, _ in lines):
            raise EngineError(Reason.MODEL_INVALID, "The model file cannot be loaded. Download it again.")
        self._multilingual = header.multilingual
        self._languages = header.n_languages
        self._first_time = whisper.whisper_token_beg(self._ctx)
        self._end_of_text = whisper.whisper_token_eot(self._ctx)

    def transcribe(self, pcm: bytes, options: ChunkOptions, cancel: Event) -> ChunkResult:
        """Turns one chunk into segments; words always carry times. See `Engine.transcribe`."""
        code = self._language(options)
        if len(pcm) % 2 or len(pcm) // 2 > MAX_CHUNK_MS * SAMPLE_RATE // 1000:
            raise EngineError(Reason.INVALID_REQUEST, "The chunk of sound is malformed or too long.")
        samples = np.frombuffer(pcm, dtype="<i2")
        known = "" if code == AUTO else standard_tag(code)
        if is_silent(samples):
            return ChunkResult((), known)
        sound = np.zeros(max(samples.size, SHORTEST_INPUT_SAMPLES), dtype=np.float32)
        np.multiply(samples, 1 / 32768, out=sound[: samples.size])

        confidence = 0.0
        if code == AUTO:
            code, confidence = self._detect(sound, cancel)
        if cancel.is_set():
            return ChunkResult(())
        self._run(sound, self._params(code, options, cancel), cancel)
        if cancel.is_set():
            return ChunkResult(())
        duration_ms = samples.size * 1000 // SAMPLE_RATE
        segments = without_loops(self._segments(duration_ms, _loudness(sound[: samples.size])))
        return ChunkResult(segments, standard_tag(code), confidence)

    def close(self) -> None:
        """Frees the model."""
        if self._ctx is not None:
            whisper.whisper_free(self._ctx)
            self._ctx = None

    def _language(self, options: ChunkOptions) -> str:
        """The library's code for the language asked for, or `auto`."""
        if options.translate and not self._multilingual:
            raise EngineError(
                Reason.OPTION_NOT_SUPPORTED,
                f"The model {self.model} knows English only and cannot translate. Choose a multilingual model.",
            )
        if options.language_code in (AUTO, ""):
            return AUTO if self._multilingual else ENGLISH
        code = whisper_code(options.language_code)
        number = whisper.whisper_lang_id(code) if code else -1
        if code is None or not 0 <= number < self._languages:
            raise EngineError(
                Reason.LANGUAGE_NOT_SUPPORTED,
                f"The model {self.model} does not know the language asked for. "
                + ("Choose another language or 'auto'." if self._multilingual else "It knows English only."),
            )
        return code

    def _params(self, code: str, options: ChunkOptions, cancel: Event) -> Any:
        params = whisper.whisper_full_default_params(whisper.WHISPER_SAMPLING_GREEDY)
        params.n_threads = self._threads
        params.language = code
        params.detect_language = False
        params.translate = options.translate
        params.offset_ms = params.duration_ms = 0
        params.audio_ctx = params.max_len = params.max_tokens = 0
        params.no_timestamps = params.single_segment = params.split_on_word = False
        params.token_timestamps = False  # see word_times
        params.tdrz_enable = params.debug_mode = params.vad = False
        params.print_special = params.print_progress = False
        params.print_realtime = params.print_timestamps = False
        params.suppress_blank = params.suppress_nst = True
        # `suppress_regex` stays unset: an empty one is tried on every token of the vocabulary at every step,
        # which made a call three times as long.
        params.temperature = 0.0
        params.temperature_inc = RETRY_TEMPERATURE_STEP
        params.greedy = {"best_of": 1}
        params.entropy_thold, params.logprob_thold, params.no_speech_thold = 2.4, -1.0, 0.6
        params.max_initial_ts, params.length_penalty = 1.0, -1.0
        # Text of the window before makes loops. `no_context` alone does not stop it inside one call: only
        # a limit with no room for more than the prompt does.
        params.no_context = True
        params.initial_prompt = options.prompt
        params.carry_initial_prompt = bool(options.prompt)
        params.n_max_text_ctx = self._prompt_room(options.prompt)
        whisper.assign_abort_callback(params, cancel.is_set)
        return params

    def _prompt_room(self, prompt: str) -> int:
        if not prompt:
            return 0
        # Asked for no tokens at all, the library answers with minus the number that it would give.
        tokens = -int(whisper.whisper_tokenize(self._ctx, prompt, 0, 0))
        return min(max(tokens, 1), LONGEST_PROMPT_TOKENS) + 1

    def _run(self, sound: Any, params: Any, cancel: Event) -> None:
        if self._failed:
            raise EngineError(Reason.ENGINE_FAILED, "The engine failed before and must be started again.")
        code = whisper.whisper_full(self._ctx, params, sound, sound.size)
        if code != 0 and not cancel.is_set():
            self._failed = True
            raise EngineError(Reason.ENGINE_FAILED, "The engine could not work on this chunk.", retryable=True)

    def _detect(self, sound: Any, cancel: Event) -> tuple[str, float]:
        """The language heard, and how sure the model is, in [0, 1].

        The library's own function for this holds Python's lock all through; a run that stops after
        detection does not. How sure it is, it says only in its log.
        """
        params = self._params(ENGLISH, ChunkOptions(), cancel)
        params.detect_language = True
        with _log_lines() as lines:
            self._run(sound, params, cancel)
        code = str(whisper.whisper_lang_str(whisper.whisper_full_lang_id(self._ctx)))
        found = [match for _, line in lines if (match := _DETECTED.search(line)) and match[1] == code]
        return code, min(1.0, float(found[-1][2])) if found else 0.0

    def _segments(self, duration_ms: int, loudness: list[float]) -> list[Segment]:
        segments: list[Segment] = []
        window_cs = 0
        earliest_ms = 0
        for number in range(whisper.whisper_full_n_segments(self._ctx)):
            begin_cs = whisper.whisper_full_get_segment_t0(self._ctx, number)
            end_cs = whisper.whisper_full_get_segment_t1(self._ctx, number)
            count = whisper.whisper_full_n_tokens(self._ctx, number)
            data = [whisper.whisper_full_get_token_data(self._ctx, number, i) for i in range(count)]
            # Token times count from the start of the window they were heard in, which is told by
            # a token of time and the segment's end that was made from it.
            if data and data[-1].id >= self._first_time:
                window_cs = end_cs - 2 * (data[-1].id - self._first_time)
            elif data and data[0].id >= self._first_time:
                window_cs = begin_cs - 2 * (data[0].id - self._first_time)
            text_data = [token for token in data if token.id < self._end_of_text]
            tokens = [self._token(token, window_cs) for token in text_data]
            text = text_of(tokens)
            start_ms = min(max(begin_cs * 10, earliest_ms), duration_ms)
            end_ms = min(max(end_cs * 10, start_ms), duration_ms)
            if not is_said(text) or start_ms >= duration_ms:
                continue
            likelihood = sum(token.plog for token in text_data) / len(text_data)
            if likelihood < LEAST_LIKELIHOOD:
                continue
            words = words_of(tokens, start_ms, end_ms, loudness)
            segments.append(Segment(start_ms, end_ms, text, words, likelihood))
            earliest_ms = end_ms
        return segments

    def _token(self, data: Any, window_cs: int) -> Token:
        time_ms = None
        if data.tid > self._first_time:
            time_ms = 10 * (window_cs + 2 * (data.tid - self._first_time))
        piece = bytes(whisper.whisper_token_to_bytes(self._ctx, data.id))
        return Token(piece, min(1.0, max(0.0, data.p)), time_ms, data.pt)


@contextmanager
def _log_lines() -> Generator[list[tuple[int, str]]]:
    """What the library logs meanwhile: level and text. Warnings go on to standard error as well."""
    lines: list[tuple[int, str]] = []

    def keep(level: int, text: str) -> None:
        lines.append((level, text))
        if level in (LOG_WARNING, LOG_ERROR):
            sys.stderr.write(text)

    whisper.whisper_log_set(keep)
    try:
        yield lines
    finally:
        whisper.whisper_log_set(None)  # one left behind would be called while Python shuts down


def _loudness(sound: Any) -> list[float]:
    """Root mean square of each whole frame of `FRAME_MS`."""
    size = SAMPLE_RATE * FRAME_MS // 1000
    frames = sound[: sound.size // size * size].reshape(-1, size)
    return [float(value) for value in np.sqrt(np.einsum("ij,ij->i", frames, frames) / size)]
