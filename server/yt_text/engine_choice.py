"""Which engine and model a job gets; a default model that is not here yet is fetched first."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from yt_text.engines import catalog
from yt_text.engines.languages import AUTO
from yt_text.engines.model_source import DEFAULT_MIRRORS, DownloadLimits
from yt_text.engines.models import ensure_model
from yt_text.errors import EngineError, Problem, Reason
from yt_text.job import Config, Job
from yt_text.store.attempts import Attempts


@dataclass(frozen=True, slots=True)
class Models:
    """Where models are, and which one is for jobs that name none.

    Attributes:
        default: a name or a path; empty for the first that is found.
        downloads: the default model is fetched at its first use, if it is a published one.
        mirrors: where it is fetched from.
        limits: for fetching.
        openai_model: for the engine `openai`; empty if that is not set up.
    """

    directory: Path
    default: str = ""
    downloads: bool = False
    mirrors: tuple[str, ...] = DEFAULT_MIRRORS
    limits: DownloadLimits = field(default_factory=DownloadLimits)
    openai_model: str = ""

    def choose(self, config: Config) -> catalog.Choice:
        """Chooses the engine and model for a job. Reads the disk. Raises EngineError: see `catalog.choose`."""
        return catalog.choose(
            config, self.directory, self.default, downloads=self.downloads, openai_model=self.openai_model
        )

    def list_engines(self) -> tuple[catalog.EngineStatus, ...]:
        """Every engine, in the order in which `auto` tries them. Reads the disk."""
        return catalog.list_engines(
            self.directory, self.default, downloads=self.downloads, openai_model=self.openai_model
        )


async def choose_engine(models: Models, attempts: Attempts, attempt: Job, interval_s: float) -> catalog.Choice:
    """Chooses engine and model for a job; fetches the default model at its first use, visibly on the job.

    Args:
        models: which there are.
        attempts: where the job is told of a fetch.
        attempt: the job.
        interval_s: how often it is told.

    Raises:
        EngineError: there is none for it, or the model cannot be fetched and no other may take its place.
    """
    choice = await asyncio.to_thread(models.choose, attempt.config)
    if not choice.fetch:
        return choice
    failed: tuple[Problem, ...] = ()
    try:
        await _fetch_model(models, attempts, attempt, choice.fetch, interval_s)
    except EngineError as error:
        if attempt.config.engine != AUTO or attempt.config.model:
            raise
        failed = (error.problem,)
    offline = replace(models, downloads=False)
    choice = await asyncio.to_thread(offline.choose, attempt.config)
    return replace(choice, warnings=(*failed, *choice.warnings))


async def _fetch_model(models: Models, attempts: Attempts, attempt: Job, name: str, interval_s: float) -> None:
    done = total = 0

    def note(fetched: int, whole: int) -> None:
        nonlocal done, total
        done, total = fetched, whole

    stop = Event()
    fetching = asyncio.create_task(
        asyncio.to_thread(
            ensure_model,
            name,
            models.directory,
            mirrors=models.mirrors,
            on_progress=note,
            cancelled=stop,
            limits=models.limits,
        )
    )
    try:
        while not (await asyncio.wait([fetching], timeout=interval_s))[0]:
            said = f"The model {name} is fetched first, this once: {done / 1e6:.0f} of {total / 1e6:.0f} MB."
            await attempts.warn(attempt, Problem(Reason.MODEL_DOWNLOAD, said))
        await fetching
    finally:
        stop.set()
        await asyncio.wait([fetching])
    said = f"The model {name} ({total / 1e6:.0f} MB) was fetched first. Later jobs begin sooner."
    await attempts.warn(attempt, Problem(Reason.MODEL_DOWNLOAD, said))
