"""How a command ends: exit codes, signals, one clear line for what a user can mend."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

from yt_text.settings import SettingError, Settings

RECORDING_FAILED = SERVICE_FAILED = 1
WRONG_USAGE = 2
NO_SERVICE = 3
INTERRUPTED = 130


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with one line on stderr."""
    print(f"yt-text: {message}", file=sys.stderr)
    raise typer.Exit(code)


def read_settings(**given: object) -> Settings:
    """Reads the environment; ends the command if a setting is wrong."""
    try:
        return Settings.read(os.environ, **given)
    except SettingError as error:
        fail(f"the setting {error}.", WRONG_USAGE)


def run(main: Coroutine[Any, Any, int]) -> NoReturn:
    """Runs a command to its exit code. SIGINT, SIGTERM and a closed terminal cancel it; it then cleans up."""

    async def interruptible() -> int:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return INTERRUPTED

    raise typer.Exit(asyncio.run(interruptible()))
