"""The id of the call that is being answered; on each line that is logged meanwhile."""

from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
