"""The gRPC server: listens, answers for its health, stops gracefully."""

import logging
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from yt_text.rpc.interceptors import CallLog, Guard
from yt_text.rpc.transcription import TranscriptionService
from yt_text.rpc.web import WebService
from yt_text.v1 import transcription_service_pb2, web_service_pb2
from yt_text.v1.transcription_service_pb2_grpc import add_TranscriptionServiceServicer_to_server
from yt_text.v1.web_service_pb2_grpc import add_WebServiceServicer_to_server

SERVICES = (
    transcription_service_pb2.DESCRIPTOR.services_by_name["TranscriptionService"].full_name,
    web_service_pb2.DESCRIPTOR.services_by_name["WebService"].full_name,
)
MAX_SEND_BYTES = 64 << 20
"""A transcript of ten hours with word times is some 10 MB."""


logging.getLogger("grpc._cython.cygrpc").addFilter(
    # A caller left while it was sent something, as a player does that seeks. The log of calls has it.
    lambda record: not (record.exc_info and type(record.exc_info[1]).__name__ == "ExecuteBatchError")
)


METADATA_BYTES = 128 << 10


class AddressInUseError(Exception):
    """The address cannot be listened on."""


class RpcServer:
    """Serves the contract, in the forms for programs and for HTTP.

    Args:
        service: the implementation; WebService is built on it.
        max_message_bytes: largest message taken.
        guard: limits, rules and errors of every call.
    """

    def __init__(self, service: TranscriptionService, guard: Guard, *, max_message_bytes: int) -> None:
        self._guard = guard
        self._server = grpc.aio.server(
            interceptors=[CallLog(), self._guard],
            options=[
                # Two servers on one port would share its calls in silence.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_message_bytes),
                # More than the gateway lets through: beyond it grpc answers in words of its own.
                ("grpc.max_metadata_size", METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", METADATA_BYTES),
                ("grpc.max_send_message_length", MAX_SEND_BYTES),
                # Clients and the gateway may ask whether the connection lives, every few seconds.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        add_TranscriptionServiceServicer_to_server(service, self._server)
        add_WebServiceServicer_to_server(WebService(service), self._server)
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME],
            self._server,
        )

    async def start(self, address: str, *, also: Sequence[str] = ()) -> str:
        """Listens and says that it serves. Returns the address with its real port.

        Args:
            address: `host:port` (port 0 picks one) or `unix:/path`.
            also: more addresses, such as a gateway's socket.

        Raises:
            AddressInUseError: an address cannot be listened on.
        """
        port = self._listen(address)
        for each in also:
            self._listen(each)
        await self._server.start()
        for name in ("", *SERVICES):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    def _listen(self, address: str) -> int:
        try:
            return self._server.add_insecure_port(address)
        except RuntimeError:
            raise AddressInUseError(address) from None

    async def drain(self) -> None:
        """Refuses new work from now on, and says so, that balancers send none. All other calls go on."""
        self._guard.drain()
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Takes no more calls; lets running ones end for `grace_s`. Watchers are cut and resume elsewhere."""
        await self._server.stop(grace_s)
