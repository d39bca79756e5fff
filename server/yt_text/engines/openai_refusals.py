"""What it means when a service like OpenAI's answers with an error."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import openai

from yt_text.errors import EngineError, Reason

_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})

_NO_CREDIT_LEFT = (
    Reason.ENGINE_UNAVAILABLE,
    "The account with the speech service has no credit left. Add some, or choose another engine.",
)
_MOVED = (
    Reason.ENGINE_UNAVAILABLE,
    "The speech service sends its visitors to another address. Set that one.",
)
_UNKNOWN_MODEL = (
    Reason.MODEL_NOT_FOUND,
    "The speech service does not know the model, or this key may not use it. "
    "Choose another model, and look whether the service's address is right.",
)
_BY_STATUS = {
    401: (Reason.ENGINE_UNAVAILABLE, "The speech service refuses the API key. Set a valid one."),
    402: _NO_CREDIT_LEFT,
    403: (
        Reason.ENGINE_UNAVAILABLE,
        "The speech service does not let this API key do that. Look at the key's rights and where it may be used.",
    ),
    404: _UNKNOWN_MODEL,
    413: (
        Reason.INVALID_REQUEST,
        "The speech service takes no uploads as large as a chunk of sound. Set shorter chunks for it.",
    ),
}
_BY_FIELD = {
    "model": _UNKNOWN_MODEL,
    "language": (
        Reason.LANGUAGE_NOT_SUPPORTED,
        "The model does not take the language asked for. Choose another language or 'auto'.",
    ),
    "prompt": (
        Reason.OPTION_NOT_SUPPORTED,
        "The model does not take the prompt. Make it shorter, or leave it out.",
    ),
}
_ANY_OTHER = (Reason.INVALID_REQUEST, "The speech service refuses the request. Look at the model and the options.")


class FormRefusedError(EngineError):
    """The model does not answer in the form asked for. `words_only`: its times of words are the trouble."""

    def __init__(self, *, words_only: bool) -> None:
        super().__init__(Reason.INVALID_REQUEST, "The speech service answers in no form that is known here.")
        self.words_only = words_only


class PassingError(Exception):
    """A failure that may pass.

    Args:
        what: the beginning of a sentence for people.
        retry_after_s: how long the service asks to wait; None if it does not say.
    """

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_s = retry_after_s


def refusal(error: openai.APIStatusError, now: datetime) -> PassingError | EngineError:
    """What an answer other than 2xx means. The service's own words are looked at, never passed on.

    Returns:
        PassingError: 429 and 5xx, but for an account without credit.
        FormRefusedError: see there.
        EngineError: the same request would be refused again.
    """
    status, words = error.status_code, error.response.text
    if status == 429 and _NO_CREDIT & {error.code, str(error.type)}:
        return _lasting(status, _NO_CREDIT_LEFT)
    if status == 429 or status >= 500:
        what = "The speech service has too much to do" if status in (429, 503) else "The speech service failed"
        return PassingError(what, retry_after_s(error.response.headers, now))
    if 300 <= status < 400:
        return _lasting(status, _MOVED)
    if status in (400, 422):
        if "timestamp_granularities" in words or "response_format" in words:
            return FormRefusedError(words_only="response_format" not in words)
        if error.code == "model_not_found":
            return _lasting(status, _UNKNOWN_MODEL)
        for field, meaning in _BY_FIELD.items():
            if str(error.param or "").startswith(field):  # such as `languages[0]`
                return _lasting(status, meaning)
    return _lasting(status, _BY_STATUS.get(status, _ANY_OTHER))


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """How long the service asks to wait: by `retry-after-ms`, or `retry-after` in seconds or as a date.

    None if it does not say, or says nonsense.
    """
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(KeyError, ValueError):
            seconds = float(headers[name]) * unit_s
            return seconds if 0 <= seconds < float("inf") else None
    with suppress(KeyError, ValueError, TypeError, OverflowError):
        moment = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    return None


def _lasting(status: int, meaning: tuple[Reason, str]) -> EngineError:
    reason, message = meaning
    return EngineError(reason, message, http_status=str(status))
