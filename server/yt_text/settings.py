"""Every setting and every limit, with unit and default. The only reader of the environment.

Each field is read from the variable `YT_TEXT_` plus its name in capitals; an empty one counts as absent.

Read by hand: pydantic-settings takes a quarter of a second to import, a quarter of what a start may take.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Self, get_type_hints

from platformdirs import user_cache_path, user_data_path

from yt_text.address import split_address
from yt_text.engines.model_source import DEFAULT_MIRRORS, DownloadLimits

CORES = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
PREFIX = "YT_TEXT_"
MOST = 1 << 50
"""Of any number: what takes more is a slip, and some of those who are told could not hold it."""
MOST_32_BITS = 2**32 - 1
Networks = tuple[IPv4Network | IPv6Network, ...]
Texts = tuple[str, ...]


class SettingError(ValueError):
    """A variable's value cannot be used; the text names the variable and says what it should be."""


def _number(default: float, *, least: float = 0, most: float = MOST, above: bool = False) -> Any:
    """A number of at least `least`, or above it, and of at most `most`."""
    return field(default=default, metadata={"least": least, "above": above, "most": most})


def _each(pattern: str, wanted: str) -> Mapping[str, Any]:
    """Rules for texts separated by commas: each is of this form."""
    return {"pattern": re.compile(pattern), "wanted": wanted}


def _one_of(default: str, *others: str) -> Any:
    return field(default=default, metadata={"choices": (default, *others)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a service is told from outside."""

    # Places
    data_dir: Path = field(default_factory=lambda: user_data_path("yt-text"))
    """Database, recordings and sockets."""
    database_url: str = ""
    """SQLAlchemy URL. Default: SQLite in the data directory."""
    model_dir: Path = field(default_factory=lambda: user_cache_path("yt-text") / "models")
    """Where models are looked up by name."""

    # Doors
    grpc_address: str = "127.0.0.1:50051"
    """Where gRPC listens: `host:port` (port 0 picks one) or `unix:/path`."""
    max_message_bytes: int = _number(4 << 20, least=64 << 10)
    """Largest message a caller may send."""
    max_concurrent_calls: int = _number(2_000, least=1)
    """Calls at once, watchers included; more are refused with RESOURCE_EXHAUSTED."""
    call_timeout_s: float = _number(60, most=86_400, above=True)
    """Longest time for a call that neither watches nor uploads."""
    http_address: str = "127.0.0.1:8080"
    """Where the gateway listens: page, REST, gRPC and gRPC-Web; `host:port` (port 0 picks one)."""
    gateway: bool = True
    """Runs the gateway beside the server."""
    gateway_threads: int = _number(0, most=64)
    """Threads of the gateway. 0: one a core, at most four."""
    gateway_heap_bytes: int = _number(512 << 20, least=64 << 20)
    """Memory of the gateway; near it new requests are refused."""
    max_connections: int = _number(10_000, least=1, most=MOST_32_BITS)
    """Connections to the gateway at once."""
    max_body_bytes: int = _number(1 << 20, least=1_024, most=MOST_32_BITS)
    """Largest body of a request to the gateway that is not an upload."""
    cors_origins: Texts = field(
        default=(), metadata=_each(r"https?://[A-Za-z0-9.\-\[\]:]+", "origins, such as https://example.com")
    )
    """Web origins whose pages may call the gateway, separated by commas, such as https://example.com."""
    trusted_proxy_hops: int = _number(0, most=100)
    """Proxies in front of the gateway that append to `x-forwarded-for`. One too many: clients choose their address."""
    trusted_gateways: Networks = ()
    """Networks of gateways on other machines: what they say of a client's address is believed."""
    submits_per_minute: int = _number(10, least=1, most=100_000)
    """Submits of one client through the gateway; more are refused with RATE_LIMITED."""
    max_jobs_per_client: int = _number(3)
    """Jobs of one client of the gateway that have not ended; more are refused with TOO_MANY_JOBS. 0: no limit."""
    max_streams_per_client: int = _number(100, least=1)
    """Event streams, exports and uploads of one client of the gateway at once; more are refused with RATE_LIMITED."""
    http_hosts: Texts = field(
        default=(), metadata=_each(r"\*|[A-Za-z0-9.\-]+|\[[0-9a-fA-F:.]+\]", "host names without ports")
    )
    """Names by which the gateway may be asked, separated by commas. Default: this machine's own while it listens on
    loopback, so that no web page can reach it under a name of its own; any (`*`) otherwise."""
    watch_keepalive_s: float = _number(15, most=3_600, above=True)
    """A watcher of an unchanged job gets a message this often."""
    shutdown_grace_s: float = _number(10)
    """After SIGTERM running jobs may end for so long; then they stop at their checkpoint."""

    # Jobs
    max_running_jobs: int = _number(3, least=1)
    """Jobs at once on this machine."""
    max_queued_jobs: int = _number(1_000, least=1)
    """Jobs that may wait; more are refused with RESOURCE_EXHAUSTED."""
    max_attempts: int = _number(5, least=1)
    """Attempts at a job that fails for reasons that may pass."""
    retry_base_s: float = _number(2, above=True)
    """Wait before the second attempt; it doubles with each, with jitter."""
    retry_max_s: float = _number(300, above=True)
    """Longest wait between attempts."""
    lease_seconds: float = _number(30, above=True)
    """A worker that has not been heard for so long loses its job to another."""
    reconcile_s: float = _number(60, above=True)
    """How often the queue is compared with the job table."""

    # Intake
    allowed_private_addresses: Networks = ()
    """Networks that intake may reach besides public ones, separated by commas."""
    max_media_bytes: int = _number(4 << 30, least=1)
    """Largest recording, fetched or uploaded."""
    max_media_duration_s: float = _number(12 * 3600, above=True)
    """Longest recording, in decoded seconds."""
    fetch_stall_s: float = _number(60, above=True)
    """A download that brings nothing for so long is given up."""
    fetch_total_s: float = _number(6 * 3600, above=True)
    """Longest download."""
    min_free_disk_bytes: int = _number(256 << 20)
    """Uploads and downloads stop before the disk is fuller than this."""
    upload_stall_s: float = _number(60, above=True)
    """An upload that brings nothing for so long is given up."""
    keep_media: bool = False
    """Keeps what was fetched after the job has succeeded."""
    keep_failed_media_s: float = _number(24 * 3600)
    """Keeps what was fetched for a failed or cancelled job so long; a later retry fetches it again."""

    # Engines
    model: str = ""
    """Model for jobs that name none. Default: the smallest that is found, else `base-q8_0`."""
    model_download: bool = True
    """Fetches the default model at its first use, if it is not here."""
    model_mirrors: Texts = field(default=DEFAULT_MIRRORS, metadata=_each(r"https?://\S+", "URLs of http or https"))
    """URLs under which the published models are, asked in this order; separated by commas."""
    model_max_bytes: int = _number(8 << 30, least=1)
    """Largest model that is fetched."""
    openai_api_key: str = field(default="", repr=False)
    """Key for the engine `openai`. With it `auto` uses that engine where there is no model for whisper.cpp."""
    openai_base_url: str = ""
    """A server that speaks like OpenAI's, such as http://gpu.example:8000/v1. Default: OpenAI's own."""
    openai_model: str = "gpt-transcribe"
    """Its model for jobs that name none. Only some give times: whisper-1 and most servers of one's own do."""
    openai_requests_per_day: int = _number(100)
    """Chunks sent to it in a day, by all workers, from midnight UTC. 0: no limit."""
    openai_minutes_per_day: int = _number(0)
    """Minutes of sound sent to it in a day. 0: no limit."""
    allow_model_paths: bool = False
    """Lets callers name a model by a path on this machine, not only by its name."""
    engine_processes: int = _number(0)
    """Engine processes. 0: one a core."""
    engine_threads: int = _number(0)
    """Threads of each. 0: cores divided by processes."""
    engine_idle_s: float = _number(300, above=True)
    """A model that nobody used for so long is unloaded."""
    chunk_timeout_s: float = _number(600, above=True)
    """Longest time for one chunk of sound; then its engine is replaced."""

    log_format: str = _one_of("auto", "console", "json")
    """`console`, `json`, or `auto`: console on a terminal."""
    log_level: str = _one_of("info", "debug", "warning", "error")
    """Least important messages to log."""

    @classmethod
    def read(cls, environment: Mapping[str, str], **given: object) -> Self:
        """Reads the environment.

        Args:
            environment: such as `os.environ`.
            given: settings from elsewhere, such as the command line; these hold.

        Raises:
            SettingError: a value cannot be used.
        """
        kinds = get_type_hints(cls)
        values: dict[str, Any] = {}
        for entry in fields(cls):
            text = environment.get(PREFIX + entry.name.upper(), "").strip()
            if entry.name in given:
                values[entry.name] = given[entry.name]
            elif text:
                values[entry.name] = _value(entry.name, kinds[entry.name], text, entry.metadata)
        try:
            split_address(values.get("http_address", cls.http_address))
        except ValueError:
            raise SettingError(f"{PREFIX}HTTP_ADDRESS must be host:port, such as 127.0.0.1:8080") from None
        if "database_url" in values and not values["database_url"].startswith("sqlite"):
            raise SettingError(f"{PREFIX}DATABASE_URL must be a SQLite URL; others are not supported yet")
        return cls(**values)

    @property
    def store_url(self) -> str:
        """The database, with its default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'yt-text.db'}"

    @property
    def download_limits(self) -> DownloadLimits:
        """What fetching a model may take."""
        return DownloadLimits(max_bytes=self.model_max_bytes, min_free_disk_bytes=self.min_free_disk_bytes)

    @property
    def offered_openai_model(self) -> str:
        """The model of the engine `openai`; empty if that engine is not set up."""
        return self.openai_model if self.openai_api_key or self.openai_base_url else ""

    @property
    def processes(self) -> int:
        """Engine processes, with the default filled in."""
        return self.engine_processes or CORES

    @property
    def threads(self) -> int:
        """Threads of each engine process, with the default filled in.

        More threads than cores make whisper.cpp several times slower, not faster.
        """
        return self.engine_threads or max(1, CORES // self.processes)


def _value(name: str, kind: Any, text: str, rules: Mapping[str, Any]) -> Any:
    """Returns a variable's value."""
    read, wanted = _READERS[kind]
    try:
        value = read(text)
    except ValueError:
        raise SettingError(f"{PREFIX}{name.upper()} must be {wanted}") from None
    if "choices" in rules and value not in rules["choices"]:
        raise SettingError(f"{PREFIX}{name.upper()} must be one of {', '.join(rules['choices'])}")
    if "pattern" in rules and not all(rules["pattern"].fullmatch(part) for part in value):
        raise SettingError(f"{PREFIX}{name.upper()} must be {rules['wanted']}, separated by commas")
    if "least" in rules and (value < rules["least"] or (rules["above"] and value == rules["least"])):
        bound = "more than" if rules["above"] else "at least"
        raise SettingError(f"{PREFIX}{name.upper()} must be {bound} {rules['least']}")
    if "most" in rules and not value <= rules["most"]:  # also what is not a number at all
        raise SettingError(f"{PREFIX}{name.upper()} must be at most {rules['most']}")
    return value


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


def _networks(text: str) -> Networks:
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def _texts(text: str) -> Texts:
    return tuple(part.strip() for part in text.split(",") if part.strip())


_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_switch, "true or false"),
    int: (int, "a whole number"),
    float: (float, "a number"),
    str: (str, "a text"),
    Path: (lambda text: Path(text).expanduser(), "a path"),
    Texts: (_texts, "texts separated by commas"),
    Networks: (_networks, "networks separated by commas, such as 192.168.1.0/24"),
}
