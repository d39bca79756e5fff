"""HTTP headers as they stand in a call's metadata, and what the gateway makes of ours."""

from typing import Any, TypeAlias

import grpc

# grpc's own class takes no type arguments when the program runs, only its stubs know them.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

HTTP_STATUS = "x-http-status"
"""Asks the gateway for an HTTP status that the call's own would not give; other callers may ignore it."""
NO_STORE = ("cache-control", "no-store")


def read(context: "Context", name: str) -> str:
    """Returns a header that came with a call; empty if there is none. Of several it is the last."""
    values = [value for key, value in context.invocation_metadata() or () if key == name]
    return values[-1] if values and isinstance(values[-1], str) else ""


async def send(context: "Context", *headers: tuple[str, str], status: int = 200) -> None:
    """Begins the answer with these headers. `status`: the HTTP status behind the gateway."""
    wanted = () if status == 200 else ((HTTP_STATUS, str(status)),)
    await context.send_initial_metadata((*headers, *wanted))
