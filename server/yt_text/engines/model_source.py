"""Where a model comes from: a published one from its mirrors, or any one by URL."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from yt_text.engines.model_table import published, similar
from yt_text.errors import EngineError, Reason

DEFAULT_MIRRORS = ("https://huggingface.co/ggerganov/whisper.cpp/resolve/main",)
"""URLs under which the published files are, each by its own name; asked in this order."""

_SUFFIX = ".bin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Source:
    """A model's file elsewhere.

    Attributes:
        file_name: its name in the model directory.
        urls: where it is, in the order in which they are asked.
        size_bytes: of the file, 0 if not known.
        sha256: of the file as hex; empty if not known.
    """

    file_name: str
    urls: tuple[str, ...]
    size_bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """What a download may take.

    Attributes:
        max_bytes: largest file.
        min_free_disk_bytes: the disk is never made fuller than this.
        connect_timeout_s: longest wait for a connection.
        read_timeout_s: longest wait for the next bytes.
        attempts: requests in a row that bring nothing, to one server; then the next one is asked.
        retry_base_s: wait before the second attempt; it doubles with each.
        retry_max_s: longest wait between attempts.
        total_s: longest download, with the wait for another process that brings the same file.
    """

    max_bytes: int = 8 << 30
    min_free_disk_bytes: int = 256 << 20
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    attempts: int = 4
    retry_base_s: float = 1.0
    retry_max_s: float = 30.0
    total_s: float = 24 * 3600.0


def is_url(model: str) -> bool:
    """Whether a model is named by a URL."""
    return "://" in model


def source_of(model: str, mirrors: Sequence[str] = DEFAULT_MIRRORS, name: str = "") -> Source:
    """Where a model comes from.

    Args:
        model: a published name, such as `base-q5_1`, or the http(s) URL of a file for whisper.cpp.
        mirrors: for published names: URLs under which the files are.
        name: of a model by URL, here; empty for the name of its file. A file with the name of a published
            model must be that model.

    Raises:
        EngineError: `MODEL_NOT_FOUND`: no model is published under that name, or it is no name or URL.
    """
    if not is_url(model):
        if name:
            raise _no_source("Only a model by URL can get another name.")
        known = published(model)
        if known is None:
            near = similar(model)
            hint = f"Did you mean {' or '.join(near)}?" if near else "`yt-text models list` shows them."
            raise _no_source(f"No model is published under that name. {hint}")
        urls = tuple(f"{mirror.rstrip('/')}/{known.file_name}" for mirror in mirrors)
        return Source(known.file_name, urls, known.size_bytes, known.sha256)
    file_name = _file_name(model, name)
    known = published(file_name)
    if known is None:
        return Source(file_name, (model,))
    if name:
        raise _no_source("That is the name of a published model. Choose another name.")
    return Source(known.file_name, (model,), known.size_bytes, known.sha256)


def _file_name(url: str, name: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        parts = usable = None
    if parts is None or not usable:
        raise _no_source("That is not a URL that can be fetched. It begins with https:// or http://.")
    stem = (name or unquote(parts.path.rpartition("/")[2])).removesuffix(_SUFFIX)
    if not _NAME.fullmatch(stem):
        raise _no_source(
            "A model's name has letters, digits, dots, dashes and underscores, and begins with a letter or digit. "
            "Give it one with --name."
        )
    return stem + _SUFFIX


def _no_source(message: str) -> EngineError:
    return EngineError(Reason.MODEL_NOT_FOUND, message)
