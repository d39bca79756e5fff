import ssl

import grpc
import pytest

from clients.python.tests.certificate import self_signed
from clients.python.tests.scripted import indexes, serving
from yt_text.v1 import job_pb2
from yt_text_client import Client, Unavailable


async def test_calls_and_watches_run_over_tls_and_a_certificate_that_is_not_trusted_is_refused() -> None:
    key, certificate = self_signed()
    async with serving(grpc.ssl_server_credentials([(key, certificate)])) as server:
        context = ssl.create_default_context(cadata=certificate.decode())
        context.set_alpn_protocols(["h2"])
        async with Client(f"localhost:{server.port}", tls=context) as client:
            job_id = server.service.add_job(segments=2)
            await server.service.advance(job_id, state=job_pb2.JOB_STATE_SUCCEEDED)
            assert indexes([each async for each in client.watch(job_id)]) == [0, 1]

        async with Client(f"localhost:{server.port}", tls=True) as client:
            with pytest.raises(Unavailable, match="No secure connection") as caught:
                await client.list_engines()
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)

        async with Client(f"localhost:{server.port}") as client:
            with pytest.raises(Unavailable):
                await client.list_engines()
