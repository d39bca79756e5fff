"""What a person sees while a job runs: a progress bar on stderr, text on stdout as it is recognised."""

import sys
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from yt_text_client import Job, JobState, Segment, milliseconds

NAME_CHARS = 40


def clock(offset: timedelta | None) -> str:
    """A length of time as `1:02:03` or `2:03`."""
    seconds = milliseconds(offset) // 1000
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def size(count: int) -> str:
    """A number of bytes for people."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def describe(job: Job) -> str:
    """What a job is doing, in a few words."""
    progress, media = job.progress, job.media
    if job.state == JobState.QUEUED:
        if job.retry_time is not None:
            return "waiting to try again"
        ahead = progress.queue_position if progress else 0
        return f"waiting, {ahead} before it" if ahead else "waiting"
    if progress is None or job.state != JobState.RUNNING:
        return job.state.name.lower() if job.state.name else ""
    parts: list[str] = []
    if progress.fetched_bytes and progress.fetched_bytes != progress.total_bytes:
        of = f" of {size(progress.total_bytes)}" if progress.total_bytes else ""
        parts.append(f"fetched {size(progress.fetched_bytes)}{of}")
    done = f"transcribed {clock(progress.transcribed_duration)}"
    if media and media.duration:
        done += f" of {clock(media.duration)}"
    parts.append(done)
    if progress.remaining_duration:
        parts.append(f"{clock(progress.remaining_duration)} left")
    return ", ".join(parts)


class Display:
    """Shows jobs on stderr if it is a terminal, and writes text to stdout.

    Args:
        live_text: write segments to stdout as they come.
    """

    def __init__(self, *, live_text: bool) -> None:
        self._live_text = live_text
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("[dim]{task.fields[doing]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        # Text and bar on one terminal: the bar steps aside for each line.
        self._shares_terminal = self._console.is_terminal and sys.stdout.isatty()
        self._task = self._progress.add_task("", total=100, doing="", start=True, visible=False)

    def begin(self, name: str) -> None:
        """Begins to show a recording."""
        short = name.removeprefix("https://").removeprefix("http://") if "://" in name else Path(name).name
        self._show(description=escape(short[:NAME_CHARS]), doing="", completed=0, visible=True)

    def uploaded(self, sent: int, total: int) -> None:
        """Shows how much of a file was sent."""
        self._show(doing=f"sent {size(sent)} of {size(total)}")

    def update(self, job: Job, segments: list[Segment]) -> None:
        """Shows how far a job is, and its new text."""
        if self._live_text:
            for segment in segments:
                self.write(segment.text + "\n")
        percent = job.progress.percent if job.progress else 0
        if job.media and job.media.title:
            self._show(description=escape(job.media.title[:NAME_CHARS]))
        self._show(completed=percent, doing=describe(job))

    def write(self, text: str) -> None:
        """Writes to stdout."""
        if self._shares_terminal:
            self._progress.stop()
        sys.stdout.write(text)
        sys.stdout.flush()
        if self._shares_terminal:
            self._progress.start()

    def note(self, text: str) -> None:
        """Writes a line to stderr."""
        if self._console.is_terminal:
            self._progress.stop()
        print(text, file=sys.stderr, flush=True)
        if self._console.is_terminal:
            self._progress.start()

    def _show(self, **fields: object) -> None:
        self._progress.update(self._task, **fields)  # pyright: ignore[reportArgumentType] - rich's own fields

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
