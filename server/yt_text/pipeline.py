"""One attempt at one job, end to end: fetch, decode, transcribe, commit.

Three things go on at once. The fetch child fills a spool at the site's pace. The audio child reads behind
it and packs speech into chunks; its pipe is the back-pressure. Chunks are with the engine pool, a few at a
time, and their segments are committed in order, each with the checkpoint behind it. An attempt that finds
committed chunks goes on after them: the same sound gives the same chunks.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from yt_text import captioned, spool
from yt_text.audio.reader import AudioLimits, AudioReader
from yt_text.audio.timeline import Chunk, place
from yt_text.engine_choice import Models, choose_engine
from yt_text.engines import catalog
from yt_text.engines.engine import ChunkOptions, ChunkResult
from yt_text.errors import Problem, Reason, RequestError
from yt_text.intake.fetch import Fetch, Fetcher
from yt_text.job import Job
from yt_text.pool.pool import EnginePool, EngineSpec
from yt_text.store.attempts import Attempts
from yt_text.store.budget import Budget

SAMPLES_PER_MS = 16
LANGUAGE_AUTO = "auto"


@dataclass(slots=True)
class _Transcribed:
    """One chunk on its way through the pool."""

    chunk: Chunk
    result: asyncio.Task[ChunkResult]


class Pipeline:
    """Runs attempts. Holds nothing of any one of them.

    Args:
        attempts: where results are committed.
        fetcher: brings recordings from URLs.
        pool: the engines.
        media_dir: where recordings are kept: `<media id>` for uploads, `<job id>` for what was fetched.
        models: which models there are.
        audio_limits: for decoding.
        budget: of engines that cost money.
        keep_media: keep what was fetched after the job has succeeded.
        progress_interval_s: how often progress of the download is written.
    """

    def __init__(
        self,
        attempts: Attempts,
        fetcher: Fetcher,
        pool: EnginePool,
        *,
        media_dir: Path,
        models: Models,
        audio_limits: AudioLimits,
        budget: Budget,
        keep_media: bool = False,
        progress_interval_s: float = 0.5,
    ) -> None:
        self._attempts = attempts
        self._fetcher = fetcher
        self._pool = pool
        self._media_dir = media_dir
        self._models = models
        self._audio_limits = audio_limits
        self._budget = budget
        self._keep_media = keep_media
        self._progress_interval_s = progress_interval_s

    async def run(self, attempt: Job) -> None:
        """Transcribes a claimed job and ends it as succeeded.

        Raises:
            YtTextError: the attempt failed; `retryable` says whether another may succeed.
            LostError: another worker has the job.
        """
        path = self._media_dir / (attempt.media_id or attempt.id)
        order = captioned.wanted(attempt)
        if order is None:
            await self._hear(attempt, path)
            return
        async with self._fetcher.fetch(attempt.url, path, order) as fetch:
            if not await captioned.transcribe(self._attempts, attempt, fetch, order):
                await self._hear(attempt, path, fetch)

    async def _hear(self, attempt: Job, path: Path, fetch: Fetch | None = None) -> None:
        """Transcribes a recording by ear. `fetch` brings it, if it has been asked for already."""
        choice = await choose_engine(self._models, self._attempts, attempt, self._progress_interval_s)
        for warning in choice.warnings:
            await self._attempts.warn(attempt, warning)
        spec = EngineSpec(choice.engine, choice.model_path)
        try:
            async with asyncio.TaskGroup() as group:
                # The model loads while the site is asked for its metadata.
                engine = group.create_task(self._pool.info(spec))
                async with self._source(attempt, path, group, fetch):
                    info = await engine
                    attempt = await self._attempts.begin(
                        attempt,
                        engine=info.name,
                        model=info.model,
                        model_sha256=info.model_sha256,
                        source_id=await asyncio.to_thread(spool.identity, path),
                    )
                    reader = AudioReader(
                        path,
                        max_chunk_ms=info.max_chunk_ms,
                        skip_chunks=attempt.next_chunk,
                        limits=self._audio_limits,
                    )
                    async with reader:
                        attempt = await self._transcribe(attempt, reader, spec)
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        summary = reader.summary
        if summary is None:
            raise RuntimeError("the reader was not read to its end")
        warnings = list(summary.warnings)
        if attempt.segment_count == 0:
            warnings.append(Problem(Reason.NO_SPEECH, "Nobody was heard to speak in this recording."))
        await self._attempts.succeed(attempt, duration_ms=summary.duration_ms, warnings=warnings)
        if attempt.url and not self._keep_media:
            await asyncio.to_thread(spool.remove, path)

    @asynccontextmanager
    async def _source(
        self, attempt: Job, path: Path, group: asyncio.TaskGroup, begun: Fetch | None
    ) -> AsyncGenerator[None]:
        """Sees to it that the recording is on the disk, or on its way there."""
        if await asyncio.to_thread(spool.is_complete, path):
            yield
            return
        if not attempt.url:
            raise RequestError(Reason.MEDIA_NOT_FOUND, "The upload is no longer there. Upload the recording again.")
        async with nullcontext(begun) if begun else self._fetcher.fetch(attempt.url, path) as fetch:
            await self._attempts.describe(attempt, await fetch.info())
            following = group.create_task(self._follow(attempt, fetch))
            yield
            await following

    async def _follow(self, attempt: Job, fetch: Fetch) -> None:
        """Writes the download's progress until it is complete."""

        async def report() -> None:
            while True:
                await asyncio.sleep(self._progress_interval_s)
                await write()

        async def write() -> None:
            nonlocal written
            now = (fetch.fetched_bytes, fetch.total_bytes)
            if now != written:
                written = now
                await self._attempts.progress(attempt, fetched_bytes=now[0], total_bytes=now[1])

        written = (0, 0)
        async with asyncio.TaskGroup() as group:
            reporter = group.create_task(report())
            await fetch.wait()
            reporter.cancel()
        await write()

    async def _transcribe(self, attempt: Job, reader: AudioReader, spec: EngineSpec) -> Job:
        """Sends chunks to the pool and commits them in order. Returns the job as last committed."""
        # Each engine has a chunk, and one or two wait, so that none waits for the next cut.
        sent: asyncio.Queue[_Transcribed | None] = asyncio.Queue(maxsize=self._pool.capacity)
        language = attempt.language_code or attempt.config.language_code
        known = asyncio.Event()
        if language != LANGUAGE_AUTO:
            known.set()

        async def send(group: asyncio.TaskGroup) -> None:
            nonlocal attempt
            async for chunk in reader:
                if reader.declared_ms and not attempt.media.duration_ms:
                    media = replace(attempt.media, duration_ms=reader.declared_ms)
                    attempt = await self._attempts.describe(attempt, media)
                options = ChunkOptions(
                    language_code=language,
                    translate=attempt.config.translate,
                    word_offsets=attempt.config.word_offsets,
                    prompt=attempt.config.prompt,
                )
                if spec.engine == catalog.OPENAI:
                    await self._budget.take(spec.engine, len(chunk.pcm) // (2 * SAMPLES_PER_MS))
                result = group.create_task(self._pool.transcribe(spec, attempt.id, chunk.pcm, options))
                await sent.put(_Transcribed(chunk, result))
                # The language is heard once, in the first chunk, and holds for the rest.
                await known.wait()
            await sent.put(None)

        async def commit() -> None:
            nonlocal attempt, language
            while entry := await sent.get():
                result = await entry.result
                segments = place(result.segments, entry.chunk.pieces)
                if not attempt.config.word_offsets:
                    segments = [replace(segment, words=()) for segment in segments]
                attempt = await self._attempts.commit(
                    attempt,
                    segments,
                    chunk=entry.chunk.index,
                    transcribed_ms=entry.chunk.end // SAMPLES_PER_MS,
                    processing_ms=result.compute_ms,
                    language_code=attempt.language_code or result.language_code,
                    language_confidence=attempt.language_confidence or result.language_confidence,
                )
                if not known.is_set():
                    language = attempt.language_code or language
                    known.set()

        async with asyncio.TaskGroup() as group:
            group.create_task(send(group))
            group.create_task(commit())
        return attempt


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Returns the cause among errors that came together: a failed download before what it led to."""
    flat: list[BaseException] = []
    for error in errors.exceptions:
        flat.append(_first(error) if isinstance(error, BaseExceptionGroup) else error)
    return flat[0]
