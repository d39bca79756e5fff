"""Every engine by name: what it can do, whether it can be used here, which one a job gets, loading it.

Nothing here imports an engine's library: the server process looks whether it is installed, and only the
child that serves the engine loads it.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from yt_text.engines import ggml_file
from yt_text.engines.engine import Engine
from yt_text.engines.languages import (
    AUTO,
    ENGLISH,
    WHISPER_LANGUAGES,
    WHISPER_TAGS,
    primary_language,
    whisper_code,
)
from yt_text.engines.model_table import DEFAULT_MODEL, PublishedModel, published
from yt_text.engines.models import find_model, list_models, model_name
from yt_text.errors import EngineError, Problem, Reason
from yt_text.job import Config

WHISPER_CPP = "whisper.cpp"
OPENAI = "openai"
POCKETSPHINX = "pocketsphinx"
ENGINES = (WHISPER_CPP, OPENAI, POCKETSPHINX)
"""In the order in which `auto` tries them."""

POCKETSPHINX_MODEL = "en-us"
_LIBRARIES = {WHISPER_CPP: "_pywhispercpp", OPENAI: "openai", POCKETSPHINX: "pocketsphinx"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine that a job gets.

    Attributes:
        model_path: the model's file, or its name where it is elsewhere; empty if the engine carries its model, or
            if it must be fetched first.
        fetch: the published model that must be fetched first; empty if none must.
        warnings: what the user should know about the choice.
    """

    engine: str
    model_path: str
    model_name: str
    warnings: tuple[Problem, ...] = ()
    fetch: str = ""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One engine as `ListEngines` shows it.

    Attributes:
        unavailable_reason: why not, and what to do; empty if available.
        language_codes: BCP-47 tags.
    """

    name: str
    available: bool
    unavailable_reason: str
    models: tuple[str, ...]
    word_offsets: bool
    translation: bool
    language_codes: tuple[str, ...]


def check(config: Config) -> None:
    """Checks what can be told from a job's configuration alone, without looking at any file.

    Raises:
        EngineError: `ENGINE_UNKNOWN`, `MODEL_NOT_FOUND`, `LANGUAGE_NOT_SUPPORTED`, `OPTION_NOT_SUPPORTED`.
    """
    if config.engine not in (AUTO, *ENGINES):
        raise EngineError(
            Reason.ENGINE_UNKNOWN, f"There is no such engine. Choose one of: {', '.join((AUTO, *ENGINES))}."
        )
    if config.engine == POCKETSPHINX:
        _check_pocketsphinx(config)
    elif config.language_code != AUTO and whisper_code(config.language_code) is None:
        raise EngineError(
            Reason.LANGUAGE_NOT_SUPPORTED,
            "No engine knows the language asked for. Choose another, or 'auto' to have it found out.",
        )


def choose(
    config: Config, model_dir: Path, default_model: str, *, downloads: bool = False, openai_model: str = ""
) -> Choice:
    """Chooses the engine and model for a job, and checks what can be checked before any work.

    `auto` takes whisper.cpp where a model is present or can be fetched, else OpenAI where it is set up, else
    pocketsphinx with a warning. A named engine or model is used or refused, never replaced. Only the default
    model is ever fetched.

    Args:
        config: of the job.
        model_dir: where models are kept.
        default_model: name or path of the model for jobs that name none.
        downloads: the default model may be fetched if it is a published one.
        openai_model: for the engine `openai`; empty if that is not set up.

    Raises:
        EngineError: `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`, `MODEL_NOT_FOUND`, `MODEL_INVALID`,
            `LANGUAGE_NOT_SUPPORTED`, `OPTION_NOT_SUPPORTED`.
    """
    check(config)
    if config.engine == POCKETSPHINX:
        return _pocketsphinx(config)
    if config.engine == OPENAI:
        if reason := _openai_missing(openai_model):
            raise EngineError(Reason.ENGINE_UNAVAILABLE, reason)
        return Choice(OPENAI, config.model or openai_model, config.model or openai_model)
    named = config.engine == WHISPER_CPP or bool(config.model)
    if named:
        _need_library(WHISPER_CPP)
    # The default may be a path outside the directory; it goes by its name like the others.
    if config.model and config.model != model_name(Path(default_model)):
        return _whisper_cpp(config, find_model(config.model, model_dir))
    if (model := _default_model(model_dir, default_model)) is not None:
        return _whisper_cpp(config, model)
    if downloads and not _missing_library(WHISPER_CPP) and (known := published(default_model or DEFAULT_MODEL)):
        return _to_fetch(config, known)
    if named:
        find_model(default_model, model_dir)  # says what is missing
    if not _openai_missing(openai_model):
        return Choice(OPENAI, openai_model, openai_model)
    choice = _pocketsphinx(config)
    warning = Problem(
        Reason.LOWER_QUALITY_ENGINE,
        "No Whisper model is here, so the small offline engine pocketsphinx was used: expect many wrong "
        "words. Get a model for better text.",
    )
    return Choice(choice.engine, choice.model_path, choice.model_name, (warning,))


def list_engines(
    model_dir: Path, default_model: str = "", *, downloads: bool = False, openai_model: str = ""
) -> tuple[EngineStatus, ...]:
    """Every engine, in the order in which `auto` tries them.

    Args:
        model_dir: where models are kept.
        default_model: name or path of the model for jobs that name none; a path need not be in `model_dir`.
        downloads: see `choose`.
        openai_model: see `choose`.
    """
    models = list_models(model_dir)
    with contextlib.suppress(EngineError):
        if (default := model_name(find_model(default_model, model_dir))) not in models:
            models = (default, *models)
    reason = _missing_library(WHISPER_CPP)
    if not reason and not models and not (downloads and published(default_model or DEFAULT_MODEL)):
        reason = "No model is here. Get one with `yt-text models pull`, or put one into the model directory."
    whisper = EngineStatus(WHISPER_CPP, not reason, reason, models, True, True, WHISPER_TAGS)
    reason = _missing_library(POCKETSPHINX)
    sphinx = EngineStatus(POCKETSPHINX, not reason, reason, (POCKETSPHINX_MODEL,), True, False, (ENGLISH,))
    reason = _openai_missing(openai_model)
    models = () if reason else (openai_model,)
    openai = EngineStatus(OPENAI, not reason, reason, models, True, True, WHISPER_TAGS)
    return (whisper, openai, sphinx)


def load(
    engine: str,
    model_path: str,
    threads: int,
    model_sha256: str = "",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Engine:
    """Loads an engine with its model into this process. Only for the child that serves it.

    Args:
        engine: its name.
        model_path: the model's file, or its name where it is elsewhere; empty for an engine that carries its model.
        threads: of the processor, for one call.
        model_sha256: of the file, if it is known already: saves reading the file.
        settings: for `openai`: `api_key` and `base_url`.

    Raises:
        EngineError: `ENGINE_UNKNOWN`, `ENGINE_UNAVAILABLE`, `MODEL_NOT_FOUND`, `MODEL_INVALID`.
    """
    loaders: dict[str, Callable[[], Engine]] = {
        WHISPER_CPP: lambda: _load_whisper_cpp(model_path, threads, model_sha256),
        OPENAI: lambda: _load_openai(model_path, settings),
        POCKETSPHINX: _load_pocketsphinx,
    }
    if engine not in loaders:
        raise EngineError(Reason.ENGINE_UNKNOWN, "There is no such engine.")
    _need_library(engine)
    return loaders[engine]()


def _load_whisper_cpp(model_path: str, threads: int, model_sha256: str) -> Engine:
    from yt_text.engines.whisper_cpp import WhisperCpp  # its library is for the engine's own process

    return WhisperCpp(Path(model_path), threads, model_sha256)


def _load_openai(model: str, settings: Mapping[str, str]) -> Engine:
    from yt_text.engines.openai_api import OPENAI_URL, OpenAiApi  # its library is for the engine's own process

    return OpenAiApi(model, settings.get("base_url") or OPENAI_URL, settings.get("api_key", ""))


def _load_pocketsphinx() -> Engine:
    from yt_text.engines.pocketsphinx import PocketSphinx  # its library is for the engine's own process

    return PocketSphinx()


def _missing_library(engine: str) -> str:
    if find_spec(_LIBRARIES[engine]) is not None:
        return ""
    return f"The library for {engine} is not installed. Install yt-text again with its dependencies."


def _openai_missing(model: str) -> str:
    if not model:
        return "No key is set for it. Set YT_TEXT_OPENAI_API_KEY, or YT_TEXT_OPENAI_BASE_URL for a server of your own."
    return "" if not _missing_library(OPENAI) else "Its library is not installed. Install `yt-text[openai]`."


def _need_library(engine: str) -> None:
    missing = _missing_library(engine)
    if missing:
        raise EngineError(Reason.ENGINE_UNAVAILABLE, missing)


def _default_model(model_dir: Path, default_model: str) -> Path | None:
    """The default model if it is here, else the smallest one that is, if any."""
    if _missing_library(WHISPER_CPP):
        return None
    for name in (default_model, *list_models(model_dir)[:1]):
        try:
            return find_model(name, model_dir)
        except EngineError:
            continue
    return None


def _to_fetch(config: Config, model: PublishedModel) -> Choice:
    foreign = config.language_code != AUTO and primary_language(config.language_code) != ENGLISH
    if model.english_only and (config.translate or foreign):
        raise EngineError(
            Reason.OPTION_NOT_SUPPORTED if config.translate else Reason.LANGUAGE_NOT_SUPPORTED,
            f"The model {model.name} knows English only. Choose a multilingual model.",
        )
    return Choice(WHISPER_CPP, "", model.name, fetch=model.name)


def _whisper_cpp(config: Config, path: Path) -> Choice:
    header = ggml_file.read_header(path)
    name = model_name(path)
    if config.translate and not header.multilingual:
        raise EngineError(
            Reason.OPTION_NOT_SUPPORTED,
            f"The model {name} knows English only and cannot translate. Choose a multilingual model.",
        )
    code = None if config.language_code == AUTO else whisper_code(config.language_code)
    if code is not None and WHISPER_LANGUAGES.index(code) >= header.n_languages:
        raise EngineError(
            Reason.LANGUAGE_NOT_SUPPORTED,
            f"The model {name} does not know the language asked for. Choose another language or model.",
        )
    return Choice(WHISPER_CPP, str(path), name)


def _pocketsphinx(config: Config) -> Choice:
    _need_library(POCKETSPHINX)
    _check_pocketsphinx(config)
    return Choice(POCKETSPHINX, "", POCKETSPHINX_MODEL)


def _check_pocketsphinx(config: Config) -> None:
    if config.model not in ("", POCKETSPHINX_MODEL):
        raise EngineError(Reason.MODEL_NOT_FOUND, "The engine pocketsphinx has one model only. Leave the model empty.")
    if config.translate:
        raise EngineError(Reason.OPTION_NOT_SUPPORTED, "The engine pocketsphinx cannot translate. Use a Whisper model.")
    if config.language_code != AUTO and primary_language(config.language_code) != ENGLISH:
        raise EngineError(
            Reason.LANGUAGE_NOT_SUPPORTED,
            "The engine pocketsphinx knows English only. Use a multilingual Whisper model.",
        )
