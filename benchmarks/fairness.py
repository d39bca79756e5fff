"""How long a short job waits behind long ones, in units of one chunk's time."""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.table import Measure
from tests.models import wired_model
from tests.recordings import speech, write
from tests.service import config, finished, running, until

LAYERS = 30


async def run() -> list[Measure]:
    """Submits one chunk of speech while an hour of it runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = wired_model(folder / "wired.bin", high=(), encoder_layers=LAYERS)
        long = write(speech(3600, seed=1), folder / "long.mp3", codec="mp3")
        short = write(speech(20, seed=2), folder / "short.mp3", codec="mp3")
        async with running(folder, model=str(model)) as (_, client):
            spoken = config(language_code="de")
            media = await client.upload(short)
            await finished(client, await client.submit(media, spoken))  # loads the model
            began = time.monotonic()
            await finished(client, await client.submit(media, spoken))
            alone = time.monotonic() - began
            busy = await client.submit(await client.upload(long), spoken)
            running_job = await until(client, busy.id, lambda job: job.segment_count >= 20)
            began, before = time.monotonic(), running_job.segment_count
            await finished(client, await client.submit(media, spoken))
            beside = time.monotonic() - began
            after = (await client.get_job(busy.id)).segment_count
            chunk = beside / max(1, (after - before) / 2)
            await client.cancel(busy.id)
    detail = f"alone {alone:.2f} s, beside an hour {beside:.2f} s, one chunk some {chunk:.2f} s"
    return [Measure("wait of a short job behind a long one, in chunks", (beside - alone) / chunk, 2, detail=detail)]


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
