"""The engine pool: every chunk of every job goes through it.

    pool = EnginePool(run_dir, PoolLimits(processes=2))
    await pool.start()
    result = await pool.transcribe(EngineSpec("whisper.cpp", "/models/ggml-base.bin"), job_id, pcm, options)
    await pool.close()

It holds up to `processes` children, each with one loaded engine, and gives each free child the chunk whose
turn it is: fair between jobs, chunk by chunk. When more engines are wanted than there are children, an idle
child is replaced, the least recently used first; with none idle, a child gives way after its turn. A chunk
whose child dies is begun again with another. Cancelling `transcribe` stops the computation.

Nothing here polls: `_dispatch` runs whenever a chunk comes, a child comes free or is lost.
"""

import asyncio
import logging
import tempfile
import time
from collections import OrderedDict
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import EngineError, Reason
from yt_text.pool.child import ChildLostError, EngineChild
from yt_text.pool.line import Line
from yt_text.pool.spec import EngineInfo, EngineSpec, PoolLimits
from yt_text.pool.work import Place, Work
from yt_text.socket_folder import socket_folder

__all__ = ["EngineInfo", "EnginePool", "EngineSpec", "PoolLimits"]

KNOWN_ENGINES_MAX = 100

_log = logging.getLogger(__name__)


class EnginePool:
    """See the module's text.

    Args:
        run_dir: for sockets; made if it is not there. If its path is long or has unusual characters,
            the system's directory for temporary files is used.
        limits: every limit.
        settings: what an engine of that name is told besides its model, such as a key. Never logged.
    """

    def __init__(
        self, run_dir: Path, limits: PoolLimits, settings: Mapping[str, Mapping[str, str]] = MappingProxyType({})
    ) -> None:
        self._run_dir = run_dir
        self._limits = limits
        self._settings = settings
        self._socket_dir: Path | None = None
        self._line: Line[Work] = Line()
        self._places: list[Place] = []
        self._infos: OrderedDict[tuple[EngineSpec, int, int], EngineInfo] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()  # loads, chunks, watches: cancelled at the end
        self._endings: set[asyncio.Task[None]] = set()  # children on their way out: waited for
        self._open = False

    @property
    def capacity(self) -> int:
        """How many chunks it works on at once."""
        return self._limits.processes

    async def start(self) -> None:
        """Makes ready. Children start when there is work for them."""
        self._socket_dir = await asyncio.to_thread(socket_folder, self._run_dir, "engine-12345678/socket")
        self._open = True

    async def close(self) -> None:
        """Ends all children; whoever still waits gets `SHUTTING_DOWN`."""
        self._open = False
        for work in [*self._line, *(place.work for place in self._places if place.work)]:
            work.fail(_shutting_down())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for place in list(self._places):
            self._remove(place)
        await asyncio.gather(*self._endings)

    async def info(self, spec: EngineSpec) -> EngineInfo:
        """What an engine says of itself; loads it if that is not known yet, or if there is room.

        Raises:
            EngineError: it cannot be loaded.
        """
        known = self._infos.get(await asyncio.to_thread(_identity, spec))
        if known is None:
            return await self._wait(Work(spec, "", None, asyncio.get_running_loop().create_future()))
        if len(self._places) < self._limits.processes and not self._of(spec) and self._open:
            self._place_new(spec)
        return known

    async def transcribe(self, spec: EngineSpec, job_id: str, pcm: bytes, options: ChunkOptions) -> ChunkResult:
        """Has one chunk transcribed when its turn comes.

        Args:
            spec: the engine.
            job_id: whose chunk it is; each job has its turn.
            pcm: the chunk, as `Engine.transcribe` takes it.
            options: how.

        Raises:
            EngineError: the engine refuses it, cannot be loaded, or failed in every try
                (`ENGINE_FAILED`); too much is waiting (`OVERLOADED`); `SHUTTING_DOWN`.
        """
        return await self._wait(Work(spec, job_id, (pcm, options), asyncio.get_running_loop().create_future()))

    async def _wait(self, work: Work) -> Any:
        if not self._open:
            raise _shutting_down()
        if len(self._line) >= self._limits.max_waiting_chunks:
            raise EngineError(Reason.OVERLOADED, "Too much waits for the engines. Try again later.", retryable=True)
        self._line.add(work)
        self._dispatch()
        try:
            return await work.done
        except asyncio.CancelledError:
            self._line.remove(work)
            for place in self._places:
                if place.work is work:
                    place.child.cancel()
            raise

    def _dispatch(self) -> None:
        """Gives work to free children, and starts or replaces children where that leaves work waiting."""
        if not self._open:
            return
        demand = self._line.demand()
        for spec in demand:
            if not self._of(spec) and (self._has_room() or self._make_way(demand)):
                self._place_new(spec)
        for place in self._idle():
            while (work := self._line.take(place.spec)) and work.chunk is None:
                work.succeed(place.child.info)
            if work and work.chunk:
                place.busy_with(work)
                self._run(self._work(place, work, *work.chunk))
        for spec, waiting in self._line.demand().items():
            starting = sum(place.starting for place in self._of(spec))
            for _ in range(waiting - starting):
                if not (self._has_room() or self._steal()):
                    break
                self._place_new(spec)

    def _of(self, spec: EngineSpec) -> list[Place]:
        return [place for place in self._places if place.spec == spec]

    def _idle(self) -> list[Place]:
        """The least recently used first."""
        idle = [(place.idle_since, place) for place in self._places if place.idle_since is not None]
        return [place for _, place in sorted(idle, key=lambda pair: pair[0])]

    def _has_room(self) -> bool:
        return len(self._places) < self._limits.processes

    def _make_way(self, demand: Mapping[EngineSpec, int]) -> bool:
        """Removes an idle child for a model that has none; work for its own model goes first for a turn."""
        for place in self._idle():
            wanted = place.spec in demand and len(self._of(place.spec)) == 1
            if not wanted or place.served >= self._limits.turn_chunks:
                self._remove(place)
                return True
        return False

    def _steal(self) -> bool:
        """Removes a child that has been idle for a while, for a model that has one and could use more."""
        now = asyncio.get_running_loop().time()
        for place in self._idle():
            if place.idle_since is not None and now - place.idle_since >= self._limits.steal_after_s:
                self._remove(place)
                return True
        return False

    def _place_new(self, spec: EngineSpec) -> None:
        place = Place(EngineChild(spec, self._limits, self._settings.get(spec.engine, {})))
        self._places.append(place)
        self._run(self._load(place))

    async def _load(self, place: Place) -> None:
        spec = place.spec
        identity = await asyncio.to_thread(_identity, spec)
        known = self._infos.get(identity)
        try:
            with tempfile.TemporaryDirectory(prefix="engine-", dir=self._socket_dir) as folder:
                await place.child.start(Path(folder, "socket"), known.model_sha256 if known else "")
        except EngineError as error:
            self._remove(place)
            for work in self._line.take_all(spec):
                work.fail(error)
        except Exception as error:  # noqa: BLE001 -- whatever it is, those who wait must hear of it
            self._mourn(place, error)
            for work in [work for work in self._line if work.spec == spec]:
                work.tries += 1
                if work.tries >= self._limits.tries:
                    self._line.remove(work)
                    work.fail(_failed(work.tries))
        else:
            self._infos[identity] = place.child.info
            if len(self._infos) > KNOWN_ENGINES_MAX:
                self._infos.popitem(last=False)
            self._run(self._watch(place))
            self._set_idle(place)
        self._dispatch()

    async def _work(self, place: Place, work: Work, pcm: bytes, options: ChunkOptions) -> None:
        work.tries += 1
        try:
            if not work.done.done():
                began_s = time.monotonic()
                result = await place.child.transcribe(pcm, options)
                work.succeed(replace(result, compute_ms=round((time.monotonic() - began_s) * 1000)))
        except EngineError as error:
            work.fail(error)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the one who waits must hear of it
            self._mourn(place, error)
            if work.tries >= self._limits.tries:
                work.fail(_failed(work.tries))
            elif not work.done.done():
                self._line.add_first(work)
        except asyncio.CancelledError:
            if not self._open:
                raise
            if not await place.child.comes_free():
                self._remove(place)
        if place in self._places:
            self._set_idle(place)
        self._dispatch()
        if place.idle_since is not None and len(self._line):
            asyncio.get_running_loop().call_later(self._limits.steal_after_s, self._dispatch)

    def _set_idle(self, place: Place) -> None:
        loop = asyncio.get_running_loop()
        place.work, place.idle_since = None, loop.time()
        place.idle_timer = loop.call_later(self._limits.idle_unload_s, self._remove, place)

    async def _watch(self, place: Place) -> None:
        """Notices a child that dies while nothing is asked of it. One that works is noticed by its work."""
        await place.child.exited()
        if place in self._places and place.work is None:
            self._mourn(place, ChildLostError("died idle"))
            self._dispatch()

    def _mourn(self, place: Place, error: Exception) -> None:
        facts = {"engine": place.spec.engine, "why": repr(error), "stderr": place.child.last_words}
        _log.warning("engine lost", extra=facts)
        self._remove(place)

    def _remove(self, place: Place) -> None:
        """Takes a child out of the pool and ends it."""
        if place in self._places:
            self._places.remove(place)
            place.stop_timer()
            self._run(place.child.kill(), self._endings)

    def _run(self, work: Coroutine[Any, Any, None], into: set[asyncio.Task[None]] | None = None) -> None:
        tasks = self._tasks if into is None else into
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


def _shutting_down() -> EngineError:
    return EngineError(Reason.SHUTTING_DOWN, "The service is shutting down. Try again later.", retryable=True)


def _failed(tries: int) -> EngineError:
    return EngineError(
        Reason.ENGINE_FAILED, f"The engine could not be kept running: it failed {tries} times.", retryable=True
    )


def _identity(spec: EngineSpec) -> tuple[EngineSpec, int, int]:
    """Tells one state of a model's file from another."""
    try:
        about = Path(spec.model_path).stat() if spec.model_path else None
    except OSError:
        about = None
    return (spec, about.st_mtime_ns, about.st_size) if about else (spec, 0, 0)
