"""`yt-text transcribe`: recordings in, text out."""

import asyncio
import re
import sys
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from yt_text.cli import ending, logs
from yt_text.cli.connect import connect
from yt_text.cli.render import Display
from yt_text.formats import FORMATS
from yt_text.settings import Settings
from yt_text.transcript import Segment, Transcript, Word
from yt_text_client import (
    Client,
    Job,
    JobState,
    TranscriptionConfig,
    Unavailable,
    YtTextError,
    has_ended,
    milliseconds,
    read_problem,
)
from yt_text_client import Transcript as TranscriptMessage

FormatName = Literal["txt", "srt", "vtt", "json", "tsv", "md"]
CANCEL_TIMEOUT_S = 3.0


def transcribe(
    sources: Annotated[list[str], typer.Argument(metavar="URL|FILE...", help="What to transcribe.")],
    engine: Annotated[str, typer.Option(help="whisper.cpp, pocketsphinx or auto.")] = "auto",
    model: Annotated[str, typer.Option(help="A model's name, or the path of its file.")] = "",
    language: Annotated[str, typer.Option(help="Language of the speech, such as `en`; `auto` hears it.")] = "auto",
    translate: Annotated[bool, typer.Option("--translate", help="Translate to English.")] = False,
    words: Annotated[bool, typer.Option("--words", help="Give times to words.")] = False,
    prompt: Annotated[str, typer.Option(help="Words and names to expect.")] = "",
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
        if "://" not in source and not Path(source).is_file():
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
    )
    ending.run(_transcribe(sources, config, format_name, output, server, settings))


async def _transcribe(
    sources: list[str],
    config: TranscriptionConfig,
    format_name: str,
    output: Path | None,
    server: str | None,
    settings: Settings,
) -> int:
    code = 0
    open_jobs: set[str] = set()
    try:
        with Display(live_text=output is None and format_name == "txt") as display:
            async with connect(server, settings) as client:
                try:
                    jobs = [await _submit(client, source, config, display, open_jobs) for source in sources]
                    for source, job in zip(sources, jobs, strict=True):
                        if not await _finish(client, source, job, format_name, output, display, open_jobs):
                            code = ending.RECORDING_FAILED
                finally:
                    await _cancel(client, open_jobs)
    except Unavailable as error:
        ending.fail(error.message, ending.NO_SERVICE)
    except YtTextError as error:
        ending.fail(error.message, ending.RECORDING_FAILED)
    except BrokenPipeError:  # `| head`: nobody reads on
        sys.stderr.close()
        code = ending.INTERRUPTED
    return code


async def _submit(
    client: Client, source: str, config: TranscriptionConfig, display: Display, open_jobs: set[str]
) -> Job:
    display.begin(source)
    if "://" in source:
        job = await client.submit(source, config)
    else:
        job = await client.submit(await client.upload(Path(source), on_progress=display.uploaded), config)
    open_jobs.add(job.id)
    return job


async def _finish(
    client: Client,
    source: str,
    job: Job,
    format_name: str,
    output: Path | None,
    display: Display,
    open_jobs: set[str],
) -> bool:
    """Follows a job to its end and writes its transcript. Returns whether it succeeded."""
    display.begin(source)
    async with aclosing(client.watch(job.id)) as changes:
        async for change in changes:
            job = change.job or job
            display.update(job, change.segments)
    if has_ended(job):
        open_jobs.discard(job.id)
    for warning in job.warnings:
        display.note(f"yt-text: note: {read_problem(warning).message}")
    if job.state != JobState.SUCCEEDED:
        message = read_problem(job.error).message if job.error else "The job was cancelled."
        display.note(f"yt-text: {source}: {message}")
        return False
    title = job.media.title if job.media else ""
    transcript = transcript_value(await client.get_result(job.id), title or Path(source).name)
    form = FORMATS[format_name]
    if output:
        name = f"{_file_name(title if '://' in source and title else Path(source).stem)}{form.extension}"
        await asyncio.to_thread(_write, output, name, form.render(transcript))
    elif format_name != "txt":
        display.write(form.render(transcript))
    return True


async def _cancel(client: Client, job_ids: set[str]) -> None:
    """Stops what still runs; a service that is gone has nothing to stop."""
    for job_id in job_ids:
        with suppress(YtTextError, TimeoutError):
            async with asyncio.timeout(CANCEL_TIMEOUT_S):
                await client.cancel(job_id)


def _write(output: Path, name: str, text: str) -> None:
    """Writes a file, or one of that name in a directory: whole or not at all."""
    path = output / name if output.is_dir() else output
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        ending.fail(f"cannot write {path}: {error.strerror}.", ending.RECORDING_FAILED)


def _file_name(title: str) -> str:
    """A title as a file's name on any system."""
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]+', " ", title).strip(" .")[:120] or "transcript"


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
        processing_ms=milliseconds(message.processing_duration),
        title=title,
    )
