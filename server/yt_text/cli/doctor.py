"""`yt-text doctor`: what works on this machine, what does not, and what to do about it."""

import importlib.metadata
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from yt_text.cli import ending
from yt_text.settings import CORES, Settings

OK, NOTE, BAD = "ok", "note", "bad"
_STYLES = {OK: "green", NOTE: "yellow", BAD: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, `note` (works, but), or `bad` (the service cannot do its work)."""

    state: str
    what: str
    how: str


def doctor() -> None:
    """Looks at what the service needs on this machine; ends with 1 if something of it is missing."""
    settings = ending.read_settings()
    findings = list(examine(settings))
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        table.add_row(f"[{_STYLES[finding.state]}]{finding.state}[/]", finding.what, finding.how)
    Console(soft_wrap=True, highlight=False).print(table)
    raise typer.Exit(ending.SERVICE_FAILED if any(finding.state == BAD for finding in findings) else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """Yields what is found."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {CORES} cores"
    yield Finding(OK, "system", system)
    yield _folder("data directory", settings.data_dir, settings.min_free_disk_bytes, "YT_TEXT_DATA_DIR")
    yield _database(settings)
    yield from _engines(settings)
    yield _gateway(settings)
    version = importlib.metadata.version("yt-dlp")
    yield Finding(OK, "yt-dlp", f"{version}; sites change, so a newer one may read more of them")


def _folder(what: str, folder: Path, min_free_bytes: int, setting: str) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(BAD, what, f"{folder}: {error.strerror}. Set {setting} to another one.")
    if free < min_free_bytes:
        return Finding(BAD, what, f"{folder}: {free / 1e9:.1f} GB free, too little for any recording. Make room.")
    return Finding(OK, what, f"{folder}, {free / 1e9:.1f} GB free")


def _database(settings: Settings) -> Finding:
    path = settings.data_dir / "yt-text.db"
    if settings.database_url or not path.exists():
        how = "by YT_TEXT_DATABASE_URL" if settings.database_url else "made at the first start"
        return Finding(OK, "database", how)
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as connection:
            found = connection.execute("PRAGMA quick_check").fetchone()[0]
            jobs = connection.execute("SELECT count(*) FROM job").fetchone()[0]
    except sqlite3.Error:
        return Finding(BAD, "database", f"{path} cannot be read. Move it away, or restore it from a copy.")
    if found != "ok":
        return Finding(BAD, "database", f"{path} is damaged. Restore it from a copy.")
    return Finding(OK, "database", f"{path}, {jobs:,} jobs")


def _engines(settings: Settings) -> Iterator[Finding]:
    from yt_text.engines import catalog

    engines = catalog.list_engines(
        settings.model_dir,
        settings.model,
        downloads=settings.model_download,
        openai_model=settings.offered_openai_model,
    )
    for number, engine in enumerate(engines):
        what = f"engine {engine.name}"
        if engine.available:
            models = ", ".join(engine.models)
            yield Finding(OK, what, f"models: {models}" if models else "its model is fetched at the first use")
        else:
            # The last one is what `auto` falls back to.
            yield Finding(BAD if number == len(engines) - 1 else NOTE, what, engine.unavailable_reason)


def _gateway(settings: Settings) -> Finding:
    if not settings.gateway:
        return Finding(NOTE, "gateway", "left out by YT_TEXT_GATEWAY: gRPC only, without page and REST")
    from yt_text.gateway.envoy import GatewayMissingError, find_envoy

    try:
        find_envoy()
    except GatewayMissingError as error:
        return Finding(NOTE, "gateway", f"{error}: gRPC only, without page and REST")
    return Finding(OK, "gateway", f"Envoy, for http://{settings.http_address}/")
