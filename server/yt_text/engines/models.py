"""Finds model files, by short name, by file name, by path; fetches those that are not here; checks them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from yt_text.engines import ggml_file
from yt_text.engines.model_part import kept_digest
from yt_text.engines.model_source import DEFAULT_MIRRORS, DownloadLimits, is_url, source_of
from yt_text.engines.model_table import PublishedModel, published
from yt_text.errors import EngineError, Reason

_PREFIX, _SUFFIX = "ggml-", ".bin"
_DEFAULT_LIMITS = DownloadLimits()


def model_name(path: Path) -> str:
    """A model's name: `base-q5_1` for `ggml-base-q5_1.bin`, else the file's name without its ending."""
    return path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def find_model(model: str, model_dir: Path) -> Path:
    """The file of a model.

    Args:
        model: a short name (`tiny`, `base-q5_1`), the name of a file in `model_dir`, or a path.
        model_dir: where models are kept; need not exist.

    Raises:
        EngineError: `MODEL_NOT_FOUND`.
    """
    for path in _places(model, model_dir):
        if path.is_file():
            return path.resolve()
    known, present = published(model), list_models(model_dir)
    hints = [
        f"Get it with `yt-text models pull {known.name}`." if known else "",
        f"Choose one of: {', '.join(present)}." if present else "Put one into the model directory first.",
    ]
    raise EngineError(
        Reason.MODEL_NOT_FOUND, f"The model that was asked for is not here. {' Or: '.join(filter(None, hints))}"
    )


def _places(model: str, model_dir: Path) -> list[Path]:
    if not model or "\0" in model:
        return []
    path = Path(model)
    if path.name != model:  # has a directory in it: a path as it stands, never one out of the model directory
        return [path.expanduser()]
    return [model_dir / f"{_PREFIX}{model}{_SUFFIX}", model_dir / model, model_dir / f"{model}{_SUFFIX}", path]


def ensure_model(
    model: str,
    model_dir: Path,
    *,
    mirrors: Sequence[str] = DEFAULT_MIRRORS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: threading.Event | None = None,
    limits: DownloadLimits = _DEFAULT_LIMITS,
) -> Path:
    """The file of a model; a published one that is not here, and one by URL, is fetched first. Blocks.

    Args:
        model: as for `find_model`, or an http(s) URL.
        model_dir: where models are kept; made if something is fetched.
        mirrors: URLs under which the published files are, in the order in which they are asked.
        on_progress: called in this thread with the bytes that are here and those of the whole file, 0 if that
            is not known; never called if nothing needs to be fetched.
        cancelled: set it in another thread to stop; what arrived is kept for the next time.
        limits: what fetching may take.

    Raises:
        EngineError: `MODEL_NOT_FOUND`, `MODEL_INVALID`, `DISK_FULL`, `MODEL_DOWNLOAD_FAILED` if nothing could be
            reached: see `model_download.download`.
        DownloadStoppedError: `cancelled` was set.
    """
    if not is_url(model):
        try:
            return find_model(model, model_dir)
        except EngineError:
            if published(model) is None:
                raise
    from yt_text.engines.model_download import download  # its libraries are for those who fetch

    source = source_of(model, mirrors)
    done = download(source, model_dir, on_progress=on_progress, cancelled=cancelled, limits=limits)
    return done.path.resolve()


def list_models(model_dir: Path) -> tuple[str, ...]:
    """Names of the Whisper models in a directory, small files first; empty if there is no such directory."""
    return tuple(model.name for model in installed_models(model_dir) if model.header)


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A file in the model directory that is a model, or should be one.

    Attributes:
        header: None if it cannot be read.
        published: what its name says it is; None for a model of one's own.
        kept_sha256: its digest when it was fetched; empty if that was not kept.
    """

    name: str
    path: Path
    size_bytes: int
    header: ggml_file.Header | None
    published: PublishedModel | None
    kept_sha256: str

    @property
    def looks_whole(self) -> bool:
        """Whether it may be used, as far as can be told at a glance."""
        return self.header is not None and (self.published is None or self.published.size_bytes == self.size_bytes)


def installed_models(model_dir: Path) -> tuple[InstalledModel, ...]:
    """The models in a directory, small files first; empty if there is no such directory.

    Models for other tasks have the same ending: a file that is none for Whisper is left out, unless its name
    or the digest beside it says that it should be one.
    """
    found: list[InstalledModel] = []
    try:
        for path in model_dir.iterdir():
            if path.suffix == _SUFFIX and path.is_file():
                model = InstalledModel(
                    model_name(path),
                    path,
                    path.stat().st_size,
                    _header(path),
                    published(path.name) if path.name.startswith(_PREFIX) else None,
                    kept_digest(path),
                )
                if model.header or model.published or model.kept_sha256:
                    found.append(model)
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda model: (model.size_bytes, model.path.name)))


def _header(path: Path) -> ggml_file.Header | None:
    try:
        return ggml_file.read_header(path)
    except EngineError:
        return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check of a model found.

    Attributes:
        good: nothing is wrong with it.
        what: was found, in words.
    """

    good: bool
    what: str


def verify(model: InstalledModel) -> Verdict:
    """Reads a whole model and compares its digest with the published one, or with the one that was kept."""
    try:
        ggml_file.check(model.path)
    except EngineError as error:
        return Verdict(False, error.message)
    known = model.published.sha256 if model.published else model.kept_sha256
    if not known:
        return Verdict(True, "It is whole. No SHA-256 is known to compare it with.")
    whose = "published" if model.published else "noted when it was fetched"
    if ggml_file.sha256(model.path) == known:
        return Verdict(True, f"It is whole, and its SHA-256 is the one {whose}.")
    return Verdict(False, f"Its SHA-256 is not the one {whose}: it was changed, or is damaged, or is another model.")
