"""Composition root: builds every part by hand, starts and stops them in order."""

import asyncio
import contextlib
import fcntl
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from yt_text import spool
from yt_text.audio.reader import AudioLimits
from yt_text.intake.fetch import Fetcher, FetchLimits
from yt_text.intake.links import check_url
from yt_text.intake.uploads import UploadLimits
from yt_text.pipeline import Models, Pipeline
from yt_text.pool.pool import EnginePool, PoolLimits
from yt_text.queue import JobQueue
from yt_text.rpc.server import RpcServer
from yt_text.rpc.transcription import ServiceLimits, TranscriptionService
from yt_text.settings import Settings
from yt_text.store.store import Store
from yt_text.worker import Worker, WorkerLimits

UNUSED_UPLOAD_AGE = timedelta(days=1)
"""An upload that no job used for so long is removed at the next start."""


class DataDirectoryInUseError(Exception):
    """Another service runs on the same data directory."""


class App:
    """The whole service in one process: gRPC server, worker, engines, on SQLite.

    Args:
        settings: everything it is told from outside.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._media_dir = settings.data_dir / "media"
        networks = settings.allowed_private_addresses
        models = Models(settings.model_dir, settings.model)
        self._store = Store(settings.store_url, max_queued_jobs=settings.max_queued_jobs)
        self._queue = JobQueue(slots=settings.max_running_jobs, lease_s=settings.lease_seconds)
        self._fetcher = Fetcher(
            FetchLimits(
                max_bytes=settings.max_media_bytes,
                max_duration_s=settings.max_media_duration_s,
                stall_timeout_s=settings.fetch_stall_s,
                total_timeout_s=settings.fetch_total_s,
                min_free_disk_bytes=settings.min_free_disk_bytes,
            ),
            networks,
        )
        self._pool = EnginePool(
            settings.data_dir / "run",
            PoolLimits(
                processes=settings.processes,
                threads=settings.threads,
                chunk_timeout_s=settings.chunk_timeout_s,
                idle_unload_s=settings.engine_idle_s,
            ),
        )
        pipeline = Pipeline(
            self._store.attempts,
            self._fetcher,
            self._pool,
            media_dir=self._media_dir,
            models=models,
            audio_limits=AudioLimits(max_duration_s=settings.max_media_duration_s),
            keep_media=settings.keep_media,
        )
        self._worker = Worker(
            self._store,
            self._queue,
            pipeline,
            WorkerLimits(
                max_attempts=settings.max_attempts,
                retry_base_s=settings.retry_base_s,
                retry_max_s=settings.retry_max_s,
                reconcile_s=settings.reconcile_s,
            ),
        )
        service = TranscriptionService(
            self._store,
            self._queue,
            media_dir=self._media_dir,
            models=models,
            url_check=partial(check_url, allowed_networks=networks),
            limits=ServiceLimits(
                uploads=UploadLimits(settings.max_media_bytes, settings.min_free_disk_bytes),
                watch_keepalive_s=settings.watch_keepalive_s,
                allow_model_paths=settings.allow_model_paths,
            ),
        )
        self._server = RpcServer(
            service,
            max_message_bytes=settings.max_message_bytes,
            max_calls=settings.max_concurrent_calls,
            call_timeout_s=settings.call_timeout_s,
        )
        self._lock: int | None = None
        self.address = ""
        """Where gRPC listens, with the real port."""

    async def start(self) -> None:
        """Starts every part; calls are taken when this returns.

        Raises:
            DataDirectoryInUseError: another service runs on the same data directory.
            AddressInUseError: the address cannot be listened on.
        """
        self._media_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        await self._store.open()
        await self._remove_leftovers()
        await self._fetcher.start()
        await self._pool.start()
        self.address = await self._server.start(self._settings.grpc_address)
        await self._worker.start()

    async def stop(self) -> None:
        """Drains: no new jobs, running ones end within the grace time or stop at their checkpoint."""
        await self._server.drain()
        await self._worker.stop(self._settings.shutdown_grace_s)
        await self._server.stop(1.0)
        await self._pool.close()
        await self._fetcher.close()
        await self._store.close()
        if self._lock is not None:
            os.close(self._lock)

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            with contextlib.suppress(Exception):
                await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _take_lock(self) -> None:
        """One process a data directory: the in-memory queue knows only its own jobs."""
        self._lock = os.open(self._settings.data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUseError from None

    async def _remove_leftovers(self) -> None:
        """Removes recordings that nothing will use: of jobs that were deleted, and uploads nobody used."""
        await self._store.media.delete_unused(datetime.now(UTC) - UNUSED_UPLOAD_AGE)
        known = await self._store.media.ids() | await self._store.jobs.ids()
        await asyncio.to_thread(_remove_unknown, self._media_dir, known)


def _remove_unknown(folder: Path, known: set[str]) -> None:
    for path in folder.iterdir():
        if path.name.partition(".")[0] not in known:
            spool.remove(path)
