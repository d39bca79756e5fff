"""A speech service like OpenAI's on this machine, which behaves, or misbehaves as it is told.

with OpenAiServer() as server:
    engine = OpenAiApi("whisper-1", server.url, server.key)
    server.will(status(500), BEHAVE)         the first request fails, all after it are served
    server.will(HANG)                        every request hangs
    server.requests                          what came, in order

It behaves as OpenAI does: the key is checked, then the model, the form asked for, and the size.
"""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, Self

import av

MAX_UPLOAD_BYTES = 25 * 1024 * 1024
TIMED_MODELS = ("whisper-1", "local-whisper")
TEXT_MODELS = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-transcribe", "local-text")
MODELS = (*TIMED_MODELS, *TEXT_MODELS)

TEXT = "Good morning, everyone. Let's begin."
VERBOSE: dict[str, Any] = {
    "task": "transcribe",
    "language": "english",
    "duration": 5.0,
    "text": TEXT,
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": 2.0,
            "text": " Good morning, everyone.",
            "tokens": [1, 2],
            "temperature": 0.0,
            "avg_logprob": -0.2,
            "compression_ratio": 0.9,
            "no_speech_prob": 0.01,
        },
        {
            "id": 1,
            "seek": 0,
            "start": 2.5,
            "end": 4.25,
            "text": " Let's begin.",
            "tokens": [3],
            "temperature": 0.0,
            "avg_logprob": -0.4,
            "compression_ratio": 0.9,
            "no_speech_prob": 0.02,
        },
    ],
    "words": [
        {"word": "Good", "start": 0.0, "end": 0.5},
        {"word": "morning", "start": 0.5, "end": 1.0},
        {"word": "everyone", "start": 1.0, "end": 1.96},
        {"word": "Let's", "start": 2.5, "end": 3.0},
        {"word": "begin", "start": 3.0, "end": 4.2},
    ],
}


@dataclass(frozen=True)
class Upload:
    """A request as it came. `headers` have names in lower case; `fields` hold every value sent for a name."""

    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, list[str]]
    file_name: str
    file_type: str
    file: bytes

    def field(self, name: str) -> str:
        """The one value of a field; empty if it was not sent."""
        values = self.fields.get(name, [""])
        assert len(values) == 1
        return values[0]


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        cut_at: the connection is cut after so many bytes of the body.
        trickle: the body never ends; a byte comes now and then.
        hang: no answer comes at all.
        then_close: the connection is closed after it, without a word about that.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut_at: int | None = None
    trickle: bool = False
    hang: bool = False
    then_close: bool = False


def reply(body: object, status: int = 200, **headers: str) -> Reply:
    """An answer in JSON; of a header's name, `_` becomes `-`."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, data, {"content-type": "application/json"} | names)


def failure(status: int, message: str = "No.", *, code: str | None = None, param: Any = None, **headers: str) -> Reply:
    """An error as OpenAI says it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return reply({"error": error}, status, **headers)


HANG = Reply(hang=True)
TRICKLE = Reply(headers={"content-type": "application/json"}, trickle=True)
HTML = Reply(200, b"<html><body>Please log in.</body></html>", {"content-type": "text/html"})
CUT = Reply(200, json.dumps(VERBOSE).encode(), {"content-type": "application/json"}, cut_at=40)

Answer = Reply | Callable[["OpenAiServer", Upload], Reply]


def behave(server: "OpenAiServer", upload: Upload) -> Reply:
    """Answers as OpenAI does."""
    if upload.headers.get("authorization", "") != (f"Bearer {server.key}" if server.key else ""):
        # OpenAI's own words hold a part of the key.
        return failure(
            401, f"Incorrect API key provided: {upload.headers.get('authorization')}", code="invalid_api_key"
        )
    translates = upload.path == "/v1/audio/translations"
    if not translates and upload.path != "/v1/audio/transcriptions":
        return failure(404, "Invalid URL")
    model = upload.field("model")
    if model not in (TIMED_MODELS if translates else MODELS):
        return failure(404, f"The model '{model}' does not exist", code="model_not_found")
    if len(upload.file) > server.max_upload_bytes:
        return failure(413, "Maximum content size limit exceeded")
    form = upload.field("response_format") or "json"
    if form not in ("json", "verbose_json") or (form == "verbose_json" and model in TEXT_MODELS):
        words = f"response_format '{form}' is not compatible with model '{model}'. Use 'json' or 'text' instead."
        return failure(400, words, code="unsupported_value", param="response_format")
    with av.open(BytesIO(upload.file), "r") as container:
        duration_s = sum(frame.samples for frame in container.decode(audio=0)) / 16_000
    if duration_s < 0.1:
        return failure(400, "Audio file is too short. Minimum audio length is 0.1 seconds.", code="audio_too_short")
    if form == "json":
        answer = {"text": TEXT, "usage": {"type": "duration", "seconds": round(duration_s)}}
        return reply(answer | ({"languages": [{"code": "en"}]} if model == "gpt-transcribe" else {}))
    answer = VERBOSE | {"duration": duration_s}
    if translates:
        answer |= {"task": "translate"}
    granularities = upload.fields.get("timestamp_granularities[]", ["segment"])
    return reply({name: value for name, value in answer.items() if name != "words" or "word" in granularities})


BEHAVE: Answer = behave


class OpenAiServer:
    """The service.

    Args:
        key: it wants; empty for none.
        max_upload_bytes: it takes.
        tls: speaks https, with this certificate.
    """

    def __init__(
        self,
        key: str = "sk-test-5f3c0d",
        max_upload_bytes: int = MAX_UPLOAD_BYTES,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.key = key
        self.max_upload_bytes = max_upload_bytes
        self.requests: list[Upload] = []
        self.asked = threading.Semaphore(0)
        """Counts up with each request that has come in whole."""
        self.abandoned = threading.Event()
        """Set when a client goes away that still waited for its answer."""
        self._answers: list[Answer] = [BEHAVE]
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Listener(self)
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """The base address."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/v1"

    def will(self, *answers: Answer) -> None:
        """Sets the answers to come; the last one is given from then on."""
        with self._lock:
            self._answers = list(answers)

    def next_answer(self, upload: Upload) -> Reply:
        """Keeps a request and says how it is answered."""
        with self._lock:
            self.requests.append(upload)
            answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.asked.release()
        return answer if isinstance(answer, Reply) else answer(self, upload)

    def pause(self, seconds: float) -> bool:
        """Waits; says whether the service goes on."""
        return not self._stopping.wait(seconds)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, service: OpenAiServer) -> None:
        self.service = service
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def close_connections(self) -> None:
        for connection in self.connections:
            with suppress(OSError):  # most are closed already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Listener  # pyright: ignore[reportIncompatibleVariableOverride] - the only one that makes it

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        """Answers."""
        service = self.server.service
        answer = service.next_answer(self._upload())
        if answer.hang:
            self._hold(service)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.trickle:
            self.end_headers()
            while service.pause(0.05):  # ends with the client, too
                self.wfile.write(b" ")
            return
        if "content-length" not in answer.headers:
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.cut_at])
        self.close_connection = answer.then_close
        if answer.cut_at is not None:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def _hold(self, service: OpenAiServer) -> None:
        """Waits until the client goes away or the service ends."""
        self.close_connection = True
        self.connection.settimeout(0.05)
        while service.pause(0):
            try:
                if not self.connection.recv(1):
                    service.abandoned.set()
                    return
            except TimeoutError:
                continue
            except OSError:
                service.abandoned.set()
                return

    def _upload(self) -> Upload:
        body = self.rfile.read(int(self.headers["content-length"]))
        boundary = b"--" + self.headers["content-type"].partition("boundary=")[2].strip('"').encode()
        fields: dict[str, list[str]] = {}
        name = kind = ""
        file = b""
        for part in body.split(boundary)[1:-1]:
            head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            value = value.removesuffix(b"\r\n")
            lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            lines = {key.lower(): text for key, text in lines.items()}
            about = {
                key: text.strip('"')
                for key, _, text in (p.partition("=") for p in lines["content-disposition"].split("; "))
            }
            if "filename" in about:
                assert about["name"] == "file"
                name, kind, file = about["filename"], lines["content-type"], value
            else:
                fields.setdefault(about["name"], []).append(value.decode())
        headers = {key.lower(): value for key, value in self.headers.items()}
        return Upload(self.path, headers, fields, name, kind, file)
