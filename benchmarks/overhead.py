"""A whole job against the bare engine call on the same audio, with the same model and threads.

The bare call is whisper.cpp on the whole recording in memory, in one call, as pywhispercpp's own `transcribe`
does it: nothing is fetched, decoded, cut or stored. The whole job is everything from SubmitJob to its end:
upload read back, decoding, speech detection, chunks, the engine in its own process, every segment committed to
SQLite and sent to a watcher. The model is loaded before either clock starts. They take turns, and the best of
each counts, so that a busy moment of the machine falls on neither.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.table import Measure
from tests.models import MICRO
from tests.recordings import Recording, concatenate, noise, speech, write
from tests.service import config, finished, running
from yt_text_client import JobState

ROUNDS = 3

BARE = """
import sys, time
import numpy as np
from pywhispercpp.model import Model
audio = np.load(sys.argv[1])
model = Model(sys.argv[2], n_threads=1, print_progress=False, redirect_whispercpp_logs_to=None, n_max_text_ctx=0)
model.transcribe(audio[:480000])
for line in sys.stdin:
    began, cpu = time.monotonic(), time.process_time()
    model.transcribe(audio)
    print(time.monotonic() - began, time.process_time() - cpu, flush=True)
"""


def sparse(passages: int) -> Recording:
    """Speech with as much silence again between, as in a meeting."""
    parts = [
        part for number in range(passages) for part in (speech(20, seed=number), noise(30, level_dbfs=-65, seed=number))
    ]
    return concatenate(*parts)


async def compare(recording: Recording, folder: Path, model: Path) -> tuple[float, float]:
    """Returns seconds of the bare call and of the whole job."""
    np.save(folder / "audio.npy", recording.pcm.astype(np.float32) / 32768)
    path = write(recording, folder / "audio.flac", codec="flac")
    bare = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BARE, str(folder / "audio.npy"), str(model),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env={"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert bare.stdin is not None
    assert bare.stdout is not None
    bare_s: list[float] = []
    job_s: list[float] = []
    async with running(folder, model=str(model), keep_media=True) as (_, client):
        media = await client.upload(path)
        await finished(client, await client.submit(media, config(language_code="en")))  # loads the model
        for _ in range(ROUNDS):
            bare.stdin.write(b"go\n")
            await bare.stdin.drain()
            bare_s.append(float((await bare.stdout.readline()).split()[0]))
            began = time.monotonic()
            job, _ = await finished(client, await client.submit(media, config(language_code="en")), timeout_s=900)
            job_s.append(time.monotonic() - began)
            assert job.state == JobState.SUCCEEDED
    bare.stdin.close()
    await bare.wait()
    return min(bare_s), min(job_s)


async def run() -> list[Measure]:
    """Compares on dense speech and on speech with silences."""
    measures: list[Measure] = []
    for name, recording, goal in (
        ("whole job / bare engine call, dense speech, 10 min", speech(600, seed=1), 1.02),
        ("whole job / bare engine call, 60 % silence, 10 min", sparse(12), 0.6),
    ):
        with tempfile.TemporaryDirectory() as folder:
            bare_s, job_s = await compare(recording, Path(folder), MICRO)
        detail = f"bare {bare_s:.2f} s, whole job {job_s:.2f} s, best of {ROUNDS} each, micro model, 1 thread"
        measures.append(Measure(name, job_s / bare_s, goal, detail=detail))
    return measures


def measure() -> list[Measure]:
    """Returns the figures."""
    return asyncio.run(run())
