"""Serves one engine: `python -m yt_text.pool.host`, the pool's child.

It reads one line of JSON from its input, loads the engine, serves `EngineService` on a Unix socket, and
writes one line of JSON: `{"ready": true}`, or the reason why the engine cannot be loaded. It ends when its
input is closed, when its parent dies, or when the native library ends it.

The server is grpc's blocking one: engines block, and asyncio would only add an import and a thread change.
One thread does all the work, so calls wait for each other, and any answer also says that the engine is free
again. Cancelling a call sets the engine's `cancel`.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import NoReturn

import grpc
from google.protobuf import duration_pb2
from google.rpc import status_pb2
from grpc_status import rpc_status

from yt_text.engine.v1 import engine_service_pb2 as pb
from yt_text.engine.v1.engine_service_pb2_grpc import EngineServiceServicer, add_EngineServiceServicer_to_server
from yt_text.engines import catalog
from yt_text.engines.engine import Engine
from yt_text.errors import EngineError, Reason
from yt_text.pool import wire
from yt_text.pool.spec import MESSAGE_BYTES_MAX

MEMORY_PER_MODEL_BYTE = 2

CONFIG_BYTES_MAX = 16 * 1024
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What the pool tells a child.

    Attributes:
        socket: path of the Unix socket to serve on.
        memory_base_bytes: what this process may use besides twice its model's file.
        parent_pid: the pool's process; if it is gone already, the child ends at once.
        settings: what the engine is told besides its model.
    """

    engine: str
    model_path: str
    model_sha256: str
    threads: int
    socket: str
    memory_base_bytes: int
    parent_pid: int
    settings: dict[str, str]


class _Servicer(EngineServiceServicer):
    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def GetEngine(  # noqa: N802 -- the contract's name
        self, request: pb.GetEngineRequest, context: grpc.ServicerContext
    ) -> pb.GetEngineResponse:
        engine = self._engine
        seconds, milliseconds = divmod(engine.max_chunk_ms, 1000)
        return pb.GetEngineResponse(
            name=engine.name,
            model=engine.model,
            max_chunk_duration=duration_pb2.Duration(seconds=seconds, nanos=milliseconds * 1_000_000),
            concurrency=1,
            model_sha256=engine.model_sha256,
        )

    def TranscribeChunk(  # noqa: N802 -- the contract's name
        self, request: pb.TranscribeChunkRequest, context: grpc.ServicerContext
    ) -> pb.TranscribeChunkResponse:
        cancel = Event()
        if not context.add_callback(cancel.set):
            return pb.TranscribeChunkResponse()  # cancelled while it waited
        try:
            result = self._engine.transcribe(request.pcm, wire.from_request(request), cancel)
        except EngineError as error:
            _abort(context, wire.to_status(error))
        except Exception:  # noqa: BLE001 -- whatever an engine raises, the caller gets our own words
            traceback.print_exc()
            _abort(context, wire.to_status(EngineError(Reason.ENGINE_FAILED, "The engine failed on this chunk.")))
        return wire.to_response(result)


def _abort(context: grpc.ServicerContext, status: status_pb2.Status) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort_with_status raises")


def main() -> NoReturn:
    """Runs the child until its input is closed."""
    config = HostConfig(**json.loads(sys.stdin.buffer.readline(CONFIG_BYTES_MAX)))
    _tie_to(config.parent_pid)
    answer = _own_stdout()
    _limit_memory(config)
    try:
        engine = catalog.load(config.engine, config.model_path, config.threads, config.model_sha256, config.settings)
    except EngineError as error:
        _say(answer, {"reason": error.reason, "message": error.message})
        _end(0)
    server = grpc.server(
        ThreadPoolExecutor(max_workers=1),
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
            ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ],
    )
    add_EngineServiceServicer_to_server(_Servicer(engine), server)
    server.add_insecure_port(f"unix:{config.socket}")
    server.start()
    _say(answer, {"ready": True})
    while sys.stdin.buffer.read(CONFIG_BYTES_MAX):  # says nothing more; its end is ours
        pass
    _end(0)


def _tie_to(parent_pid: int) -> None:
    """Makes this process end with its parent, whatever ends the parent."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        _end(1)


def _own_stdout() -> int:
    """Takes standard output for the answer alone; what libraries print goes to standard error."""
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answer


def _limit_memory(config: HostConfig) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        model = Path(config.model_path)
        size = model.stat().st_size if config.model_path and model.is_file() else 0
        limit = config.memory_base_bytes + MEMORY_PER_MODEL_BYTE * size
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _say(answer: int, message: dict[str, object]) -> None:
    os.write(answer, json.dumps(message).encode() + b"\n")
    os.close(answer)


def _end(code: int) -> NoReturn:
    # Not by way of Python's own end: native threads may hold it up, and there is nothing to clean up.
    os._exit(code)


if __name__ == "__main__":
    main()
