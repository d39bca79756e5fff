"""Every setting and every limit, with unit and default. The only reader of the environment.

Each field is read from the variable `YT_TEXT_` plus its name in capitals.
"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from platformdirs import user_cache_path, user_data_path
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

CORES = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class Settings(BaseSettings):
    """What a service is told from outside."""

    model_config = SettingsConfigDict(env_prefix="YT_TEXT_", env_ignore_empty=True, extra="ignore")

    # Places
    data_dir: Path = Field(default_factory=lambda: user_data_path("yt-text"))
    """Database, recordings and sockets."""
    database_url: str = ""
    """SQLAlchemy URL. Default: SQLite in the data directory."""
    model_dir: Path = Field(default_factory=lambda: user_cache_path("yt-text") / "models")
    """Where models are looked up by name."""

    # Doors
    grpc_address: str = "127.0.0.1:50051"
    """Where gRPC listens: `host:port` (port 0 picks one) or `unix:/path`."""
    max_message_bytes: int = Field(4 << 20, ge=64 << 10)
    """Largest message a caller may send."""
    max_concurrent_calls: int = Field(2_000, ge=1)
    """Calls at once, watchers included; more are refused with RESOURCE_EXHAUSTED."""
    call_timeout_s: float = Field(60, gt=0)
    """Longest time for a call that neither watches nor uploads."""
    watch_keepalive_s: float = Field(15, gt=0)
    """A watcher of an unchanged job gets a message this often."""
    shutdown_grace_s: float = Field(10, ge=0)
    """After SIGTERM running jobs may end for so long; then they stop at their checkpoint."""

    # Jobs
    max_running_jobs: int = Field(3, ge=1)
    """Jobs at once on this machine."""
    max_queued_jobs: int = Field(1_000, ge=1)
    """Jobs that may wait; more are refused with RESOURCE_EXHAUSTED."""
    max_attempts: int = Field(5, ge=1)
    """Attempts at a job that fails for reasons that may pass."""
    retry_base_s: float = Field(2, gt=0)
    """Wait before the second attempt; it doubles with each, with jitter."""
    retry_max_s: float = Field(300, gt=0)
    """Longest wait between attempts."""
    lease_seconds: float = Field(30, gt=0)
    """A worker that has not been heard for so long loses its job."""
    reconcile_s: float = Field(60, gt=0)
    """How often the queue is compared with the job table."""

    # Intake
    allowed_private_addresses: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """Networks that intake may reach besides public ones, separated by commas."""
    max_media_bytes: int = Field(4 << 30, ge=1)
    """Largest recording, fetched or uploaded."""
    max_media_duration_s: float = Field(12 * 3600, gt=0)
    """Longest recording, in decoded seconds."""
    fetch_stall_s: float = Field(60, gt=0)
    """A download that brings nothing for so long is given up."""
    fetch_total_s: float = Field(6 * 3600, gt=0)
    """Longest download."""
    min_free_disk_bytes: int = Field(256 << 20, ge=0)
    """Uploads and downloads stop before the disk is fuller than this."""
    keep_media: bool = False
    """Keeps what was fetched after the job has succeeded."""

    # Engines
    model: str = ""
    """Model for jobs that name none. Default: the first that is found, see engines/models.py."""
    allow_model_paths: bool = False
    """Lets callers name a model by a path on this machine, not only by its name."""
    engine_processes: int = Field(0, ge=0)
    """Engine processes. 0: one a core."""
    engine_threads: int = Field(0, ge=0)
    """Threads of each. 0: cores divided by processes."""
    engine_idle_s: float = Field(300, gt=0)
    """A model that nobody used for so long is unloaded."""
    chunk_timeout_s: float = Field(600, gt=0)
    """Longest time for one chunk of sound; then its engine is replaced."""

    log_format: str = Field("auto", pattern="^(auto|console|json)$")
    """`console`, `json`, or `auto`: console on a terminal."""
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    """Least important messages to log."""

    @field_validator("allowed_private_addresses", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())

    @property
    def store_url(self) -> str:
        """The database, with its default filled in."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'yt-text.db'}"

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
