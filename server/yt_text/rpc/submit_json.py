"""A SubmitJobRequest from JSON, strictly: what is not understood is refused by name, never dropped."""

import difflib
import json
import re
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.rpc import error_details_pb2

from yt_text.errors import Reason, RequestError
from yt_text.rpc.interceptors import ContractError
from yt_text.v1 import transcription_service_pb2 as pb

MAX_BYTES = 64 << 10
"""Every field at its longest, with each character escaped, fits twice."""
MAX_DEPTH = 16
MAX_NAME_CHARS = 30

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,10}")

Violation = error_details_pb2.BadRequest.FieldViolation


class _DuplicateError(ValueError):
    """A name stands twice in one object."""


class _NumberError(ValueError):
    """A number that JSON does not have, or that nothing here could hold."""


def read(data: bytes, content_type: str = "") -> pb.SubmitJobRequest:
    """Returns the request that a JSON text holds; names in camelCase or as the contract has them.

    Args:
        data: the text, in UTF-8.
        content_type: as the caller declared it; empty counts as JSON.

    Raises:
        RequestError: INVALID_REQUEST, or REQUEST_TOO_LARGE.
        ContractError: the same, with the fields that are wrong.
    """
    if not is_json(content_type):
        raise _invalid("The body must be JSON. Send it with `Content-Type: application/json`.")
    value = _parse(_text(data))
    if not isinstance(value, dict):
        raise _invalid('The body must be a JSON object, such as {"url": "https://example.com/talk.mp3"}.')
    violations: list[Violation] = []
    request = pb.SubmitJobRequest()
    _check(request.DESCRIPTOR, cast("dict[str, Any]", value), "", violations)
    if violations:
        raise ContractError(violations)
    try:
        return json_format.ParseDict(value, request)
    except (json_format.ParseError, ValueError):
        # `_check` should have found it, and said where.
        raise _invalid("The body is not a request that can be read. Compare it with the documentation.") from None


def is_json(content_type: str) -> bool:
    """Tells whether a content type says JSON, or nothing."""
    return content_type.partition(";")[0].strip().lower() in ("", "application/json")


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise RequestError(
            Reason.REQUEST_TOO_LARGE,
            f"The body is larger than {MAX_BYTES} bytes. Upload recordings to /api/media/ and name their id here.",
            max_bytes=str(MAX_BYTES),
        )
    if not data.strip():
        raise _invalid('The body is empty. Send JSON, such as {"url": "https://example.com/talk.mp3"}.')
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(f"The body is not valid UTF-8 at byte {error.start}. Send JSON in UTF-8.") from None


def _parse(text: str) -> Any:
    _check_depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        raise _invalid(f"The body is not valid JSON: see line {error.lineno}, column {error.colno}.") from None
    except _DuplicateError as error:
        raise ContractError([_violation(str(error), "is given twice")]) from None
    except _NumberError:
        raise _invalid("The body holds a number that JSON does not have, or one that is far too large.") from None


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            raise _invalid(f"The body is nested more than {MAX_DEPTH} levels deep. A request needs two.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _DuplicateError(name)
        made[name] = value
    return made


def _no_constant(_: str) -> NoReturn:
    raise _NumberError


def _integer(text: str) -> int:
    if len(text) > 20:
        raise _NumberError
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _NumberError
    return value


def _check(kind: Descriptor, value: dict[str, Any], path: str, violations: list[Violation]) -> None:
    """Finds what is no field of a message, or not of its field's type."""
    names = {name: field for field in kind.fields for name in (field.json_name, field.name)}
    given: dict[str, str] = {}
    for name, entry in value.items():
        field = names.get(name)
        if field is None:
            violations.append(_violation(path + _shown(name), _unknown(name, list(names))))
            continue
        if entry is None:
            continue
        # A field under both its names, or two of which one may be given.
        choice = field.containing_oneof.name if field.containing_oneof else field.name
        if choice in given:
            wrong = "is given twice" if names[given[choice]] is field else f"cannot stand beside `{given[choice]}`"
            violations.append(_violation(path + name, wrong))
        given[choice] = name
        if field.message_type and isinstance(entry, dict):
            _check(field.message_type, cast("dict[str, Any]", entry), f"{path}{name}.", violations)
        elif wanted := _wanted(field, entry):
            violations.append(_violation(path + name, f"must be {wanted}"))


def _wanted(field: FieldDescriptor, value: Any) -> str:
    """Returns what a value should have been; empty if it is."""
    if field.type == FieldDescriptor.TYPE_STRING:
        return "" if isinstance(value, str) and _encodes(value) else "a text"
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "" if isinstance(value, bool) else "true or false"
    if field.type == FieldDescriptor.TYPE_INT32:
        return "" if _is_int32(value) else "a whole number"
    if field.enum_type:
        return _wanted_enum(field.enum_type, value)
    return "an object"


def _wanted_enum(kind: EnumDescriptor, value: Any) -> str:
    names: list[str] = list(kind.values_by_name)
    if isinstance(value, str) and value in names:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and value in kind.values_by_number:
        return ""
    return f"one of {', '.join(names[1:])}"  # the first is `UNSPECIFIED`


def _is_int32(value: Any) -> bool:
    if isinstance(value, str):
        # JSON of the contract lets numbers be texts.
        return bool(_WHOLE_NUMBER.fullmatch(value)) and _is_int32(int(value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return value == int(value) and -(2**31) <= value < 2**31


def _encodes(text: str) -> bool:
    """Tells whether a text holds no half of a surrogate pair: JSON can escape one by itself."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _unknown(name: str, known: list[str]) -> str:
    # `language` should find `languageCode`, which as a whole is not near enough.
    near = difflib.get_close_matches(name[: 2 * MAX_NAME_CHARS], known, 1)
    near = near or [other for other in known if len(name) > 2 and other.lower().startswith(name.lower())]
    return "is not a field here" + (f"; did you mean `{near[0]}`?" if near else "")


def _violation(path: str, description: str) -> Violation:
    return Violation(field=_shown(path, 2 * MAX_NAME_CHARS), description=description)


def _shown(name: str, length: int = MAX_NAME_CHARS) -> str:
    """A name as a caller wrote it, fit to be shown."""
    name = "".join(char if char.isprintable() else "?" for char in name)
    return name if len(name) <= length else name[: length - 1] + "…"


def _invalid(message: str) -> RequestError:
    return RequestError(Reason.INVALID_REQUEST, message)
