"""Tells where the index of an MP4 file is, from its first bytes. Pure."""

_WALKED = frozenset({b"ftyp", b"free", b"skip", b"wide", b"uuid", b"pdin", b"styp"})


def end_of_media(head: bytes) -> int:
    """Returns where the media data ends if they stand before the index (`moov`), else 0.

    Args:
        head: the first bytes of a file, 4 KiB or more where there are so many.
    """
    if head[4:8] != b"ftyp":
        return 0
    position = 0
    while position + 16 <= len(head):
        size = int.from_bytes(head[position : position + 4])
        kind = head[position + 4 : position + 8]
        if size == 1:
            size = int.from_bytes(head[position + 8 : position + 16])
        if size < 8:  # 0: to the end of the file, with nothing behind it
            return 0
        if kind == b"mdat":
            return position + size
        if kind not in _WALKED:
            return 0
        position += size
    return 0
