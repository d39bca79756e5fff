"""The examples of the README do what they say: each runs as a program of its own against a server."""

import asyncio
import re
import sys
from pathlib import Path

import grpc
import pytest

from clients.python.tests.scripted import ScriptedServer, status

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


async def run_example(number: int, server: ScriptedServer, folder: Path) -> str:
    code = EXAMPLES[number].replace("127.0.0.1:50051", server.target).replace("Client()", f'Client("{server.target}")')
    (folder / "talk.mp3").write_bytes(b"sound" * 100)
    (folder / "example.py").write_text(code, "utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "example.py",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    assert errors == b""
    return output.decode()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0, "segment 0 segment 1\n"),
        (1, "0 segment 0\n1000 segment 1\n100 %\n"),
        (2, "500 of 500 bytes\nsegment 0\nsegment 1\n4 words\n"),
    ],
)
async def test_an_example_runs(server: ScriptedServer, tmp_path: Path, number: int, expected: str) -> None:
    server.service.segments_at_once = 2
    assert await run_example(number, server, tmp_path) == expected


async def test_the_example_of_errors_runs(server: ScriptedServer, tmp_path: Path) -> None:
    server.service.segments_at_once = 1
    server.service.error_at_once = status(grpc.StatusCode.PERMISSION_DENIED, "LOGIN_REQUIRED", "The site wants it.")
    assert await run_example(3, server, tmp_path) == "LOGIN_REQUIRED The site wants it.\n"


def test_every_example_is_run() -> None:
    assert len(EXAMPLES) == 4
