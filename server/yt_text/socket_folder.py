"""Where Unix sockets of this service's own processes may stand."""

import re
import tempfile
from pathlib import Path

PATH_BYTES_MAX = 100
"""A Unix socket's path must fit 104 bytes on some systems."""
SHORTEST = Path("/tmp")  # noqa: S108 - what is made in it has a name of its own and is closed to others

_PLAIN_PATH = re.compile(r"[\w/. -]+", re.ASCII)
"""grpc takes addresses as URIs, in which other characters have a meaning."""


def socket_folder(run_dir: Path, longest_name: str) -> Path:
    """Returns the folder for sockets: `run_dir`, made if it is not there, or one for temporary files if it is too long.

    Args:
        run_dir: where they should stand.
        longest_name: of a socket, below the folder.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    for folder in (run_dir.absolute(), Path(tempfile.gettempdir())):
        longest = f"{folder}/{longest_name}"
        if len(longest) <= PATH_BYTES_MAX and _PLAIN_PATH.fullmatch(longest):
            return folder
    return SHORTEST
