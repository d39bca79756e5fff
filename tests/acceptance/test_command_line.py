"""The command line as scripts and people use it: text on stdout, the rest on stderr, exit codes, Ctrl-C."""

import asyncio
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.models import MICRO, wired_model
from tests.recordings import speech, word_errors, write
from tests.service import ServeProcess, running
from tests.sites import Site
from yt_text.cli.transcribe import FormatName
from yt_text.formats import FORMATS
from yt_text_client import Client, JobState

SPOKEN = speech(30, seed=31)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment of its own: temporary files, models, no terminal."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("YT_TEXT_")}
    return {
        **kept,
        "TMPDIR": str(scratch),
        "YT_TEXT_DATA_DIR": str(scratch / "data"),
        "YT_TEXT_MODEL_DIR": str(tmp_path / "models"),
        "YT_TEXT_MODEL": str(MICRO),
        "YT_TEXT_ENGINE_PROCESSES": "1",
        "YT_TEXT_ALLOWED_PRIVATE_ADDRESSES": "127.0.0.1/32",
        "YT_TEXT_MIN_FREE_DISK_BYTES": "0",
    }


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(SPOKEN, tmp_path / "talk.mp3", codec="mp3")


@pytest.fixture
def site(recording: Path) -> Generator[Site]:
    with Site(recording.parent) as site:
        yield site


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "yt_text.cli.main", *map(str, arguments)]


def run(environment: dict[str, str], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )  # fmt: skip


def words() -> list[str]:
    return [word.text for word in SPOKEN.words]


def left_behind(environment: dict[str, str]) -> list[str]:
    return [path.name for path in Path(environment["TMPDIR"]).rglob("*") if path.name != "data"]


def test_text_is_on_stdout_and_nothing_else(environment: dict[str, str], recording: Path) -> None:
    done = run(environment, "transcribe", recording)
    assert done.returncode == 0, done.stderr
    assert word_errors(words(), done.stdout) < 0.15
    assert done.stderr == ""
    assert left_behind(environment) == []


def test_a_url_is_transcribed(environment: dict[str, str], site: Site) -> None:
    done = run(environment, "transcribe", site.url("/talk.mp3"))
    assert done.returncode == 0, done.stderr
    assert word_errors(words(), done.stdout) < 0.15


@pytest.mark.parametrize(
    ("name", "beginning"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n"), ("md", "# ")]
)
def test_formats(environment: dict[str, str], recording: Path, name: str, beginning: str) -> None:
    done = run(environment, "transcribe", recording, "--format", name)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(beginning)


def test_every_format_of_the_package_is_offered() -> None:
    assert set(FormatName.__args__) == set(FORMATS)  # pyright: ignore[reportAttributeAccessIssue] - Literal has them


def test_json_has_words_when_asked(environment: dict[str, str], recording: Path) -> None:
    done = run(environment, "transcribe", recording, "-f", "json", "--words", "--language", "en")
    assert done.returncode == 0, done.stderr
    value: Any = json.loads(done.stdout)
    assert value["segments"][0]["words"]
    assert value["engine"] == "whisper.cpp"


def test_output_goes_to_a_file_or_into_a_directory(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    done = run(environment, "transcribe", recording, "-o", tmp_path / "one.srt", "-f", "srt")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "one.srt").read_text().startswith("1\n")
    other = recording.with_name("second talk.mp3")
    other.write_bytes(recording.read_bytes())
    folder = tmp_path / "out"
    folder.mkdir()
    done = run(environment, "transcribe", recording, other, "-o", folder, "-f", "vtt")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["second talk.vtt", "talk.vtt"]


def test_names_of_transcripts_are_not_used_twice_nor_too_long(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    other = tmp_path / "other"
    for path in (folder, other):
        path.mkdir()
    (other / "talk.mp3").write_bytes(recording.read_bytes())
    long = other / ("長" * 80 + ".mp3")
    long.write_bytes(recording.read_bytes())
    done = run(environment, "transcribe", recording, other / "talk.mp3", long, "-o", folder)
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in folder.iterdir())
    assert names[:2] == ["talk (2).txt", "talk.txt"]
    assert names[2].startswith("長" * 60)


def test_a_file_that_cannot_be_written_is_one_line(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "talk.txt").mkdir()
    done = run(environment, "transcribe", recording, "-o", tmp_path / "taken")
    assert done.returncode == 1
    assert "cannot use" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_without_its_model_is_one_line(environment: dict[str, str]) -> None:
    done = run(environment, "demo", "--model", "no-such-model")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such-file.mp3"], "neither a file here nor a URL"),
        (["{recording}", "-o", "no/such/folder/a.txt"], "there is no directory"),
        (["{recording}", "{recording}", "-o", "a.txt"], "must be a directory"),
        (["{recording}", "--format", "docx"], "docx"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    environment: dict[str, str], recording: Path, arguments: list[str], said: str
) -> None:
    done = run(environment, "transcribe", *[argument.format(recording=recording) for argument in arguments])
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_is_named(environment: dict[str, str], recording: Path) -> None:
    done = run({**environment, "YT_TEXT_ENGINE_PROCESSES": "many"}, "transcribe", recording)
    assert done.returncode == 2
    assert "YT_TEXT_ENGINE_PROCESSES" in done.stderr


def test_a_recording_that_fails_is_exit_code_1_and_others_go_on(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.mp3"
    bad.write_bytes(b"not sound" * 100)
    done = run(environment, "transcribe", bad, recording)
    assert done.returncode == 1
    assert "bad.mp3" in done.stderr
    assert word_errors(words(), done.stdout) < 0.15
    assert left_behind(environment) == []


def test_a_service_that_is_not_there_is_exit_code_3(environment: dict[str, str], recording: Path) -> None:
    done = run(environment, "transcribe", recording, "--server", "127.0.0.1:9")
    assert done.returncode == 3
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything_and_leaves_nothing(
    environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    slow = wired_model(tmp_path / "slow.bin", high=(), encoder_layers=60)
    path = write(speech(400, seed=1), tmp_path / "long.mp3", codec="mp3")
    process = subprocess.Popen(
        command("transcribe", path, "--model", slow),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any("yt_text.pool.host" in child.cmdline() for child in psutil.Process(process.pid).children()):
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1)  # into the chunk
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert left_behind(environment) == []


async def test_recordings_beyond_the_limit_of_a_client_wait_their_turn(
    environment: dict[str, str], recording: Path, tmp_path: Path
) -> None:
    recordings = [Path(shutil.copy(recording, tmp_path / f"{name}.mp3")) for name in "abc"]
    out = tmp_path / "out"
    out.mkdir()
    async with running(tmp_path / "service", gateway=True, max_jobs_per_client=1) as (app, _):
        arguments = ("transcribe", *recordings, "--server", app.http_address, "-o", out)
        done = await asyncio.to_thread(run, environment, *arguments)
    assert done.returncode == 0, done.stderr
    assert "waits:" in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["a.txt", "b.txt", "c.txt"]


async def test_ctrl_c_cancels_the_job_on_the_server(environment: dict[str, str], tmp_path: Path) -> None:
    slow = wired_model(tmp_path / "slow.bin", high=(), encoder_layers=60)
    path = write(speech(400, seed=1), tmp_path / "long.mp3", codec="mp3")
    async with ServeProcess(tmp_path, YT_TEXT_MODEL=str(slow)) as service, Client(service.address) as client:
        process = subprocess.Popen(
            command("transcribe", path, "--server", service.address),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            while not [job async for job in client.jobs(states=[JobState.RUNNING])]:
                await asyncio.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 60) == 130
        [job] = [job async for job in client.jobs()]
        assert job.state == JobState.CANCELLED


def test_a_reader_that_stops_reading_ends_it_quietly(environment: dict[str, str], recording: Path) -> None:
    with subprocess.Popen(
        command("transcribe", recording), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors
    assert "BrokenPipe" not in errors
    assert left_behind(environment) == []


def test_a_terminal_sees_progress(environment: dict[str, str], recording: Path) -> None:
    main, side = pty.openpty()
    process = subprocess.Popen(
        command("transcribe", recording, "-f", "srt"),
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=side,
    )
    os.close(side)
    shown = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"talk.mp3" in shown
    assert b"transcribed" in shown
    assert output.startswith(b"1\n")


def test_the_demo_shows_text_before_the_download_ends(environment: dict[str, str]) -> None:
    del environment["YT_TEXT_ALLOWED_PRIVATE_ADDRESSES"]
    done = run(environment, "demo", "--model", MICRO)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    fetching = [number for number, line in enumerate(lines) if "fetched" in line]
    first_text = next(number for number, line in enumerate(lines) if "[0:0" in line)
    assert first_text < fetching[-1], done.stdout
    expected = [entry[0] for entry in json.loads(
        (Path(__file__).parents[1] / "data" / "recordings" / "demo.json").read_text()
    )]  # fmt: skip
    assert word_errors(expected, lines[-1]) < 0.15


def test_two_services_do_not_share_a_data_directory(environment: dict[str, str], tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ytt-", dir="/tmp") as sockets:
        more = {**environment, "YT_TEXT_DATA_DIR": str(tmp_path / "data"), "YT_TEXT_LOG_FORMAT": "json"}
        serve = command("serve", "--grpc-address", f"unix:{sockets}/a", "--http-address", "127.0.0.1:0")
        with subprocess.Popen(serve, env=more, stderr=subprocess.PIPE, text=True) as first:
            assert first.stderr is not None
            line: Any = json.loads(first.stderr.readline())
            assert line["event"] == "ready"
            second = run(more, "serve", "--grpc-address", f"unix:{sockets}/b")
            assert second.returncode == 3
            assert "YT_TEXT_DATA_DIR" in second.stderr
            third = run({**more, "YT_TEXT_DATA_DIR": str(tmp_path / "other")}, "serve", "--grpc-address", "nonsense:x")
            assert third.returncode == 3
            assert "YT_TEXT_GRPC_ADDRESS" in third.stderr
            first.terminate()
            assert first.wait(timeout=30) == 0
