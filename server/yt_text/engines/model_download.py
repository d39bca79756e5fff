"""Brings a model into the model directory: whole and checked under its name, or not at all.

The bytes go to `<file>.part`, which is locked while somebody writes it: another process waits and then finds
the model there. What arrived stays for the next time, with `<file>.part.json`, which tells whether a server
still has the same file. `<file>.sha256` keeps the digest of what was brought, in the form of `sha256sum`.
"""

import errno
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from yt_text.engines import ggml_file
from yt_text.engines.model_http import ChangedError, LinkError, ask, host, spoiled, stopping, unreachable
from yt_text.engines.model_part import Part, State, lock_part, part_path
from yt_text.engines.model_source import DownloadLimits, Source
from yt_text.errors import EngineError, Reason

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the length of the whole file, 0 if that is not known."""

_POLL_S = 0.2
_PROGRESS_S = 0.2
_DISK_CHECK_BYTES = 4 << 20
_MAX_RENEWALS = 3
_HEAD_BYTES = 64
_DEFAULT_LIMITS = DownloadLimits()


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A model that is here now.

    Attributes:
        path: its file.
        already: it was here before.
        sha256: its digest; empty if it was here before.
        checked_against: what the digest was compared with: `table`, `server`, or nothing.
    """

    path: Path
    already: bool = False
    sha256: str = ""
    checked_against: str = ""


class ModelDownloadError(EngineError):
    """No server gave the model.

    Attributes:
        attempts: what each server did, a line for each, with its name: for the operator, not for a client.
    """

    attempts: tuple[str, ...] = ()


class DownloadStoppedError(Exception):
    """The download was told to stop. What arrived is kept."""


def download(
    source: Source,
    directory: Path,
    *,
    on_progress: Progress = lambda done, total: None,
    cancelled: threading.Event | None = None,
    limits: DownloadLimits = _DEFAULT_LIMITS,
) -> Downloaded:
    """Brings a model into a directory. Blocks; a file that is there already and is a whole model is left alone.

    Args:
        source: what and from where.
        directory: where models are kept; made if there is none.
        on_progress: see `Progress`; called in this thread, at the start, a few times a second, and at the end.
        cancelled: set it in another thread to stop the download.
        limits: what it may take.

    Raises:
        ModelDownloadError: `MODEL_NOT_FOUND` no server has it; `MODEL_INVALID` what they have is not it;
            `MODEL_DOWNLOAD_FAILED` they cannot be reached, which may pass.
        EngineError: `DISK_FULL`; `MODEL_NOT_FOUND` if the directory cannot be written.
        DownloadStoppedError: `cancelled` was set.
    """
    path = directory / source.file_name
    if _is_model(path):
        return Downloaded(path, already=True)
    run = _Download(source, path, on_progress, cancelled or threading.Event(), limits)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with run.locked_part() as part:
            return run.bring(part) if part else Downloaded(path, already=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full() from None
        raise EngineError(
            Reason.MODEL_NOT_FOUND, "The model cannot be written into the model directory. Check who may write there."
        ) from None


def _is_model(path: Path) -> bool:
    try:
        ggml_file.check(path)
    except EngineError:
        return False
    return True


def _disk_full() -> EngineError:
    return EngineError(
        Reason.DISK_FULL,
        "The disk has too little room for the model. Make room, or choose a smaller one. What arrived is kept.",
    )


def _download_error(reason: Reason, what: str, *, retryable: bool = False) -> ModelDownloadError:
    return ModelDownloadError(
        reason,
        f"The model could not be downloaded. {what} Or put its file into the model directory.",
        retryable=retryable,
    )


def _no_server(failures: list[tuple[str, LinkError]]) -> ModelDownloadError:
    if not failures:
        error = _download_error(Reason.MODEL_NOT_FOUND, "No server is set to fetch it from. Set one.")
    elif any(error.reason is Reason.ENGINE_UNAVAILABLE for _, error in failures):
        what = "No server that has it could be reached. Check the network and try again."
        error = _download_error(Reason.MODEL_DOWNLOAD_FAILED, what, retryable=True)
    elif any(error.reason is Reason.MODEL_INVALID for _, error in failures):
        error = _download_error(Reason.MODEL_INVALID, "What the server has is not that model. Try another server.")
    else:
        error = _download_error(Reason.MODEL_NOT_FOUND, "The server does not have it. Try another server.")
    error.attempts = tuple(f"{name} {failure.what}" for name, failure in failures)
    return error


class _Download:
    """One download."""

    def __init__(
        self, source: Source, path: Path, on_progress: Progress, cancelled: threading.Event, limits: DownloadLimits
    ) -> None:
        self._source = source
        self._path = path
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._limits = limits
        self._deadline_s = time.monotonic() + limits.total_s
        self._told_s = 0.0

    @contextmanager
    def locked_part(self) -> Generator[Part | None]:
        """Opens the unfinished file for this process alone; None if another has brought the model meanwhile."""
        unfinished = part_path(self._path)
        while (part := lock_part(unfinished)) is None:
            with suppress(FileNotFoundError):
                self._tell(unfinished.stat().st_size, self._source.size_bytes)
            self._wait(_POLL_S)
        with closing(part):
            yield None if _is_model(self._path) else part

    def bring(self, part: Part) -> Downloaded:
        """Asks one server after the other."""
        self._need_room(max(0, self._source.size_bytes - part.size))
        part.resume(self._stop_if_told)
        failures: list[tuple[str, LinkError]] = []
        for url in self._source.urls:
            try:
                self._bring_from(url, part)
            except LinkError as error:
                failures.append((host(url), error))
                continue
            self._on_progress(part.position, part.position)
            checked = "table" if self._source.sha256 else "server" if part.state.sha256 else ""
            return Downloaded(self._path, sha256=part.finish(self._path), checked_against=checked)
        raise _no_server(failures)

    def _bring_from(self, url: str, part: Part) -> None:
        """Brings the whole file from one server. Raises LinkError."""
        fruitless = renewals = 0
        pieced = part.position > 0
        while True:
            before = part.position
            try:
                self._transfer(url, part)
                self._check(part)
            except ChangedError:
                part.restart()
                renewals += 1
                if renewals > _MAX_RENEWALS:
                    raise LinkError("has another file at each request", Reason.MODEL_INVALID) from None
            except LinkError as error:
                self._stop_if_told()
                if error.spoiled:
                    part.restart()
                    if pieced and not renewals:  # earlier bytes may be to blame: once more, from the first one
                        renewals, pieced = 1, False
                        continue
                if not error.passing:
                    raise
                pieced = pieced or part.position > 0
                fruitless = 1 if part.position > before else fruitless + 1
                if fruitless >= self._limits.attempts:
                    raise
                pause_s = self._limits.retry_base_s * 2 ** (fruitless - 1)
                self._wait(min(self._limits.retry_max_s, max(pause_s, error.retry_after_s)))
            else:
                return

    def _transfer(self, url: str, part: Part) -> None:
        """Sends one request and writes what comes. Raises LinkError, ChangedError."""
        if part.position and not self._may_continue(url, part.state):
            part.restart()
        if 0 < part.position == part.state.total:
            return
        answer = ask(
            url,
            part.position,
            part.state.validator if part.state.url == url else "",
            connect_timeout_s=self._limits.connect_timeout_s,
            read_timeout_s=self._limits.read_timeout_s,
        )
        with closing(answer), stopping(answer, self._cancelled):
            total = answer.total or self._source.size_bytes
            self._accept(answer.start, State(url, answer.validator, total, answer.sha256), part)
            while block := answer.read():
                self._write(block, part)
        self._stop_if_told()
        if part.position < part.state.total:
            raise unreachable("broke the connection")

    def _may_continue(self, url: str, state: State) -> bool:
        """Whether bytes of one server may be followed by those of this one: the end will be checked, or it says so."""
        return bool(self._source.sha256 or state.sha256 or (state.url == url and state.validator))

    def _accept(self, start: int, offered: State, part: Part) -> None:
        """Compares what a server offers with what is wanted, and with what is here."""
        wanted, here = self._source, part.state
        if wanted.sha256 and offered.sha256 and wanted.sha256 != offered.sha256:
            raise LinkError("has another file under that name", Reason.MODEL_INVALID)
        if wanted.size_bytes and offered.total and wanted.size_bytes != offered.total:
            raise LinkError("has a file of another size under that name", Reason.MODEL_INVALID)
        if offered.total > self._limits.max_bytes:
            raise LinkError("has a file that is larger than the limit", Reason.MODEL_INVALID)
        if start:
            known = wanted.sha256 or here.sha256
            another = offered.sha256 and known and offered.sha256 != known
            anew = not known and here.url == offered.url and offered.validator and offered.validator != here.validator
            if offered.total != here.total or another or anew:
                raise ChangedError
        else:
            part.restart(offered)
        self._need_room(max(0, offered.total - start))
        self._tell(part.position, offered.total, now=True)

    def _write(self, block: bytes, part: Part) -> None:
        self._stop_if_told()
        before, after = part.position, part.position + len(block)
        if after > (part.state.total or self._limits.max_bytes):
            raise spoiled("sends more than it should")
        if before // _DISK_CHECK_BYTES != after // _DISK_CHECK_BYTES:
            self._need_room(len(block))
        part.append(block)
        if before < _HEAD_BYTES <= after:
            self._need_model(lambda: ggml_file.read_header(part.path))
        self._tell(part.position, part.state.total)

    def _check(self, part: Part) -> None:
        """Compares a file that is all here with what is wanted. Raises LinkError."""
        wanted = self._source.sha256 or part.state.sha256
        if self._source.size_bytes and part.position != self._source.size_bytes:
            raise spoiled("sent a file of another size")
        if wanted and part.sha256 != wanted:
            raise spoiled("sent a file with another SHA-256 than the model's")
        self._need_model(lambda: ggml_file.check(part.path))

    def _need_model(self, check: Callable[[], object]) -> None:
        try:
            check()
        except EngineError:
            raise spoiled("sent a file that is not a whole Whisper model for whisper.cpp") from None

    def _need_room(self, count: int) -> None:
        if shutil.disk_usage(self._path.parent).free - count < self._limits.min_free_disk_bytes:
            raise _disk_full()

    def _tell(self, done: int, total: int, *, now: bool = False) -> None:
        if now or time.monotonic() - self._told_s >= _PROGRESS_S:
            self._told_s = time.monotonic()
            self._on_progress(done, total)

    def _stop_if_told(self) -> None:
        if self._cancelled.is_set():
            raise DownloadStoppedError
        if time.monotonic() > self._deadline_s:
            raise _download_error(Reason.MODEL_DOWNLOAD_FAILED, "It took longer than the limit.", retryable=True)

    def _wait(self, seconds: float) -> None:
        self._cancelled.wait(min(seconds, max(0.0, self._deadline_s - time.monotonic())))
        self._stop_if_told()
