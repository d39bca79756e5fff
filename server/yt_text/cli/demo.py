"""`yt-text demo`: the whole way on this machine, live: a page, its recording, a job, its text."""

import http.server
import os
import threading
import time
from collections.abc import Generator
from contextlib import aclosing, contextmanager
from functools import partial
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer

from yt_text.cli import ending, logs
from yt_text.cli.connect import connect, reporting
from yt_text.cli.render import clock, describe
from yt_text.settings import Settings
from yt_text_client import JobState, TranscriptionConfig, has_ended, read_problem

PAGE = b"""<!doctype html><html><head><title>A talk on loopback</title></head>
<body><audio controls src="/talk.mp3"></audio></body></html>"""
BYTES_PER_S = 40_000
PIECE_BYTES = 4_000


class _Site(http.server.BaseHTTPRequestHandler):
    """A page with a recording, which comes slowly, as from a far site."""

    protocol_version = "HTTP/1.1"

    def __init__(self, recording: bytes, *arguments: object) -> None:
        self._recording = recording
        super().__init__(*arguments)  # pyright: ignore[reportArgumentType] - as the server calls it

    def do_GET(self) -> None:
        """Answers with the page or the recording."""
        if self.path == "/talk":
            self._head("text/html", len(PAGE))
            self.wfile.write(PAGE)
        elif self.path == "/talk.mp3":
            self._head("audio/mpeg", len(self._recording))
            for start in range(0, len(self._recording), PIECE_BYTES):
                self.wfile.write(self._recording[start : start + PIECE_BYTES])
                time.sleep(PIECE_BYTES / BYTES_PER_S)
        else:
            self.send_error(404)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def site(recording: bytes) -> Generator[str]:
    """Serves the page on loopback; yields its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, recording))
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # a reader that leaves is no news
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/talk"
    finally:
        server.shutdown()
        server.server_close()


def demo(
    model: Annotated[str, typer.Option(help="A model's name, or the path of its file. Default: what is there.")] = "",
) -> None:
    """Transcribes a bundled recording from a web page on this machine, live."""
    os.environ.setdefault("YT_TEXT_ENGINE_PROCESSES", "1")
    settings = ending.read_settings(allowed_private_addresses=(ip_network("127.0.0.1/32"),))
    logs.configure(format_name="console", level="warning")
    ending.run(reporting(_demo(str(Path(model).resolve()) if model and Path(model).is_file() else model, settings)))


async def _demo(model: str, settings: Settings) -> int:
    recording = resources.files("yt_text.cli").joinpath("demo.mp3").read_bytes()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    with site(recording) as url:
        async with connect(None, settings) as client:
            say(f"the service is up; the page {url} plays {len(recording) // 1000} kB at {BYTES_PER_S // 1000} kB/s")
            job = await client.submit(url, TranscriptionConfig(model=model))
            said = ""
            async with aclosing(client.watch(job.id)) as changes:
                async for change in changes:
                    job = change.job or job
                    if (doing := describe(job)) != said and not has_ended(job):
                        said = doing
                        say(f"{job.progress.percent if job.progress else 0:3d} %  {doing}")
                    for segment in change.segments:
                        say(f"       [{clock(segment.start_offset)}] {segment.text}")
            if job.state != JobState.SUCCEEDED:
                ending.fail(
                    read_problem(job.error).message if job.error else "the job was cancelled.",
                    ending.RECORDING_FAILED,
                )
            transcript = await client.get_result(job.id)
            say(
                f"done: {clock(transcript.duration)} of sound, {transcript.word_count} words, "
                f"by {transcript.engine} with {transcript.model or 'its own model'}"
            )
            for warning in job.warnings:
                say(f"note: {read_problem(warning).message}")
    print(f"\n{transcript.text}")
    return 0
