"""Sets up the log: structured lines on stderr, for people on a terminal, as JSON elsewhere."""

import logging
import sys

import structlog


def configure(*, format_name: str = "auto", level: str = "info") -> None:
    """Sends the log to stderr.

    Args:
        format_name: `console`, `json` or `auto`.
        level: least important messages to show.
    """
    console = sys.stderr.isatty() if format_name == "auto" else format_name == "console"
    numeric = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=sys.stderr, level=max(numeric, logging.WARNING), format="%(name)s: %(message)s")
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            *([] if console else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
