"""What the pool keeps of each chunk and of each child."""

import asyncio
from dataclasses import dataclass
from typing import Any

from yt_text.engines.engine import ChunkOptions
from yt_text.errors import EngineError
from yt_text.pool.child import EngineChild
from yt_text.pool.spec import EngineSpec


@dataclass(eq=False, slots=True)
class Work:
    """One chunk on its way through the pool.

    Attributes:
        chunk: the sound and how to transcribe it; None asks for the engine's `info` only.
        done: gets the answer; cancelled if nobody waits any more.
        tries: how often it was begun.
    """

    spec: EngineSpec
    job_id: str
    chunk: tuple[bytes, ChunkOptions] | None
    done: asyncio.Future[Any]
    tries: int = 0

    def succeed(self, answer: object) -> None:
        """Gives the answer, if somebody still waits for it."""
        if not self.done.done():
            self.done.set_result(answer)

    def fail(self, error: EngineError) -> None:
        """Gives an error, if somebody still waits."""
        if not self.done.done():
            # One of its own for each: an error is changed by being raised.
            self.done.set_exception(
                EngineError(error.reason, error.message, retryable=error.retryable, **error.metadata)
            )


@dataclass(eq=False, slots=True)
class Place:
    """One child's place in the pool.

    Attributes:
        work: what it works on.
        served: chunks since it was started.
        idle_since: loop time; None while it starts or works.
        idle_timer: unloads it.
    """

    child: EngineChild
    work: Work | None = None
    served: int = 0
    idle_since: float | None = None
    idle_timer: asyncio.TimerHandle | None = None

    @property
    def spec(self) -> EngineSpec:
        """What its child loads."""
        return self.child.spec

    @property
    def starting(self) -> bool:
        """Whether its child is not ready yet."""
        return self.work is None and self.idle_since is None

    def busy_with(self, work: Work) -> None:
        """Takes it out of idleness."""
        self.work, self.idle_since = work, None
        self.served += 1
        self.stop_timer()

    def stop_timer(self) -> None:
        """Keeps its child loaded."""
        if self.idle_timer is not None:
            self.idle_timer.cancel()
            self.idle_timer = None
