"""Takes away from a fetch child what it does not need. To be done before yt-dlp is imported.

It may connect only to the proxy, start no program, and write only to its spool and its private folder.
Limits of the kernel hold its memory, processor time and file size. These are a second wall: what yt-dlp is
told (`extraction`) already keeps it from all that.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from yt_text.intake import failures
from yt_text.intake.failures import Stop

_PR_SET_PDEATHSIG = 1
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PROGRAMS = (
    *("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile"),
    *("os.fork", "os.forkpty", "pty.spawn"),
)
_CHANGES = (
    *("os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.chown", "os.utime", "os.setxattr"),
    *("os.removexattr", "os.chflags"),
)
_CHANGES_OF_TWO = ("os.rename", "os.link", "os.symlink", "shutil.move", "shutil.copyfile")


def die_with_parent() -> None:
    """Ends this process when the one that started it does: at once on Linux, and when stdin closes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def limit(*, memory_bytes: int, cpu_s: int, file_bytes: int, files: int = 128) -> None:
    """Sets the kernel's limits. A process beyond its processor time dies of SIGXCPU."""
    wanted = {
        # Data, not address space: libraries reserve far more of that than they use.
        resource.RLIMIT_DATA: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: file_bytes,
        resource.RLIMIT_NOFILE: files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, amount in wanted.items():
        hard = resource.getrlimit(kind)[1]
        amount = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        # At the hard limit of processor time comes SIGKILL, which would not say why.
        most = amount + 5 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else amount
        # macOS knows RLIMIT_DATA but may refuse to set it.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, most))


def guard(proxy: tuple[str, int], files: Iterable[Path], folder: Path) -> None:
    """Installs a hook that cannot be taken out again.

    Args:
        proxy: the one address that may be connected to.
        files: the only files that may be written outside of `folder`.
        folder: whatever is in it may be written.
    """
    allowed_files = frozenset({os.path.realpath(file) for file in files} | {os.devnull})
    root = os.path.realpath(folder) + os.sep

    def connect(_socket: object, address: Any) -> None:
        if not isinstance(address, tuple) or address[:2] != proxy:
            raise Stop(failures.ADDRESS_NOT_ALLOWED)

    def resolve(host: object, *_: object) -> None:
        if host != proxy[0]:
            raise Stop(failures.ADDRESS_NOT_ALLOWED)

    def refuse(*_: object) -> None:
        # An OSError is what a missing program looks like; yt-dlp goes on without it.
        raise PermissionError("not allowed in a fetch")

    def write(path: object) -> None:
        if isinstance(path, int):
            return
        if not isinstance(path, str | bytes | os.PathLike):
            refuse()
            return
        real = os.path.realpath(os.fsdecode(path))
        if real not in allowed_files and not real.startswith(root):
            refuse()

    def open_file(path: object, mode: object, flags: object) -> None:
        writes = isinstance(mode, str) and not set(mode).isdisjoint("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITE_FLAGS):
            write(path)

    def change(path: object, *_: object) -> None:
        write(path)

    def change_two(source: object, target: object, *_: object) -> None:
        write(source)
        write(target)

    checks: dict[str, Callable[..., None]] = {
        "socket.connect": connect,
        "socket.getaddrinfo": resolve,
        "socket.gethostbyname": resolve,
        "socket.sendto": refuse,
        "socket.sendmsg": refuse,
        "open": open_file,
        **dict.fromkeys(_PROGRAMS, refuse),
        **dict.fromkeys(_CHANGES, change),
        **dict.fromkeys(_CHANGES_OF_TWO, change_two),
    }
    find = checks.get

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        check = find(event)
        if check is not None:
            check(*arguments)

    sys.addaudithook(hook)
