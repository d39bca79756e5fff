"""A site that stops in the middle of a recording until it is told to go on."""

import threading
from collections.abc import Mapping
from pathlib import Path

from tests.recordings import speech, write
from tests.sites import Site

TALK_S = 60
"""Length of `talk.mp3`: its text comes in two or three parts."""
_HELD_BYTES = 330_000
"""About 41 s of it: enough for the first part of the text, not for the second."""


class HeldSite(Site):
    """A site with `talk.mp3`, whose held link stops after the first part of the text.

    with HeldSite(folder) as site:
        site.held()         a link to the recording; every visit of it stops in the middle ...
        site.release()      ... until now
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        write(speech(TALK_S, seed=1), folder / "talk.mp3", codec="mp3")
        super().__init__(folder)
        self._released = threading.Event()

    def held(self, name: str = "talk.mp3") -> str:
        """The link that stops; other links of the site do not."""
        return self.url(f"/stall/{_HELD_BYTES}/{name}")

    def release(self) -> None:
        """Lets all go on, for good."""
        self._released.set()

    def note(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Keeps a request; one that comes back for the rest of a held recording is held as well."""
        super().note(method, path, headers)
        if path.startswith("/stall/") and self.requests[-1].range_start:
            self._released.wait()

    def wait(self, seconds: float) -> None:
        """Waits as asked, but not longer than until the release where a link is held."""
        if seconds < 3600:  # a slow link
            super().wait(seconds)
        else:
            self._released.wait(seconds)
            super().wait(0)

    def __exit__(self, *_: object) -> None:
        self._released.set()
        super().__exit__()


def talk(folder: Path, duration_s: float = 8, seed: int = 1, name: str = "talk.mp3") -> Path:
    """Writes a short recording to upload."""
    return write(speech(duration_s, seed=seed), folder / name, codec="mp3")
