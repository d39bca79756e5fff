"""The gRPC server: listens, answers for its health, stops gracefully."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection

from yt_text.rpc.interceptors import CallLog, Guard
from yt_text.rpc.transcription import TranscriptionService
from yt_text.v1 import transcription_service_pb2
from yt_text.v1.transcription_service_pb2_grpc import add_TranscriptionServiceServicer_to_server

SERVICE = transcription_service_pb2.DESCRIPTOR.services_by_name["TranscriptionService"].full_name
MAX_SEND_BYTES = 64 << 20
"""A transcript of ten hours with word times is some 10 MB."""


class AddressInUseError(Exception):
    """The address cannot be listened on."""


class RpcServer:
    """Serves the contract.

    Args:
        service: the implementation.
        max_message_bytes: largest message taken.
        max_calls: calls at once.
        call_timeout_s: longest time for a call that takes one message and answers once.
    """

    def __init__(
        self, service: TranscriptionService, *, max_message_bytes: int, max_calls: int, call_timeout_s: float
    ) -> None:
        self._server = grpc.aio.server(
            interceptors=[CallLog(), Guard(max_calls=max_calls, timeout_s=call_timeout_s)],
            options=[
                # Two servers on one port would share its calls in silence.
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", MAX_SEND_BYTES),
                # Clients and the gateway may ask whether the connection lives, every few seconds.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
            ],
        )
        add_TranscriptionServiceServicer_to_server(service, self._server)
        self._health = HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            [SERVICE, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME],
            self._server,
        )

    async def start(self, address: str) -> str:
        """Listens and says that it serves. Returns the address with its real port.

        Raises:
            AddressInUseError: the address cannot be listened on.
        """
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError:
            raise AddressInUseError(address) from None
        await self._server.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return address if address.startswith("unix:") else f"{address.rpartition(':')[0]}:{port}"

    async def drain(self) -> None:
        """Says that it serves no more, so that balancers send no new calls."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Takes no more calls; lets running ones end for `grace_s`. Watchers are cut and resume elsewhere."""
        await self._server.stop(grace_s)
