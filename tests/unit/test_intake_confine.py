"""What a fetch child can no longer do once it is confined. Each attempt is made in a process of its own."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SETUP = """
import json, os, socket, subprocess, sys, tempfile
from pathlib import Path
from yt_text.intake import confine
port, root = int(sys.argv[1]), Path(sys.argv[2])
confine.guard(("127.0.0.1", port), [root / "spool", root / "spool.state"], root / "work")
def attempt():
{body}
try:
    attempt()
    print(json.dumps("done"))
except BaseException as error:
    print(json.dumps(type(error).__name__))
"""


def attempt(tmp_path: Path, *body: str, port: int = 1) -> str:
    """Tries something in a confined process; returns `done` or the error's name."""
    (tmp_path / "work").mkdir(exist_ok=True)
    program = SETUP.format(body="\n".join(f"    {line}" for line in body))
    command = [sys.executable, "-c", program, str(port), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path / "work", timeout=60, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "body",
    [
        "(root / 'spool').write_bytes(b'x')",
        "open('piece', 'wb').write(b'x')",
        "os.mkdir('inner'); open('inner/piece', 'w').close(); os.rename('inner/piece', 'piece'); os.remove('piece')",
        "open(os.devnull, 'w').write('x')",
        "open('/etc/hosts').read(1)",
        "import ssl; ssl.create_default_context()",
    ],
)
def test_what_a_fetch_needs_is_left(tmp_path: Path, body: str) -> None:
    assert attempt(tmp_path, body) == "done"


@pytest.mark.parametrize(
    "body",
    [
        "(root / 'other').write_bytes(b'x')",
        "open('../other', 'a')",
        "open('/etc/hosts', 'r+')",
        "os.open('../other', os.O_WRONLY | os.O_CREAT)",
        "open('../spool.other', 'x')",
        "os.mkdir('../other')",
        "os.remove('../keep')",
        "os.rename('../keep', 'taken')",
        "os.symlink('/etc', '../link')",
        "os.link('../keep', '../link')",
        "os.chmod('../keep', 0o777)",
        "os.truncate('../keep', 0)",
        "os.symlink('..', 'up'); open('up/other', 'w')",
        "tempfile.NamedTemporaryFile(dir=root)",
    ],
)
def test_nothing_else_can_be_written(tmp_path: Path, body: str) -> None:
    (tmp_path / "keep").write_text("kept")
    assert attempt(tmp_path, body) == "PermissionError"
    assert (tmp_path / "keep").read_text() == "kept"
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    "body",
    [
        "subprocess.run(['/bin/true'])",
        "subprocess.run('true', shell=True)",
        "os.system('true')",
        "os.execv('/bin/true', ['true'])",
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "import pty; pty.spawn('/bin/true')",
    ],
)
def test_no_program_can_be_started(tmp_path: Path, body: str) -> None:
    assert attempt(tmp_path, body) == "PermissionError"


def test_only_the_proxy_can_be_connected_to(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy, socket.create_server(("127.0.0.1", 0)) as other:
        allowed, forbidden = proxy.getsockname()[1], other.getsockname()[1]
        assert attempt(tmp_path, f"socket.create_connection(('127.0.0.1', {allowed}))", port=allowed) == "done"
        for body in (
            f"socket.create_connection(('127.0.0.1', {forbidden}))",
            f"socket.create_connection(('127.0.0.2', {allowed}))",
            f"socket.socket().connect(('127.0.0.1', {forbidden}))",
            f"socket.socket().connect_ex(('127.0.0.1', {forbidden}))",
            f"socket.socket(socket.AF_INET6).connect(('::ffff:127.0.0.1', {allowed}))",
            "socket.socket(socket.AF_UNIX).connect('/run/some.sock')",
            "socket.getaddrinfo('secret.example', 80)",
            "socket.gethostbyname('secret.example')",
        ):
            assert attempt(tmp_path, body, port=allowed) == "Stop", body
        assert attempt(tmp_path, "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53))") != "done"
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_the_kernels_limits_are_set(tmp_path: Path) -> None:
    body = (
        "confine.limit(memory_bytes=300 << 20, cpu_s=7, file_bytes=1000, files=50)",
        "import resource",
        "assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 50",
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)",
        "assert resource.getrlimit(resource.RLIMIT_CPU)[0] == 7",
        "open('piece', 'wb').write(b'x' * 1000)",
        "{}",
    )
    assert attempt(tmp_path, *body) == "done"
    assert attempt(tmp_path, *body[:-1], "open('large', 'wb').write(b'x' * 100_000)") == "OSError"
    if sys.platform == "linux":
        assert attempt(tmp_path, *body[:-1], "bytearray(400 << 20)") == "MemoryError"
