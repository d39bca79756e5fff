"""`yt-text models`: what it shows, fetches, checks and removes, with its exit codes."""

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.model_mirrors import Mirror
from tests.models import MICRO, wired_model
from tests.recordings import speech, word_errors, write


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return wired_model(tmp_path_factory.mktemp("model") / "a.bin").read_bytes()


@pytest.fixture
def mirror(model: bytes) -> Generator[Mirror]:
    with Mirror({"/mine.bin": model, "/ggml-tiny.bin": model}) as mirror:
        yield mirror


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def environment(tmp_path: Path, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YT_TEXT_")}
    return {
        **kept,
        "YT_TEXT_DATA_DIR": str(tmp_path / "data"),
        "YT_TEXT_MODEL_DIR": str(folder),
        "YT_TEXT_MIN_FREE_DISK_BYTES": "0",
        "NO_PROXY": "127.0.0.1",
    }


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "yt_text.cli.main", "models", *arguments]


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )  # fmt: skip


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def on_a_terminal(environment: dict[str, str], answer: str, *arguments: str) -> tuple[int, str]:
    """Runs a command on a terminal of its own; returns its exit code and all that it showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(*arguments), env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    os.write(ours, answer.encode())
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return process.wait(60), shown.decode(errors="replace")


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen within a minute"
        time.sleep(0.02)


def arrived(folder: Path) -> int:
    part = folder / "mine.bin.part"
    return part.stat().st_size if part.exists() else 0


def row(table: str, name: str) -> list[str]:
    return next(line.split() for line in table.splitlines() if line.split()[:1] == [name])


def test_the_list_shows_what_is_published_and_what_is_here(
    environment: dict[str, str], folder: Path, model: bytes
) -> None:
    folder.mkdir()
    (folder / "own.bin").write_bytes(MICRO.read_bytes())
    (folder / "ggml-tiny.bin").write_bytes(model)
    (folder / "ggml-base.bin.part").write_bytes(bytes(14_800_000))
    done = run(environment, "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert row(done.stdout, "base-q8_0") == ["base-q8_0", "82", "MB", "238", "MB", "1.1x", "many"]
    assert row(done.stdout, "small.en")[-1] == "English"
    assert row(done.stdout, "base")[-2:] == ["10", "%"]
    assert row(done.stdout, "tiny")[-1] == "damaged"
    assert row(done.stdout, "own") == ["own", "10", "MB", "English", "yes"]
    here = run(environment, "list", "--here")
    assert [line.split()[0] for line in here.stdout.splitlines()[3:] if line.strip()] == ["tiny", "base", "own"]


def test_a_model_is_fetched_by_url_checked_found_and_removed(
    environment: dict[str, str], folder: Path, mirror: Mirror, model: bytes
) -> None:
    done = run(environment, "pull", mirror.url("/mine.bin"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"mine is here. SHA-256 {sha256(model).hexdigest()}\n"
    assert "mine: 8 MB of 8 MB, 100 %" in done.stderr
    assert "no SHA-256 is known" in done.stderr
    again = run(environment, "pull", mirror.url("/mine.bin"))
    assert (again.returncode, again.stdout, again.stderr) == (0, "mine is here already.\n", "")
    assert len(mirror.requests) == 1
    for arguments in (["verify"], ["verify", "mine"]):
        good = run(environment, *arguments)
        assert (good.returncode, good.stderr) == (0, "")
        assert good.stdout == "mine: good: It is whole, and its SHA-256 is the one noted when it was fetched.\n"
    assert run(environment, "path", "mine").stdout == f"{folder / 'mine.bin'}\n"
    assert run(environment, "path").stdout == f"{folder}\n"
    gone = run(environment, "remove", "mine", "--yes")
    assert (gone.returncode, gone.stdout) == (0, "mine is removed.\n")
    assert list(folder.iterdir()) == []


def test_a_model_of_ones_own_gets_a_name_and_transcribes(environment: dict[str, str], tmp_path: Path) -> None:
    recording = speech(20, seed=5)
    path = write(recording, tmp_path / "talk.mp3", codec="mp3")
    with Mirror({"/some/file": MICRO.read_bytes()}) as mirror:
        mirror.linked = sha256(MICRO.read_bytes()).hexdigest()
        pulled = run(environment, "pull", mirror.url("/some/file"), "--name", "micro")
    assert (pulled.returncode, "note" in pulled.stderr) == (0, False)
    done = subprocess.run(
        [sys.executable, "-m", "yt_text.cli.main", "transcribe", str(path), "--model", "micro"],
        env={**environment, "YT_TEXT_ENGINE_PROCESSES": "1"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert word_errors([word.text for word in recording.words], done.stdout) < 0.2


def test_a_damaged_model_is_told_with_exit_code_1(environment: dict[str, str], folder: Path, mirror: Mirror) -> None:
    run(environment, "pull", mirror.url("/mine.bin"))
    with (folder / "mine.bin").open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"damage")
    done = run(environment, "verify")
    assert done.returncode == 1
    assert done.stdout.startswith("mine: BAD: Its SHA-256 is not the one")
    (folder / "ggml-base.bin").write_text("<!doctype html>")
    done = run(environment, "verify", "base")
    assert done.returncode == 1
    assert "web page" in done.stdout


def test_a_mirror_with_another_file_under_a_published_name_is_refused(
    environment: dict[str, str], folder: Path, mirror: Mirror
) -> None:
    done = run(environment, "pull", "tiny", "--mirror", mirror.url())
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1 has a file of another size under that name" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


def test_offline_is_one_clear_message(environment: dict[str, str], folder: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = run(environment, "pull", "tiny", "--mirror", f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert lines[0] == "yt-text: 127.0.0.1 cannot be reached"
    assert lines[1].startswith("yt-text: The model could not be downloaded.")
    assert len(lines) == 2


@pytest.mark.parametrize("arguments", [("pull", "basse"), ("pull", "ftp://h/x.bin"), ("pull", "base", "--name", "x"),
                                       ("remove", "../x", "--yes"), ("pull",), ("nothing",)])  # fmt: skip
def test_wrong_usage_has_exit_code_2(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run(environment, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("verify", "none"), ("remove", "none", "--yes"), ("path", "none")])
def test_a_model_that_is_not_here_has_exit_code_1(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout) == (1, "")


def test_verify_without_models_is_content(environment: dict[str, str]) -> None:
    done = run(environment, "verify")
    assert (done.returncode, done.stdout) == (0, "No model is here.\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_what_arrived_before_the_end_is_kept_and_continued(
    environment: dict[str, str], folder: Path, mirror: Mirror, model: bytes, number: int, code: int
) -> None:
    mirror.hold_at = 3_000_000
    process = start(environment, "pull", mirror.url("/mine.bin"))
    until(lambda: arrived(folder) == 3_000_000)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in told
    assert ("goes on from there" in told) == (number == signal.SIGINT)
    assert arrived(folder) == 3_000_000
    mirror.hold_at = 0
    assert run(environment, "pull", mirror.url("/mine.bin")).returncode == 0
    assert mirror.starts == [0, 3_000_000]
    assert (folder / "mine.bin").read_bytes() == model


def test_two_at_once_fetch_it_once(environment: dict[str, str], folder: Path, mirror: Mirror) -> None:
    mirror.hold_at = 1_000_000
    both = [start(environment, "pull", mirror.url("/mine.bin")) for _ in range(2)]
    until(lambda: arrived(folder) == 1_000_000)
    time.sleep(1)
    refused = run(environment, "remove", "mine", "--yes")
    assert (refused.returncode, "being fetched" in refused.stderr) == (1, True)
    mirror.go_on.set()
    said = sorted(process.communicate(timeout=60)[0] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said[0].startswith("mine is here already") or said[0].startswith("mine is here.")
    assert sum("already" in text for text in said) == 1
    assert mirror.starts == [0]


def test_what_arrived_of_a_model_can_be_removed(environment: dict[str, str], folder: Path) -> None:
    folder.mkdir()
    (folder / "ggml-base.bin.part").write_bytes(b"lmgg")
    (folder / "ggml-base.bin.part.json").write_text("{}")
    done = run(environment, "remove", "base", "--yes")
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []


def test_removing_asks_on_a_terminal_and_elsewhere_wants_to_be_told(
    environment: dict[str, str], folder: Path, model: bytes
) -> None:
    folder.mkdir()
    path = folder / "mine.bin"
    path.write_bytes(model)
    assert run(environment, "remove", "mine").returncode == 2
    assert path.exists()
    code, shown = on_a_terminal(environment, "n\n", "remove", "mine")
    assert (code, path.exists()) == (1, True)
    assert "Remove mine (8 MB)?" in shown
    code, _ = on_a_terminal(environment, "y\n", "remove", "mine")
    assert (code, path.exists()) == (0, False)


def test_a_link_to_a_model_elsewhere_is_removed_and_not_the_model(
    environment: dict[str, str], folder: Path, tmp_path: Path, model: bytes
) -> None:
    folder.mkdir()
    (tmp_path / "elsewhere.bin").write_bytes(model)
    (folder / "mine.bin").symlink_to(tmp_path / "elsewhere.bin")
    assert run(environment, "remove", "mine", "--yes").returncode == 0
    assert list(folder.iterdir()) == []
    assert (tmp_path / "elsewhere.bin").read_bytes() == model


def test_a_terminal_shows_a_bar(environment: dict[str, str], folder: Path, mirror: Mirror) -> None:
    mirror.rate = 8_000_000
    code, shown = on_a_terminal(environment, "", "pull", mirror.url("/mine.bin"))
    assert code == 0
    assert "MB/s" in shown
    assert "mine is here." in shown
