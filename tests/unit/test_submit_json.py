"""A body in JSON is read as the contract has it, or refused in words."""

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from yt_text.errors import Reason, RequestError
from yt_text.rpc import submit_json
from yt_text.rpc.interceptors import MAX_VIOLATIONS, ContractError
from yt_text.v1 import job_pb2
from yt_text.v1 import transcription_service_pb2 as pb

URL = "https://example.com/a"


def read(value: Any) -> pb.SubmitJobRequest:
    return submit_json.read(json.dumps(value).encode())


def refused(data: bytes | Any, content_type: str = "") -> RequestError:
    with pytest.raises(RequestError) as caught:
        submit_json.read(data if isinstance(data, bytes) else json.dumps(data).encode(), content_type)
    return caught.value


def violations(error: RequestError) -> dict[str, str]:
    assert isinstance(error, ContractError)
    return {violation.field: violation.description for violation in error.violations}


def test_camel_case_and_the_contracts_names_mean_the_same() -> None:
    config = {"engine": "auto", "prompt": "Grüße", "translate": True}
    camel = {"url": URL, "priority": 3, "config": {**config, "languageCode": "de", "textOrigin": "TEXT_ORIGIN_SPEECH"}}
    snake = {"url": URL, "priority": "3", "config": {**config, "language_code": "de", "text_origin": 1}}
    assert read(camel) == read(snake)
    assert read(camel).config.language_code == "de"


@pytest.mark.parametrize("content_type", ["", "application/json", "Application/JSON ; charset=utf-8"])
def test_a_body_declared_as_json_or_as_nothing_is_read(content_type: str) -> None:
    assert submit_json.read(b'{"url": "https://example.com/a"}', content_type).url == URL


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ";"])
def test_a_body_declared_as_something_else_is_refused(content_type: str) -> None:
    if content_type == ";":
        content_type = "x/y;application/json"
    assert "Content-Type" in refused(b'{"url": "https://example.com/a"}', content_type).message


def test_every_unknown_field_is_named_with_its_path_and_the_nearest_name() -> None:
    error = refused({"url": URL, "Priority": 1, "xyzzy": {}, "config": {"langage": "de", "language": "de"}})
    said = violations(error)
    assert set(said) == {"Priority", "xyzzy", "config.langage", "config.language"}
    assert "`priority`" in said["Priority"]
    assert "`languageCode`" in said["config.langage"]
    assert "`languageCode`" in said["config.language"]
    assert "did you mean" not in said["xyzzy"]
    assert all(field in error.message for field in said)


def test_only_so_many_fields_are_named_that_the_answer_stays_small() -> None:
    error = refused({f"{n}\n{'ü' * 100}": 1 for n in range(40)})
    said = violations(error)
    assert len(said) <= MAX_VIOLATIONS
    assert len(error.message) < 1_000
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("value", "field", "wanted"),
    [
        ({"url": 5}, "url", "a text"),
        ({"url": "\ud800"}, "url", "a text"),
        ({"url": [URL]}, "url", "a text"),
        ({"url": URL, "config": "de"}, "config", "an object"),
        ({"url": URL, "config": {"translate": "yes"}}, "config.translate", "true or false"),
        ({"url": URL, "config": {"translate": 1}}, "config.translate", "true or false"),
        ({"url": URL, "priority": 1.5}, "priority", "a whole number"),
        ({"url": URL, "priority": True}, "priority", "a whole number"),
        ({"url": URL, "priority": 2**31}, "priority", "a whole number"),
        ({"url": URL, "priority": "99999999999"}, "priority", "a whole number"),
        ({"url": URL, "priority": 1e300}, "priority", "a whole number"),
        ({"url": URL, "config": {"textOrigin": "SPEECH"}}, "config.textOrigin", "TEXT_ORIGIN_SPEECH"),
        ({"url": URL, "config": {"textOrigin": 99}}, "config.textOrigin", "TEXT_ORIGIN_SPEECH"),
    ],
)
def test_a_value_of_the_wrong_type_names_its_field(value: Any, field: str, wanted: str) -> None:
    said = violations(refused(value))
    assert list(said) == [field]
    assert wanted in said[field]


def test_what_may_stand_once_stands_once() -> None:
    assert violations(refused(b'{"url": "a", "url": "b"}')) == {"url": "is given twice"}
    assert violations(refused(b'{"url": "a", "config": {"model": "b", "model": "c"}}')) == {"model": "is given twice"}
    assert "is given twice" in violations(refused({"url": URL, "requestId": "", "request_id": ""}))["request_id"]
    assert "`url`" in violations(refused({"url": URL, "mediaId": "x"}))["mediaId"]


def test_null_means_that_a_field_is_not_given() -> None:
    assert read({"url": URL, "mediaId": None, "config": None, "priority": None}) == pb.SubmitJobRequest(url=URL)


def test_malformed_json_says_where() -> None:
    assert "line 3, column 1" in refused(b'{\n"url": "a",\n}').message


@pytest.mark.parametrize("data", [b'{"priority": NaN}', b'{"priority": -Infinity}', b'{"priority": 1e999}'])
def test_numbers_that_json_does_not_have_are_refused(data: bytes) -> None:
    assert "number" in refused(data).message


def test_a_number_of_thousands_of_digits_is_refused() -> None:
    assert "number" in refused(b'{"priority": ' + b"9" * 20_000 + b"}").message


@pytest.mark.parametrize("data", [b"", b" \r\n"])
def test_an_empty_body_is_refused(data: bytes) -> None:
    assert "empty" in refused(data).message


@pytest.mark.parametrize("data", [b"[]", b"5", b'"a"', b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(data: bytes) -> None:
    assert "object" in refused(data).message


@pytest.mark.parametrize(
    "data", [b"[" * 60_000, b'{"a":' * 10_000, b'{"url": "[[[[[[[[[[[[[[[[[[[[", "a": ' + b"[" * 99]
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    assert "nested" in refused(data).message


def test_brackets_inside_of_texts_are_no_nesting() -> None:
    assert read({"url": URL, "config": {"prompt": '[{"\\' * 100}}).config.prompt == '[{"\\' * 100


def test_text_that_is_no_utf_8_says_where() -> None:
    assert "byte 9" in refused(b'{"url": "\xff"}').message


def test_a_body_that_is_too_large_is_refused_as_that() -> None:
    assert refused(b" " * (submit_json.MAX_BYTES + 1)).reason is Reason.REQUEST_TOO_LARGE


def test_the_largest_request_that_the_contract_allows_fits() -> None:
    config = {"prompt": "😀" * 1000, "model": "😀" * 200, "engine": "😀" * 40, "languageCode": "de"}
    value = {"url": "😀" * 2048, "webhookUrl": "😀" * 2048, "config": config}
    assert read(value).config.prompt == "😀" * 1000


FIELDS = [
    name
    for kind in (pb.SubmitJobRequest, job_pb2.TranscriptionConfig)
    for field in kind.DESCRIPTOR.fields
    for name in (field.name, field.json_name)
]
NAMES = st.sampled_from(FIELDS) | st.text(max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)


def check_outcome(data: bytes) -> None:
    """Shows that a body is a request, or refused by an error of ours that may be shown."""
    try:
        submit_json.read(data).SerializeToString()
        return
    except RequestError as raised:
        error = raised
    assert error.reason in (Reason.INVALID_REQUEST, Reason.REQUEST_TOO_LARGE)
    assert error.message.isprintable()
    assert "yt_text" not in error.message


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    check_outcome(data)


@given(st.text(alphabet='{}[]",:\\urlconfig0123eE+-. \n\x00é', max_size=120))
def test_any_text_that_is_like_json_is_a_request_or_refused(text: str) -> None:
    check_outcome(text.encode())


@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_any_json_is_a_request_or_refused(value: dict[str, Any]) -> None:
    check_outcome(json.dumps(value).encode())


TEXT = st.text(max_size=20)
CONFIGS = st.builds(
    job_pb2.TranscriptionConfig,
    engine=TEXT,
    model=TEXT,
    language_code=TEXT,
    translate=st.booleans(),
    enable_word_offsets=st.booleans(),
    prompt=TEXT,
    text_origin=st.sampled_from([0, 1, 2, 3]),
    enable_diarization=st.booleans(),
)
REQUESTS = st.builds(
    lambda source, **values: pb.SubmitJobRequest(**source, **values),
    source=st.sampled_from(["url", "media_id"]).flatmap(lambda name: st.fixed_dictionaries({name: TEXT})),
    config=st.none() | CONFIGS,
    request_id=TEXT,
    priority=st.integers(-(2**31), 2**31 - 1),
    webhook_url=TEXT,
    skip_cache=st.booleans(),
)


@given(REQUESTS, st.booleans(), st.booleans())
def test_a_request_that_was_written_as_json_is_read_as_it_was(
    request: pb.SubmitJobRequest, keep_names: bool, numbers: bool
) -> None:
    value = json_format.MessageToDict(request, preserving_proto_field_name=keep_names, use_integers_for_enums=numbers)
    assert read(value) == request
