"""The `Range` header: which bytes of a file are asked for."""

import re

from yt_text.errors import Reason, RequestError

# Longer numbers are no range: no file is so long.
_RANGE = re.compile(r"bytes[ \t]*=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class RangeError(RequestError):
    """The range begins behind the end of the file."""

    def __init__(self, size: int) -> None:
        super().__init__(
            Reason.INVALID_REQUEST,
            f"The recording has {size} bytes; the range asked for has none of them.",
            size_bytes=str(size),
        )


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Returns the first byte asked for and the one behind the last; None for the whole file.

    As HTTP has it, several ranges or what is no range at all is answered with the whole file.

    Args:
        header: as it came; empty if none came.
        size: of the file, in bytes.

    Raises:
        RangeError: the file has no such bytes.
    """
    found = _RANGE.fullmatch(header)
    if not found or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        count = min(int(last), size)
        if not count:
            raise RangeError(size)
        return size - count, size
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise RangeError(size)
    return int(first), min(int(last) + 1, size) if last else size
