"""Page tokens: where the page before ended."""

import base64
import binascii
from datetime import datetime, timedelta

from yt_text.errors import Reason, RequestError
from yt_text.job import Job
from yt_text.store.tables import EPOCH


def page_token(last: Job) -> str:
    """Returns the token for the page behind a job."""
    microseconds = (last.create_time - EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{microseconds} {last.id}".encode()).decode()


def page_start(token: str) -> tuple[datetime, str] | None:
    """Returns creation time and id of the last job of the page before; None for the first page.

    Raises:
        RequestError: INVALID_REQUEST.
    """
    if not token:
        return None
    try:
        microseconds, job_id = base64.urlsafe_b64decode(token.encode()).decode().split()
        return EPOCH + timedelta(microseconds=int(microseconds)), job_id
    except (binascii.Error, ValueError, OverflowError):
        raise RequestError(
            Reason.INVALID_REQUEST,
            "page_token is not one that this service gave. Leave it empty to start over.",
        ) from None
