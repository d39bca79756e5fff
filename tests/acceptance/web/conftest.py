"""A service, and plain gRPC clients of it, for the tests of WebService."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import running
from yt_text.app import App
from yt_text.v1.transcription_service_pb2_grpc import TranscriptionServiceStub
from yt_text.v1.web_service_pb2_grpc import WebServiceStub
from yt_text_client import Client


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(speech(8, seed=1), tmp_path / "Öl & Gas.mp3", codec="mp3")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[tuple[App, Client]]:
    model = wired_model(tmp_path / "wired.bin", high=())
    async with running(tmp_path, model=str(model)) as service:
        yield service


@pytest.fixture
def client(service: tuple[App, Client]) -> Client:
    return service[1]


@pytest.fixture
async def channel(service: tuple[App, Client]) -> AsyncGenerator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(service[0].address) as channel:
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Any:
    return WebServiceStub(channel)


@pytest.fixture
def programs(channel: grpc.aio.Channel) -> Any:
    """The service for programs, on the same channel."""
    return TranscriptionServiceStub(channel)
