"""Sets up the log on stderr: for people on a terminal, as JSON lines elsewhere.

    logging.getLogger(__name__).info("call", extra={"method": "GetJob", "ms": 0.4})

The standard library's logging, because the start of the service should not wait for another's import.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from yt_text.request_id import REQUEST_ID

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest are the facts given with it."""


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    facts = {name: value for name, value in vars(record).items() if name not in _OWN}
    if request_id := REQUEST_ID.get():
        facts["request_id"] = request_id
    return facts


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line. JSON escapes line breaks: nobody can forge one."""
        line = {"time": _time(record), "level": record.levelname.lower(), "event": record.getMessage()}
        line |= {"logger": record.name, **_facts(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Console(logging.Formatter):
    """A line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line; facts in Python's notation, so that line breaks in them do no harm."""
        facts = " ".join(f"{name}={value!r}" for name, value in _facts(record).items())
        line = f"{_time(record)} {record.levelname:7} {record.getMessage()}  {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(*, format_name: str = "auto", level: str = "info") -> None:
    """Sends the log to stderr.

    Args:
        format_name: `console`, `json` or `auto`: console on a terminal.
        level: least important messages to show; of other libraries only warnings.
    """
    console = sys.stderr.isatty() if format_name == "auto" else format_name == "console"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Console() if console else JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("yt_text").setLevel(level.upper())
