"""Calling WebService as the gateway does."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from tests.service import finished
from yt_text.v1 import web_service_pb2 as web
from yt_text_client import Client, Job, JobState


def headers(entries: Any) -> dict[str, str]:
    return {key: value for key, value in entries or () if isinstance(value, str)}


async def refused(call: Any) -> tuple[str, dict[str, str], str, list[str]]:
    """Awaits a call that fails; returns its reason, trailing headers, message, and the fields that are wrong."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status: Any = rpc_status.from_call(cast(Any, caught.value))
    assert status is not None, caught.value
    info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    for packed in status.details[1:]:
        packed.Unpack(fields)
    names = [violation.field for violation in fields.field_violations]
    return info.reason, headers(caught.value.trailing_metadata()), caught.value.details() or "", names


def body(value: Any, content_type: str = "application/json") -> web.SubmitJobJsonRequest:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return web.SubmitJobJsonRequest(content=HttpBody(content_type=content_type, data=data))


async def whole(call: Any) -> tuple[dict[str, str], bytes, set[str]]:
    """Reads a stream of bodies: headers, bytes, content types."""
    found = headers(await call.initial_metadata())
    pieces = [piece async for piece in call]
    return found, b"".join(piece.data for piece in pieces), {piece.content_type for piece in pieces}


async def drained(call: Any) -> None:
    async for _ in call:
        pass


async def transcribed(client: Client, path: Path) -> Job:
    job, _ = await finished(client, await client.submit(await client.upload(path)))
    assert job.state == JobState.SUCCEEDED, job.error
    return job


class Events:
    """Reads a stream of events as a browser would."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self._pending: list[str] = []

    async def next(self) -> tuple[str, str, Any]:
        """The next event's kind (`comment` for a comment), id and data; the kind is empty at the end."""
        while not self._pending:
            piece = await self.call.read()
            if piece is grpc.aio.EOF:
                return "", "", None
            assert piece.content_type == "text/event-stream"
            text = piece.data.decode()
            assert text.endswith("\n\n"), "whole events only"
            self._pending = text.removesuffix("\n\n").split("\n\n")
        lines = self._pending.pop(0).split("\n")
        if lines[0].startswith(":"):
            return "comment", "", None
        fields = dict(line.split(": ", 1) for line in lines)
        if "retry" in fields:
            return "retry", "", fields["retry"]
        return fields["event"], fields["id"], json.loads(fields["data"])

    async def all(self) -> list[tuple[str, str, Any]]:
        """All events, without comments and the first line about retries."""
        assert await self.next() == ("retry", "", "2000")
        found: list[tuple[str, str, Any]] = []
        async with asyncio.timeout(120):
            while (event := await self.next())[0]:
                if event[0] != "comment":
                    found.append(event)
        return found


def watching(stub: Any, job_id: str, start: int = 0, *, last_id: str | None = None) -> Events:
    metadata = (("last-event-id", last_id),) if last_id is not None else ()
    request = web.StreamJobEventsRequest(job_id=job_id, start_segment_index=start)
    return Events(stub.StreamJobEvents(request, metadata=metadata))
