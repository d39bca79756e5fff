"""Fetches recordings from URLs into spools: one child process each, watched and bounded from here.

fetcher = Fetcher(FetchLimits())
await fetcher.start()
async with fetcher.fetch(check_url(url), path) as fetch:
    media = await fetch.info()      # the spool can be read from here on
    await fetch.wait()              # it is complete

async with fetcher.fetch(check_url(url), path, CaptionsOrder("auto", then_recording=True)) as fetch:
    captions = await fetch.captions()
    if captions is None:
        media = await fetch.info()  # as above
"""

import asyncio
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from yt_text import spool
from yt_text.errors import IntakeError
from yt_text.intake import failures
from yt_text.intake.addresses import Network
from yt_text.intake.captions import Captions, CaptionsInbox, CaptionsOrder
from yt_text.intake.fetch_limits import FetchLimits
from yt_text.intake.fetch_messages import (
    CaptionLines,
    CaptionsFound,
    Done,
    Failed,
    FetchOrder,
    Metadata,
    Moved,
    NoCaptions,
)
from yt_text.intake.fetch_process import FetchProcess
from yt_text.intake.links import check_url
from yt_text.intake.proxy import FilterProxy, Pass, ProxyLimits, Resolve
from yt_text.job import MediaInfo

__all__ = ["Captions", "CaptionsOrder", "Fetch", "FetchLimits", "Fetcher", "check_url"]

_log = logging.getLogger(__name__)


class Fetcher:
    """Starts fetches; one a service.

    Args:
        limits: for each fetch.
        allowed_networks: networks that may be reached although they are not public.
        resolve: looks names up; the system's resolver if None.
    """

    def __init__(
        self,
        limits: FetchLimits = FetchLimits(),  # noqa: B008 - it is frozen
        allowed_networks: Sequence[Network] = (),
        resolve: Resolve | None = None,
    ) -> None:
        self._limits = limits
        self._proxy = FilterProxy(
            allowed_networks,
            ProxyLimits(
                resolve_timeout_s=limits.resolve_timeout_s,
                connect_timeout_s=limits.connect_timeout_s,
                idle_timeout_s=2 * limits.stall_timeout_s,
            ),
            resolve,
        )

    async def start(self) -> None:
        """Makes ready; fetches can be made when this returns."""
        await self._proxy.start()

    async def close(self) -> None:
        """Ends all connections; running fetches fail."""
        await self._proxy.close()

    def fetch(self, url: str, spool: Path, captions: CaptionsOrder | None = None) -> "Fetch":
        """Prepares a fetch; entering it begins it.

        Args:
            url: a link that `check_url` let pass.
            spool: where the recording goes. What an earlier fetch of the same link left there is continued
                if the site still has the same file; a complete one is not fetched again.
            captions: ask for captions first; None for the recording alone.
        """
        return Fetch(url, spool, self._limits, self._proxy, captions)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Fetch:
    """One fetch. Leaving it ends the child process at once; what was fetched stays.

    Attributes:
        fetched_bytes: how much of the recording is there.
        total_bytes: its length, 0 if not known.
    """

    def __init__(
        self, url: str, path: Path, limits: FetchLimits, proxy: FilterProxy, captions: CaptionsOrder | None = None
    ) -> None:
        self.fetched_bytes = 0
        self.total_bytes = 0
        self._url = url
        self._path = path.absolute()
        self._work_dir = spool.work_path(self._path)
        self._limits = limits
        self._proxy = proxy
        self._captions_order = captions
        self._captions = CaptionsInbox(limits.max_captions_segments)
        self._pass: Pass | None = None
        self._child: FetchProcess | None = None
        self._following: asyncio.Task[None] | None = None
        self._known = asyncio.Event()
        self._ended = asyncio.Event()
        self._media = MediaInfo()
        self._error: IntakeError | None = None

    @property
    def child_pid(self) -> int:
        """The child's process id, 0 if there is none."""
        return self._child.pid if self._child is not None else 0

    async def captions(self) -> Captions | None:
        """Waits for the captions; with them nothing else is fetched, and the spool stays as it was.

        None if there are none, if they were not asked for, or if the spool was complete already. The
        recording then comes if it was asked for.

        Raises:
            IntakeError: the captions cannot be had, or nothing can; what becomes of the recording, `info` says.
        """
        return await self._captions.wait()

    async def info(self) -> MediaInfo:
        """Waits for the site's metadata; the spool can be read from then on.

        For a recording that was complete already nothing is known.

        Raises:
            IntakeError: there is none that can be fetched.
        """
        await self._known.wait()
        if self._error is not None:
            raise self._error
        return self._media

    async def wait(self) -> None:
        """Waits until the spool is complete.

        With captions, and where they alone were asked for, it ends without a spool.

        Raises:
            IntakeError: it cannot be completed.
        """
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    async def __aenter__(self) -> Self:
        if await asyncio.to_thread(spool.is_complete, self._path):
            self.fetched_bytes = self.total_bytes = self._path.stat().st_size
            self._end(None)
            return self
        try:
            await self._start()
        except OSError as error:
            _log.warning("fetch child not started", extra={"error": str(error)})
            self._end(failures.KILLED.error())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self._child is not None:
            await self._child.reap()
        if self._pass is not None:
            await self._proxy.revoke(self._pass)
            await asyncio.to_thread(shutil.rmtree, self._work_dir, ignore_errors=True)

    async def _start(self) -> None:
        self._pass = self._proxy.admit()
        await asyncio.to_thread(_make_empty, self._work_dir)
        self._child = await FetchProcess.start(self._order(self._proxy.url(self._pass)))
        self._following = asyncio.create_task(self._follow_to_end(self._child, self._pass))

    def _order(self, proxy_url: str) -> FetchOrder:
        limits, captions = self._limits, self._captions_order
        return FetchOrder(
            url=self._url,
            spool=str(self._path),
            work_dir=str(self._work_dir),
            proxy_url=proxy_url,
            max_bytes=limits.max_bytes,
            max_duration_s=limits.max_duration_s,
            socket_timeout_s=min(limits.read_timeout_s, limits.stall_timeout_s),
            min_free_disk_bytes=limits.min_free_disk_bytes,
            memory_bytes=limits.memory_bytes,
            cpu_s=limits.cpu_s,
            captions_language=captions.language_code if captions is not None else "",
            captions_only=captions is not None and not captions.then_recording,
            max_captions_bytes=limits.max_captions_bytes,
            max_captions_segments=limits.max_captions_segments,
        )

    async def _follow_to_end(self, child: FetchProcess, admitted: Pass) -> None:
        try:
            await self._follow(child)
        except (IntakeError, ValueError) as error:
            child.kill()
            if admitted.refused:  # whatever the child made of it
                failure = failures.ADDRESS_NOT_ALLOWED.error()
            else:
                failure = error if isinstance(error, IntakeError) else failures.FAILED.error()
            _log.info("fetch failed", extra={"reason": failure.reason.value, "stderr": child.words})
            self._end(failure)
        else:
            self._end(None)

    async def _follow(self, child: FetchProcess) -> None:
        """Follows the child until it is done.

        Raises:
            IntakeError: it fails or takes too long.
            ValueError: it does not make sense.
        """
        clock, limits = asyncio.get_running_loop().time, self._limits
        stalled = failures.STALLED.error(stall_timeout_s=f"{limits.stall_timeout_s:g}")
        too_slow = failures.TOO_SLOW.error(total_timeout_s=f"{limits.total_timeout_s:g}")
        silent = failures.NO_METADATA.error(metadata_timeout_s=f"{limits.metadata_timeout_s:g}")
        total_end_s = clock() + limits.total_timeout_s
        metadata_end_s = clock() + limits.metadata_timeout_s
        while True:
            ends = {clock() + limits.stall_timeout_s: stalled, total_end_s: too_slow}
            if not self._known.is_set():
                ends[metadata_end_s] = silent
            end_s = min(ends)
            try:
                async with asyncio.timeout_at(end_s):
                    event = await child.next_event()
            except TimeoutError:
                raise ends[end_s] from None
            match event:
                case Metadata(media):
                    self._media = media
                    self._known.set()
                case CaptionsFound() | CaptionLines() | NoCaptions():
                    self._captions.take(event)
                    if isinstance(event, CaptionsFound):
                        self._media = event.media
                case Moved(fetched_bytes, total_bytes):
                    self.fetched_bytes, self.total_bytes = fetched_bytes, total_bytes
                case Done():
                    return
                case Failed() as failed:
                    raise failed.error

    def _end(self, error: IntakeError | None) -> None:
        self._error = error
        self._captions.close(error)
        self._known.set()
        self._ended.set()


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
