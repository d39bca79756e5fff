"""The gateway dies, the server dies, a port is taken: each is mended, or said in one line."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.service import ServeProcess, free_port, running
from yt_text.gateway.config import GatewayConfig
from yt_text.gateway.envoy import Gateway, GatewayError


def with_gateway(folder: Path, **environment: str) -> tuple[ServeProcess, str]:
    """A service with a gateway, in a process of its own, and the gateway's address."""
    address = f"127.0.0.1:{free_port()}"
    return ServeProcess(folder, YT_TEXT_GATEWAY="on", YT_TEXT_HTTP_ADDRESS=address, **environment), address


async def eventually(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def envoy_of(service: ServeProcess) -> psutil.Process:
    return next(child for child in service.children() if child.name() == "envoy")


async def test_a_killed_gateway_comes_back_at_its_address(tmp_path: Path) -> None:
    async with running(tmp_path, gateway=True) as (app, _), httpx.AsyncClient() as http:
        url = f"http://{app.http_address}/health/ready"
        assert (await http.get(url)).status_code == 200
        envoy = next(child for child in psutil.Process().children() if child.name() == "envoy")
        envoy.kill()
        async with asyncio.timeout(30):
            while True:
                try:
                    answer = await http.get(url)
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        assert answer.json() == {"status": "ok"}


async def test_a_killed_service_leaves_no_gateway_behind_and_comes_back_at_its_address(tmp_path: Path) -> None:
    service, address = with_gateway(tmp_path)
    async with service:
        await service.gateway_ready(address)
        envoy = envoy_of(service)
        service.kill()
        await eventually(lambda: not envoy.is_running() or envoy.status() == psutil.STATUS_ZOMBIE)
        service.start()
        await service.gateway_ready(address)


async def test_sigterm_ends_the_gateway_too(tmp_path: Path) -> None:
    service, address = with_gateway(tmp_path)
    async with service:
        await service.gateway_ready(address)
        envoy = envoy_of(service)
        assert service.terminate() == 0
        assert not envoy.is_running()
        assert not list((tmp_path / "data" / "run").glob("gateway-*")), "its folder is removed"


async def test_a_stopped_gateway_is_killed_in_the_end(tmp_path: Path) -> None:
    service, address = with_gateway(tmp_path)
    async with service:
        await service.gateway_ready(address)
        envoy = envoy_of(service)
        os.kill(envoy.pid, signal.SIGSTOP)
        assert service.terminate() == 0
        assert not envoy.is_running()


def test_a_busy_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = {**os.environ, "YT_TEXT_DATA_DIR": str(tmp_path), "YT_TEXT_GRPC_ADDRESS": "127.0.0.1:0"}
        done = subprocess.run(
            [sys.executable, "-m", "yt_text.cli.main", "serve", "--http-address", address],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == (
        f"yt-text: cannot listen on {address}. Is the port in use? Set YT_TEXT_HTTP_ADDRESS to another.\n"
    )


async def test_a_configuration_that_envoy_refuses_is_one_clear_line(tmp_path: Path) -> None:
    gateway = Gateway(GatewayConfig(listen="127.0.0.1:0", max_heap_bytes=-1), tmp_path)
    with pytest.raises(GatewayError) as caught:
        await gateway.start()
    assert "max_heap_size_bytes" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gateway.pid == 0


async def test_a_gateway_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yt_text.gateway.envoy.CHECK_S", 0.1)
    monkeypatch.setattr("yt_text.gateway.envoy.ADMIN_TIMEOUT_S", 0.3)
    gateway = Gateway(GatewayConfig(listen="127.0.0.1:0", servers=("127.0.0.1:1",)), tmp_path)
    await gateway.start()
    hanging = gateway.pid
    os.kill(hanging, signal.SIGSTOP)
    await eventually(lambda: gateway.pid not in (0, hanging))
    async with httpx.AsyncClient() as http, asyncio.timeout(30):
        while True:
            try:
                assert (await http.get(f"http://{gateway.address}/")).status_code == 200
                break
            except httpx.TransportError:
                await asyncio.sleep(0.02)
    await gateway.stop(0)


async def test_what_envoy_says_is_cut_to_a_line_that_can_be_read(tmp_path: Path) -> None:
    origins = tuple(f"https://{'a' * 60}{number}.example" for number in range(2_000))
    gateway = Gateway(GatewayConfig(listen="127.0.0.1:0", cors_origins=origins, max_body_bytes=1 << 40), tmp_path)
    with pytest.raises(GatewayError) as caught:
        await gateway.start()
    assert 20 < len(str(caught.value)) <= 300


def test_a_gateway_alone_says_what_is_wrong_with_its_command_line(tmp_path: Path) -> None:
    for arguments in (
        ("--server", "garbage"),
        ("--server", "unix:/s", "--server", "a:1"),
        ("--write", str(tmp_path / "new"), "--http-address", "localhost:1"),
    ):
        command = [sys.executable, "-m", "yt_text.cli.main", "gateway", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


async def test_no_gateway(tmp_path: Path) -> None:
    async with running(tmp_path, gateway=False) as (app, _):
        assert app.http_address == ""
