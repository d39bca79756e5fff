"""Composition root: builds every part by hand, starts and stops them in order."""

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from yt_text import spool
from yt_text.audio.reader import AudioLimits
from yt_text.engine_choice import Models
from yt_text.engines.catalog import OPENAI
from yt_text.gateway.config import GatewayConfig
from yt_text.gateway.envoy import Gateway, GatewayMissingError
from yt_text.intake.fetch import Fetcher, FetchLimits
from yt_text.intake.links import check_url
from yt_text.intake.uploads import UploadLimits
from yt_text.pipeline import Pipeline
from yt_text.pool.pool import EnginePool, PoolLimits
from yt_text.queue import JobQueue
from yt_text.rpc.interceptors import Guard
from yt_text.rpc.server import RpcServer
from yt_text.rpc.transcription import ServiceLimits, TranscriptionService
from yt_text.settings import CORES, Settings
from yt_text.socket_folder import socket_folder
from yt_text.store.store import Store
from yt_text.worker import Worker, WorkerLimits

UNUSED_UPLOAD_AGE = timedelta(days=1)
"""An upload that no job used for so long is removed."""
CLEAN_INTERVAL = timedelta(hours=1)
GATEWAY_THREADS_MAX = 4
GATEWAY_GRACE_S = 2.0
"""The server has ended its calls by then; this is for answers on their way."""

_log = logging.getLogger(__name__)


class DataDirectoryInUseError(Exception):
    """Another service runs on the same data directory."""


class App:
    """The whole service in one process: gRPC server, worker, engines, on SQLite; the gateway as its child.

    Args:
        settings: everything it is told from outside.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._media_dir = settings.data_dir / "media"
        networks = settings.allowed_private_addresses
        models = Models(
            settings.model_dir,
            settings.model,
            downloads=settings.model_download,
            mirrors=settings.model_mirrors,
            limits=settings.download_limits,
            openai_model=settings.offered_openai_model,
        )
        self._store = Store(
            settings.store_url,
            max_queued_jobs=settings.max_queued_jobs,
            max_client_jobs=settings.max_jobs_per_client,
            requests_per_day=settings.openai_requests_per_day,
            minutes_per_day=settings.openai_minutes_per_day,
        )
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
            {OPENAI: {"api_key": settings.openai_api_key, "base_url": settings.openai_base_url}},
        )
        pipeline = Pipeline(
            self._store.attempts,
            self._fetcher,
            self._pool,
            media_dir=self._media_dir,
            models=models,
            budget=self._store.budget,
            audio_limits=AudioLimits(
                max_duration_s=settings.max_media_duration_s,
                stall_s=max(300.0, settings.fetch_stall_s + 60),  # the fetch should be the one to say why
            ),
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
                upload_stall_s=settings.upload_stall_s,
            ),
            keep_fetched=settings.keep_media,
            trusted_gateways=settings.trusted_gateways,
        )
        guard = Guard(
            max_calls=settings.max_concurrent_calls,
            timeout_s=settings.call_timeout_s,
            max_client_streams=settings.max_streams_per_client,
            trusted_gateways=settings.trusted_gateways,
        )
        self._server = RpcServer(service, guard, max_message_bytes=settings.max_message_bytes)
        self._started = AsyncExitStack()
        self.address = ""
        """Where gRPC listens, with the real port."""
        self.http_address = ""
        """Where the gateway listens, with the real port; empty if there is none."""

    async def start(self) -> None:
        """Starts every part; calls are taken when this returns. What was started is stopped if a part fails.

        Raises:
            DataDirectoryInUseError: another service runs on the same data directory.
            AddressInUseError: the address for gRPC cannot be listened on.
            GatewayError: the gateway cannot start; `GatewayAddressInUseError` is one.
        """
        async with AsyncExitStack() as stack:
            self._media_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            stack.callback(os.close, _lock(self._settings.data_dir / "lock"))
            if self._settings.database_url:
                stack.callback(os.close, _lock(_beside(self._settings.database_url)))
            # Sockets of a service that was killed here.
            await asyncio.to_thread(shutil.rmtree, self._settings.data_dir / "run", ignore_errors=True)
            stack.push_async_callback(self._store.close)
            await self._store.open()
            await self._remove_leftovers(timedelta(0))
            stack.push_async_callback(self._fetcher.close)
            await self._fetcher.start()
            stack.push_async_callback(self._pool.close)
            await self._pool.start()
            door = await self._start_gateway(stack) if self._settings.gateway else None
            stack.push_async_callback(self._server.stop, 1.0)
            self.address = await self._server.start(self._settings.grpc_address, also=[door] if door else [])
            stack.push_async_callback(self._worker.stop, self._settings.shutdown_grace_s)
            await self._worker.start()
            cleaning = asyncio.create_task(self._clean_for_ever())
            stack.callback(cleaning.cancel)
            stack.push_async_callback(self.drain)
            self._started = stack.pop_all()

    async def _start_gateway(self, stack: AsyncExitStack) -> str | None:
        """Starts the gateway; returns the address at which it looks for the server."""
        run_dir = await asyncio.to_thread(socket_folder, self._settings.data_dir / "run", "gateway-12345678/envoy.sock")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-", dir=run_dir))
        door = f"unix:{folder}/grpc.sock"
        gateway = Gateway(
            gateway_config(self._settings, door),
            Path(folder),
            threads=gateway_threads(self._settings),
        )
        try:
            await gateway.start()
        except GatewayMissingError:
            _log.warning("there is no Envoy for this system: gRPC only, without page and REST")
            return None
        stack.push_async_callback(gateway.stop, GATEWAY_GRACE_S)
        self.http_address = gateway.address
        return door

    async def drain(self) -> None:
        """Takes no new jobs from now on, and says so; those that are there go on."""
        await self._server.drain()

    async def stop(self) -> None:
        """Drains: no new jobs, running ones end within the grace time or stop at their checkpoint."""
        await self._started.aclose()

    async def failed(self) -> None:
        """Waits for ever, or until a part without which no job runs has ended by a fault."""
        await self._worker.failed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(CLEAN_INTERVAL.total_seconds())
            try:
                await self._remove_leftovers(CLEAN_INTERVAL)
            except (SQLAlchemyError, OSError):
                _log.exception("cleaning failed")

    async def _remove_leftovers(self, untouched_for: timedelta) -> None:
        """Removes recordings that nothing will use, except those that were touched of late."""
        now = datetime.now(UTC)
        await self._store.media.delete_unused(now - UNUSED_UPLOAD_AGE)
        kept_for = timedelta(seconds=self._settings.keep_failed_media_s)
        known = await self._store.media.ids() | await self._store.jobs.ids_with_media(ended_after=now - kept_for)
        if self._settings.keep_media:
            known |= await self._store.jobs.ids()
        await asyncio.to_thread(_remove_unknown, self._media_dir, known, (now - untouched_for).timestamp())


def gateway_threads(settings: Settings) -> int:
    """How many threads a gateway gets, with the default filled in."""
    return settings.gateway_threads or min(CORES, GATEWAY_THREADS_MAX)


def gateway_config(settings: Settings, *servers: str) -> GatewayConfig:
    """What a gateway in front of these servers is told."""
    return GatewayConfig(
        listen=settings.http_address,
        servers=servers,
        hosts=settings.http_hosts,
        cors_origins=settings.cors_origins,
        trusted_proxy_hops=settings.trusted_proxy_hops,
        submits_per_minute=settings.submits_per_minute,
        max_upload_bytes=settings.max_media_bytes,
        max_body_bytes=settings.max_body_bytes,
        max_connections=settings.max_connections,
        max_heap_bytes=settings.gateway_heap_bytes,
        call_timeout_s=settings.call_timeout_s,
        watch_idle_s=4 * settings.watch_keepalive_s + 30,
    )


def _lock(path: Path) -> int:
    """One process a data directory and a database: the in-memory queue knows only its own jobs."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DataDirectoryInUseError from None
    return descriptor


def _beside(database_url: str) -> Path:
    return Path(f"{make_url(database_url).database}.lock")


def _remove_unknown(folder: Path, known: set[str], before_s: float) -> None:
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # it went by itself
            if path.name.partition(".")[0] not in known and path.stat().st_mtime <= before_s:
                spool.remove(path)
