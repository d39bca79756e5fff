"""What the pool is told and what it tells: which engine to load, what it is, and every limit."""

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 8 * 1024 * 1024
"""Largest message between the pool and a child. A chunk of 30 s is under 1 MB."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What to load: an engine by name, and its model's file; empty if the engine carries its model."""

    engine: str
    model_path: str = ""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What a loaded engine says of itself.

    Attributes:
        model_sha256: as hex; empty if the model is not one file.
        max_chunk_ms: longest chunk it takes.
    """

    name: str
    model: str
    model_sha256: str
    max_chunk_ms: int


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """Every limit of the pool.

    Attributes:
        processes: children at once, each with one model in memory.
        threads: of the processor, for each child. Best is `processes` x `threads` = cores.
        load_timeout_s: for starting a child and loading its model.
        chunk_timeout_s: for one chunk, whatever its length; a child that takes longer is stuck.
        cancel_grace_s: for a child to come free after its chunk was cancelled, else it is killed.
        memory_base_bytes: what a child may use besides twice its model's file. Models need about 0.2 GB
            and 1.2 times their file: this ends a leak, not a large model.
        tries: how often a chunk is begun; a child that dies of it is replaced each time.
        idle_unload_s: a child without work for so long is ended and its memory given back.
        max_waiting_chunks: over all jobs.
        turn_chunks: while another model waits and no child has it, a child serves so many chunks of its
            own model before it is replaced.
        steal_after_s: a child idle for so long may be replaced to give another model one more child.
    """

    processes: int = 1
    threads: int = 1
    load_timeout_s: float = 120.0
    chunk_timeout_s: float = 600.0
    cancel_grace_s: float = 0.7
    memory_base_bytes: int = 1_536 * 1024 * 1024
    tries: int = 3
    idle_unload_s: float = 300.0
    max_waiting_chunks: int = 1_000
    turn_chunks: int = 4
    steal_after_s: float = 2.0
