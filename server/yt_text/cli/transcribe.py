"""`yt-text transcribe`: recordings in, text out."""

import asyncio
import re
from contextlib import aclosing, suppress
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Literal

import typer

from yt_text.cli import ending, logs
from yt_text.cli.connect import connect, reporting
from yt_text.cli.render import Display
from yt_text.formats import FORMATS, Format
from yt_text.settings import Settings
from yt_text.transcript import Segment, Transcript, Word
from yt_text_client import (
    Client,
    Job,
    JobState,
    Media,
    ResourceExhausted,
    TextOrigin,
    TranscriptionConfig,
    YtTextError,
    has_ended,
    milliseconds,
    read_problem,
)
from yt_text_client import Transcript as TranscriptMessage

FormatName = Literal["txt", "srt", "vtt", "json", "tsv", "md"]
TextFrom = Literal["speech", "captions", "captions-then-speech"]
ORIGINS: dict[TextFrom, TextOrigin] = {
    "speech": TextOrigin.SPEECH,
    "captions": TextOrigin.CAPTIONS,
    "captions-then-speech": TextOrigin.CAPTIONS_THEN_SPEECH,
}
WAITS = frozenset({"TOO_MANY_JOBS", "RATE_LIMITED"})
"""What a service refuses now and takes later."""
WAIT_S = 3.0
CANCEL_TIMEOUT_S = 3.0
NAME_BYTES = 200


def transcribe(
    sources: Annotated[list[str], typer.Argument(metavar="URL|FILE...", help="What to transcribe.")],
    engine: Annotated[str, typer.Option(help="whisper.cpp, pocketsphinx or auto.")] = "auto",
    model: Annotated[str, typer.Option(help="A model's name, or the path of its file.")] = "",
    language: Annotated[str, typer.Option(help="Language of the speech, such as `en`; `auto` hears it.")] = "auto",
    translate: Annotated[bool, typer.Option("--translate", help="Translate to English.")] = False,
    words: Annotated[bool, typer.Option("--words", help="Give times to words.")] = False,
    prompt: Annotated[str, typer.Option(help="Words and names to expect.")] = "",
    text_from: Annotated[
        TextFrom, typer.Option(help="Where the text may come from: the sound, or the captions of the site.")
    ] = "speech",
    format_name: Annotated[FormatName, typer.Option("--format", "-f", help="Form of the transcript.")] = "txt",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; a directory for several recordings.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="A running service. Default: one in this process.")
    ] = None,
) -> None:
    """Transcribes recordings: text on stdout as it is recognised, progress on stderr."""
    settings = ending.read_settings()
    logs.configure(format_name="console", level="warning")
    for source in sources:
        if not _is_url(source) and not Path(source).is_file():
            ending.fail(f"{source} is neither a file here nor a URL.", ending.WRONG_USAGE)
    if output and len(sources) > 1 and not output.is_dir():
        ending.fail("with several recordings --output must be a directory that exists.", ending.WRONG_USAGE)
    if output and not output.is_dir() and not output.parent.is_dir():
        ending.fail(f"there is no directory {output.parent}.", ending.WRONG_USAGE)
    config = TranscriptionConfig(
        engine=engine,
        model=str(Path(model).resolve()) if model and Path(model).is_file() else model,
        language_code=language,
        translate=translate,
        enable_word_offsets=words,
        prompt=prompt,
        text_origin=ORIGINS[text_from],
    )
    ending.run(reporting(_transcribe(sources, config, format_name, output, server, settings)))


async def _transcribe(
    sources: list[str],
    config: TranscriptionConfig,
    format_name: str,
    output: Path | None,
    server: str | None,
    settings: Settings,
) -> int:
    with Display(live_text=output is None and format_name == "txt") as display:
        async with connect(server, settings) as client:
            run = _Run(client, display, FORMATS[format_name], output)
            try:
                jobs = [await run.submit(source, config) for source in sources]
                succeeded = [await run.finish(source, job) for source, job in zip(sources, jobs, strict=True)]
            finally:
                await run.cancel_open()
    return 0 if all(succeeded) else ending.RECORDING_FAILED


class _Run:
    """The jobs of one command.

    Args:
        form: of the transcripts.
        output: file or directory to write; None for stdout.
    """

    def __init__(self, client: Client, display: Display, form: Format, output: Path | None) -> None:
        self._client = client
        self._display = display
        self._form = form
        self._output = output
        self._open: set[str] = set()
        self._written: set[str] = set()

    async def submit(self, source: str, config: TranscriptionConfig) -> Job:
        """Submits a recording; a file is uploaded first."""
        self._display.begin(source)
        media = source if _is_url(source) else await self._client.upload(
            Path(source), on_progress=self._display.uploaded
        )  # fmt: skip
        submitting = asyncio.ensure_future(self._submit_when_taken(media, config))
        try:
            job = await asyncio.shield(submitting)
        except asyncio.CancelledError:
            # The service may have it already: learn its id, so that it is cancelled too.
            with suppress(YtTextError, TimeoutError):
                async with asyncio.timeout(CANCEL_TIMEOUT_S):
                    self._open.add((await submitting).id)
            raise
        self._open.add(job.id)
        return job

    async def _submit_when_taken(self, media: str | Media, config: TranscriptionConfig) -> Job:
        """Submits; waits while the service takes no more of this client, whose earlier jobs go on meanwhile."""
        said = False
        while True:
            try:
                return await self._client.submit(media, config)
            except ResourceExhausted as error:
                if error.reason not in WAITS:
                    raise
                if not said:
                    self._display.note(f"yt-text: waits: {error.message}")
                said = True
            await asyncio.sleep(WAIT_S)

    async def finish(self, source: str, job: Job) -> bool:
        """Follows a job to its end and writes its transcript. Returns whether it succeeded."""
        self._display.begin(source)
        async with aclosing(self._client.watch(job.id)) as changes:
            async for change in changes:
                job = change.job or job
                self._display.update(job, change.segments)
        if has_ended(job):
            self._open.discard(job.id)
        for warning in job.warnings:
            self._display.note(f"yt-text: note: {read_problem(warning).message}")
        if job.state != JobState.SUCCEEDED:
            message = read_problem(job.error).message if job.error else "The job was cancelled."
            self._display.note(f"yt-text: {source}: {message}")
            return False
        if self._output is None and self._form is FORMATS["txt"]:
            return True  # it was written as it came
        title = job.media.title if job.media and _is_url(source) else ""
        transcript = transcript_value(await self._client.get_result(job.id), title or Path(source).name)
        text = await asyncio.to_thread(self._form.render, transcript)
        if self._output is None:
            self._display.write(text)
        else:
            await asyncio.to_thread(_write, self._output, self._new_name(title or Path(source).stem), text)
        return True

    async def cancel_open(self) -> None:
        """Stops what still runs; a service that is gone has nothing to stop."""

        async def cancel(job_id: str) -> None:
            with suppress(YtTextError, TimeoutError):
                async with asyncio.timeout(CANCEL_TIMEOUT_S):
                    await self._client.cancel(job_id)

        await asyncio.gather(*(cancel(job_id) for job_id in self._open))

    def _new_name(self, title: str) -> str:
        """A file's name that this command did not use yet."""
        name = _file_name(title)
        numbered = (f"{name} ({number})" for number in count(2))
        free = next(name for name in chain([name], numbered) if name not in self._written)
        self._written.add(free)
        return free + self._form.extension


def _is_url(source: str) -> bool:
    return "://" in source


def _write(output: Path, name: str, text: str) -> None:
    """Writes a file, or one of that name in a directory: whole or not at all."""
    path = output / name if output.is_dir() else output
    temporary = path.with_name(f".{path.name[:100]}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _file_name(title: str) -> str:
    """A title as a file's name on any system."""
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*]+', " ", title).strip(" .")
    # A name has at most 255 bytes, and a character up to four.
    return plain.encode()[:NAME_BYTES].decode(errors="ignore").strip(" .") or "transcript"


def transcript_value(message: TranscriptMessage, title: str) -> Transcript:
    """A transcript as the formats take it."""
    return Transcript(
        job_id=message.job_id,
        segments=tuple(
            Segment(
                start_ms=milliseconds(segment.start_offset),
                end_ms=milliseconds(segment.end_offset),
                text=segment.text,
                words=tuple(
                    Word(
                        word.word,
                        milliseconds(word.start_offset),
                        milliseconds(word.end_offset),
                        word.confidence,
                    )
                    for word in segment.words
                ),
                avg_logprob=segment.avg_logprob,
                speaker_label=segment.speaker_label,
            )
            for segment in message.segments
        ),
        language_code=message.language_code,
        language_confidence=message.language_confidence,
        duration_ms=milliseconds(message.duration),
        engine=message.engine,
        model=message.model,
        model_sha256=message.model_sha256,
        processing_ms=milliseconds(message.processing_duration),
        title=title,
    )
