"""How much of everything one fetch may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FetchLimits:
    """Bounds of one fetch.

    Attributes:
        max_bytes: longest recording.
        max_duration_s: longest recording, as its site declares it.
        resolve_timeout_s: for a site's name.
        connect_timeout_s: for one address of a site.
        read_timeout_s: for one answer of a site, and between two pieces of it; then it is asked again.
        metadata_timeout_s: until the site has named a recording.
        stall_timeout_s: a fetch to which nothing comes for so long is given up.
        total_timeout_s: longest fetch.
        memory_bytes: data of the child process.
        cpu_s: processor time of the child process.
        min_free_disk_bytes: the disk is not filled further than this.
        max_captions_bytes: longest file of captions.
        max_captions_segments: most that may be made of it.
    """

    max_bytes: int = 4 << 30
    max_duration_s: float = 12 * 3600
    resolve_timeout_s: float = 10
    connect_timeout_s: float = 15
    read_timeout_s: float = 20
    metadata_timeout_s: float = 180
    stall_timeout_s: float = 60
    total_timeout_s: float = 6 * 3600
    memory_bytes: int = 1536 << 20
    cpu_s: int = 900
    min_free_disk_bytes: int = 256 << 20
    max_captions_bytes: int = 32 << 20
    max_captions_segments: int = 100_000
