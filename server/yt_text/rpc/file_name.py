"""Names for files that a browser saves: made of what others wrote, safe on every system."""

import re
import unicodedata
from urllib.parse import quote, unquote, urlsplit

from yt_text.job import Job

MAX_CHARS = 120
MAX_BYTES = 200
"""Of the name in UTF-8, without its extension: file systems take 255."""

_FORBIDDEN = re.compile(r'[/\\:*?"<>|]+')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,3}$")
_NOT_ESCAPED = "!#$&+-.^_`|~"
"""What RFC 5987 lets stand, besides letters and digits."""


def content_disposition(job: Job, extension: str, *, inline: bool) -> str:
    """Returns the `Content-Disposition` of a file made for a job (RFC 6266).

    Args:
        extension: such as `.srt`; it is added to a name made of the title, the link or the job's id.
        inline: asks a browser to show the file rather than to save it.
    """
    name = file_name(job)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = safe_name(plain.replace("%", "_")) or job.id
    form = "inline" if inline else "attachment"
    coded = quote(name + extension, safe=_NOT_ESCAPED)
    return f"{form}; filename=\"{plain}{extension}\"; filename*=UTF-8''{coded}"


def file_name(job: Job) -> str:
    """Returns a name without extension: of the title, else of the link's last part, else the job's id."""
    title = _ENDING.sub("", job.media.title) if job.media_id else job.media.title
    return safe_name(title) or safe_name(_ENDING.sub("", _last_part(job.url))) or job.id


def safe_name(text: str) -> str:
    """Returns a text as the name of a file that every system takes; empty if nothing is left of it."""
    text = unicodedata.normalize("NFC", text)
    # Control characters, marks that turn the direction of writing, lone surrogates.
    text = "".join(" " if char.isspace() else char for char in text)
    text = "".join(char for char in text if unicodedata.category(char)[0] != "C")
    text = " ".join(_FORBIDDEN.sub("-", text).split())
    # Hidden files and shells' options; Windows drops dots and spaces at the end.
    text = text.lstrip("-. ")[:MAX_CHARS].encode()[:MAX_BYTES].decode(errors="ignore").rstrip("-. ")
    return f"_{text}"[:MAX_CHARS] if _RESERVED.fullmatch(text) else text


def _last_part(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2])
    except ValueError:
        return ""
