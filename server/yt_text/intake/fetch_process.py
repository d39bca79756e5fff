"""The service's side of a fetch child: starts it, reads its events, ends it."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Self

from yt_text.errors import IntakeError
from yt_text.intake import failures
from yt_text.intake.fetch_messages import MAX_EVENT_BYTES, Event, FetchOrder, read_event

_MAX_STDERR_BYTES = 8 << 10


class FetchProcess:
    """A running fetch child. It ends with this process at the latest."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = bytearray()
        self._draining = asyncio.create_task(self._drain_stderr())

    @classmethod
    async def start(cls, order: FetchOrder) -> Self:
        """Starts a child on an order. Raises OSError if the system has no room for one."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",  # nothing of the environment or the working folder decides what is imported
            "-m",
            "yt_text.intake.fetch_child",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_EVENT_BYTES,
            cwd=order.work_dir,
            env=_environment(Path(order.work_dir)),
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - asked for above
        # It stays open: a child ends when it closes.
        process.stdin.write(order.line())
        return cls(process)

    @property
    def pid(self) -> int:
        """The process id, 0 when it has ended."""
        return self._process.pid if self._process.returncode is None else 0

    @property
    def words(self) -> str:
        """The last of what it wrote to stderr."""
        return self._stderr[-2000:].decode(errors="replace")

    async def next_event(self) -> Event:
        """Waits for the child's next event.

        Raises:
            IntakeError: it died without a word.
        """
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        line = await self._process.stdout.readline()
        if not line:
            raise await self._how_it_died()
        return read_event(line)

    def kill(self) -> None:
        """Ends the child, and whatever it may have started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def reap(self) -> None:
        """Ends the child and waits until nothing is left of it."""
        self.kill()
        await self._process.wait()
        self._draining.cancel()
        await asyncio.gather(self._draining, return_exceptions=True)

    async def _how_it_died(self) -> IntakeError:
        """Says why: a limit of the kernel, or somebody killed it."""
        code = await self._process.wait()
        if code == -signal.SIGXCPU:
            return failures.CPU.error()
        if code == -signal.SIGKILL:
            return failures.KILLED.error()
        return failures.FAILED.error()

    async def _drain_stderr(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - asked for above
        while block := await self._process.stderr.read(_MAX_STDERR_BYTES):
            self._stderr += block
            del self._stderr[:-_MAX_STDERR_BYTES]


def _environment(work_dir: Path) -> dict[str, str]:
    """No programs to be found, no settings of a user, no plugins of yt-dlp."""
    home = str(work_dir)
    return {"PATH": "", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "YTDLP_NO_PLUGINS": "1"}
