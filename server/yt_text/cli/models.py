"""`yt-text models`: which models there are, and which are here; fetches, checks and removes them."""

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from yt_text.cli import ending
from yt_text.cli.render import size
from yt_text.engines.model_part import files_of, lock_part, part_path
from yt_text.engines.model_source import Source, source_of
from yt_text.engines.model_table import PUBLISHED, PublishedModel
from yt_text.engines.models import InstalledModel, find_model, installed_models, model_name
from yt_text.engines.models import verify as check
from yt_text.errors import EngineError
from yt_text.settings import Settings

MODEL_FAILED = ending.RECORDING_FAILED
LINE_EVERY_PERCENT = 10
LINE_EVERY_BYTES = 50_000_000

models = typer.Typer(help="Lists, fetches, checks and removes models for whisper.cpp.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name, as `yt-text models list` shows it.")]
NameOrNothing = Annotated[str, typer.Argument(metavar="[NAME]", help="A model's name.", show_default=False)]


@models.command("list")
def list_models(
    here: Annotated[bool, typer.Option("--here", help="Only those that are here.")] = False,
) -> None:
    """Shows the published models, and those that are here."""
    model_dir = ending.read_settings().model_dir
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Name", "Size", "Memory", "Speed", "Languages", "Here"):
        table.add_column(heading, justify="right" if heading in ("Size", "Memory", "Speed") else "left", no_wrap=True)
    found = {model.name: model for model in installed_models(model_dir)}
    for model in PUBLISHED.values():
        state = _state(model_dir / model.file_name, found.get(model.name), model)
        if state or not here:
            languages = "English" if model.english_only else "many"
            cost = (size(model.size_bytes), f"{model.memory_mb} MB", f"{model.speed:.2g}x")
            table.add_row(model.name, *cost, languages, state)
    for model in found.values():
        if model.published is None:
            languages = "" if model.header is None else "many" if model.header.multilingual else "English"
            table.add_row(model.name, size(model.size_bytes), "", "", languages, _state(model.path, model, None))
    console = Console(highlight=False)
    console.print(table)
    if not here:
        console.print(
            "Memory: of a process that runs it, about. Speed: against base, on a processor's core.", soft_wrap=True
        )


def _state(path: Path, model: InstalledModel | None, published: PublishedModel | None) -> str:
    if model is not None:
        return "yes" if model.looks_whole else "damaged"
    try:
        arrived = part_path(path).stat().st_size
    except OSError:
        return ""
    return f"{100 * arrived // published.size_bytes} %" if published else "partly"


@models.command()
def pull(
    model: Annotated[str, typer.Argument(metavar="NAME|URL", help="A published model, or the URL of a model's file.")],
    name: Annotated[str, typer.Option(help="What a model by URL is called here. Default: the name of its file.")] = "",
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Where the published files are, instead of the usual place; may be repeated."),
    ] = None,
) -> None:
    """Fetches a model. What was fetched before it was stopped is kept, and the same command goes on from there."""
    settings = ending.read_settings()
    try:
        source = source_of(model, tuple(mirror or settings.model_mirrors), name)
    except EngineError as error:
        ending.fail(error.message, ending.WRONG_USAGE)
    _pull(source, settings)


def _pull(source: Source, settings: Settings) -> None:
    from yt_text.engines.model_download import ModelDownloadError, download  # its libraries are for this command

    name = model_name(Path(source.file_name))
    # Also where a shell started this in the background, and has it ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with _shown(name) as show:
            done = download(source, settings.model_dir, on_progress=show, limits=settings.download_limits)
    except KeyboardInterrupt:
        ending.fail("stopped. What arrived is kept: the same command goes on from there.", ending.INTERRUPTED)
    except EngineError as error:
        for attempt in error.attempts if isinstance(error, ModelDownloadError) else ():
            print(f"yt-text: {attempt}", file=sys.stderr)
        ending.fail(error.message, MODEL_FAILED)
    if done.already:
        print(f"{name} is here already.")
        return
    print(f"{name} is here. SHA-256 {done.sha256}")
    if not done.checked_against:
        print("yt-text: note: no SHA-256 is known to compare it with; its structure was checked.", file=sys.stderr)


@contextmanager
def _shown(name: str) -> Generator[Callable[[int, int], None]]:
    """Shows progress on stderr: a bar on a terminal, else a line now and then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name).show
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


class _Lines:
    """Progress as lines."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._next_bytes = 0

    def show(self, done: int, total: int) -> None:
        """Writes a line, unless the last one is recent."""
        if done < self._next_bytes and done != total:
            return
        of = f" of {size(total)}, {100 * done // total} %" if total else ""
        print(f"{self._name}: {size(done)}{of}", file=sys.stderr, flush=True)
        self._next_bytes = done + (total * LINE_EVERY_PERCENT // 100 if total else LINE_EVERY_BYTES)


@models.command()
def verify(name: NameOrNothing = "") -> None:
    """Reads models whole and compares them with the digests that are known: one, or all that are here."""
    model_dir = ending.read_settings().model_dir
    found = [_installed(name, model_dir)] if name else installed_models(model_dir)
    if not found:
        print("No model is here.")
    bad = False
    for model in found:
        verdict = check(model)
        bad = bad or not verdict.good
        print(f"{model.name}: {'good' if verdict.good else 'BAD'}: {verdict.what}", flush=True)
    if bad:
        ending.fail("remove what is bad, and fetch it again.", MODEL_FAILED)


@models.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Does not ask.")] = False,
) -> None:
    """Removes a model, or what arrived of one."""
    model_dir = ending.read_settings().model_dir
    path = _own_path(name, model_dir)
    files = [file for file in files_of(path) if file.exists() or file.is_symlink()]
    if not files:
        ending.fail(f"{name} is not in the model directory.", MODEL_FAILED)
    if not yes:
        if not sys.stdin.isatty():
            ending.fail("say --yes to remove a model without being asked.", ending.WRONG_USAGE)
        if not typer.confirm(f"Remove {name} ({size(sum(file.lstat().st_size for file in files))})?"):
            ending.fail("nothing was removed.", MODEL_FAILED)
    part = lock_part(part_path(path)) if part_path(path).exists() else None
    if part is None and part_path(path).exists():
        ending.fail(f"{name} is being fetched just now. Stop that first.", MODEL_FAILED)
    try:
        for file in files:
            file.unlink(missing_ok=True)
    except OSError as error:
        ending.fail(f"cannot remove {name}: {error.strerror}.", MODEL_FAILED)
    finally:
        if part is not None:
            part.close()
    print(f"{name} is removed.")


@models.command()
def path(name: NameOrNothing = "") -> None:
    """Prints where a model's file is; without a name, the model directory."""
    model_dir = ending.read_settings().model_dir
    if not name:
        print(model_dir)
        return
    try:
        print(find_model(name, model_dir))
    except EngineError as error:
        ending.fail(error.message, MODEL_FAILED)


def _installed(name: str, model_dir: Path) -> InstalledModel:
    found = [m for m in installed_models(model_dir) if name in (m.name, m.path.name, m.path.stem)]
    if not found:
        ending.fail(f"{name} is not in the model directory, or is no model.", MODEL_FAILED)
    return found[0]


def _own_path(name: str, model_dir: Path) -> Path:
    """Where a model of that name is in the model directory, or would be."""
    if Path(name).name != name or "\0" in name:
        ending.fail("name a model in the model directory, without a path.", ending.WRONG_USAGE)
    stem = name.removesuffix(".bin")
    choices = [model_dir / f"{stem}.bin", model_dir / f"ggml-{stem}.bin"]
    return next((choice for choice in choices if any(file.exists() for file in files_of(choice))), choices[0])
