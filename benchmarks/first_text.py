"""Time to the first text against time to the end of the download, on a throttled site."""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.table import Measure
from tests.recordings import speech, write
from tests.service import running
from tests.sites import Site

DURATION_S = 900
DOWNLOAD_S = 120


async def run() -> list[Measure]:
    """Fetches fifteen minutes of speech in two minutes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "www").mkdir()
        path = write(speech(DURATION_S, seed=1), folder / "www" / "talk.mp3", codec="mp3")
        size = path.stat().st_size
        first = fetched = 0.0
        with Site(folder / "www") as site:
            async with running(folder) as (_, client):
                began = time.monotonic()
                job = await client.submit(site.url(f"/slow/{size // DOWNLOAD_S}/talk.mp3"))
                async for change in client.watch(job.id):
                    now = time.monotonic() - began
                    if change.segments and not first:
                        first = now
                    if change.job and change.job.progress and change.job.progress.fetched_bytes == size and not fetched:
                        fetched = now
    detail = f"{first:.1f} s and {fetched:.1f} s, {DURATION_S / 60:.0f} min of speech"
    return [Measure("time to first text / time to end of download", first / fetched, 0.1, detail=detail)]


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
