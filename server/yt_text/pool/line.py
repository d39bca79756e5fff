"""The waiting line: fair between jobs, chunk by chunk, whatever number of chunks each has waiting."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from yt_text.pool.spec import EngineSpec


class Waiting(Protocol):
    """What can wait: it belongs to a job and needs an engine."""

    @property
    def job_id(self) -> str:
        """Whose turn it uses up."""
        ...

    @property
    def spec(self) -> EngineSpec:
        """The engine it needs."""
        ...


T = TypeVar("T", bound=Waiting)


class Line(Generic[T]):
    """Jobs stand in a ring; the one at the front gives its oldest item and goes to the back."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, deque[T]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        """All items: job by job from the front, of each job the oldest first."""
        return (item for items in self._jobs.values() for item in items)

    def add(self, item: T) -> None:
        """Puts an item behind the others of its job; a job that had none goes to the back."""
        self._jobs.setdefault(item.job_id, deque()).append(item)
        self._size += 1

    def add_first(self, item: T) -> None:
        """Puts an item that was begun and has to be begun again before all others."""
        self._jobs.setdefault(item.job_id, deque()).appendleft(item)
        self._jobs.move_to_end(item.job_id, last=False)
        self._size += 1

    def take(self, spec: EngineSpec) -> T | None:
        """Takes the item whose turn it is among those that need this engine; None if there is none."""
        for job_id, items in self._jobs.items():
            for item in items:
                if item.spec == spec:
                    self.remove(item)
                    if job_id in self._jobs:
                        self._jobs.move_to_end(job_id)
                    return item
        return None

    def remove(self, item: T) -> None:
        """Takes an item out, if it is there."""
        items = self._jobs.get(item.job_id)
        if items is None or item not in items:
            return
        items.remove(item)
        self._size -= 1
        if not items:
            del self._jobs[item.job_id]

    def take_all(self, spec: EngineSpec) -> list[T]:
        """Takes every item that needs this engine."""
        found = [item for item in self if item.spec == spec]
        for item in found:
            self.remove(item)
        return found

    def demand(self) -> dict[EngineSpec, int]:
        """How many items wait for each engine; first the engine whose turn it is."""
        counts: dict[EngineSpec, int] = {}
        for item in self:
            counts[item.spec] = counts.get(item.spec, 0) + 1
        return counts
