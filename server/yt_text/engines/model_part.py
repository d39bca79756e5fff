"""A model's file while it arrives: its bytes, their digest, and what they were said to be part of."""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_READ_BYTES = 1 << 20
_MAX_STATE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class State:
    """What a server said of the file that its first bytes are from.

    Attributes:
        url: where they are from.
        validator: tells that state of the file from another; empty if the server gave none.
        total: length of the whole file in bytes, 0 if not known.
        sha256: of the whole file as hex; empty if the server did not say.
    """

    url: str = ""
    validator: str = ""
    total: int = 0
    sha256: str = ""


class Part:
    """The file `<name>.part`, with `<name>.part.json` beside it.

    Args:
        descriptor: the file, open for reading and writing; closed by `close`.
        path: of it.

    Attributes:
        path: its path.
        position: bytes that are here.
        state: what they are part of.
    """

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path
        self._state_path = path.with_name(path.name + ".json")
        self._sum = hashlib.sha256()
        self.position = 0
        self.state = State()

    @property
    def size(self) -> int:
        """Bytes on the disk, whether or not they can be used."""
        return os.fstat(self._descriptor).st_size

    @property
    def sha256(self) -> str:
        """Of the bytes that are here."""
        return self._sum.hexdigest()

    def resume(self, alive: Callable[[], None]) -> None:
        """Takes up what an earlier download left, or begins anew.

        Args:
            alive: called now and then while the bytes are read; raises to stop.
        """
        state = self._read_state()
        if state is None or not self.size or (state.total and self.size > state.total):
            self.restart()
            return
        self.state = state
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        while block := os.read(self._descriptor, _READ_BYTES):
            alive()
            self._sum.update(block)
            self.position += len(block)

    def restart(self, state: State | None = None) -> None:
        """Forgets all bytes; those that follow are of `state`."""
        os.ftruncate(self._descriptor, 0)
        self.position = 0
        self._sum = hashlib.sha256()
        self.state = state or State()
        if state is not None:
            _write_whole(self._state_path, json.dumps(asdict(state)))

    def append(self, block: bytes) -> None:
        """Writes the next bytes. Raises OSError if the disk is full."""
        view = memoryview(block)
        while view:
            written = os.pwrite(self._descriptor, view, self.position)
            self._sum.update(view[:written])
            self.position += written
            view = view[written:]

    def finish(self, path: Path) -> str:
        """Gives the file its name, when all of it is on the disk, and notes its digest. Returns that."""
        os.fsync(self._descriptor)
        _write_whole(digest_path(path), f"{self.sha256}  {path.name}\n")
        self.path.replace(path)
        self._state_path.unlink(missing_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return self.sha256

    def close(self) -> None:
        """Lets go of the file; one without bytes is removed."""
        if not self.size:
            self.path.unlink(missing_ok=True)
            self._state_path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _read_state(self) -> State | None:
        with suppress(OSError, ValueError, TypeError):
            if self._state_path.stat().st_size > _MAX_STATE_BYTES:
                return None
            values: Any = json.loads(self._state_path.read_text("utf-8"))
            state = State(**values)
            if [type(value) for value in asdict(state).values()] == [str, str, int, str]:
                return state
        return None


def lock_part(path: Path) -> Part | None:
    """Opens the unfinished file at a path, for this process alone; None while another has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who had it before may have given it its name, or removed it.
        if os.path.samestat(path.stat(), os.fstat(descriptor)):
            return Part(descriptor, path)
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def part_path(path: Path) -> Path:
    """Where a model's file is while it arrives."""
    return path.with_name(path.name + ".part")


def digest_path(path: Path) -> Path:
    """Where the digest of a model's file is kept, in the form of `sha256sum`."""
    return path.with_name(path.name + ".sha256")


def kept_digest(path: Path) -> str:
    """The digest that was kept when a model was brought, as hex; empty if there is none."""
    try:
        with digest_path(path).open(encoding="ascii") as file:
            digest = file.read(64)
    except (OSError, ValueError):
        return ""
    return digest if len(digest) == 64 and set(digest) <= set("0123456789abcdef") else ""


def files_of(path: Path) -> tuple[Path, ...]:
    """A model's file and all that is kept beside it, whether or not they exist."""
    part = part_path(path)
    return (path, digest_path(path), part, part.with_name(part.name + ".json"))


def _write_whole(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf-8")
    new.replace(path)
