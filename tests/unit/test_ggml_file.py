"""Model files: the whole ones pass, every kind of broken one is refused with what is wrong."""

import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models import MICRO, wired_model
from yt_text.engines import ggml_file
from yt_text.errors import EngineError, Reason

WHOLE = MICRO.read_bytes()
FIRST_TENSOR = 48 + 8 + 80 * 201 * 4  # and behind it the vocabulary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.bin"


def refusal(path: Path) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ggml_file.check(path)
    assert str(path) not in caught.value.message
    return caught.value


def test_whole_english_model_passes():
    header = ggml_file.check(MICRO)
    assert not header.multilingual
    assert header.n_languages == 1
    assert header.n_text_layer == 3


def test_whole_multilingual_model_passes(path: Path):
    header = ggml_file.check(wired_model(path))
    assert header.multilingual
    assert header.n_languages == 99
    assert ggml_file.read_header(path) == header


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"lmgg", "cut short"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "web page"),
        (b"\n  <HTML lang=en>", "web page"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><Error/>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "pointer"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"PK\x03\x04rest", "zip"),
        (bytes(1000), "not a ggml model"),
        (b"lmgg" + bytes(1000), "header is damaged"),
        (b"lmgg" + b"\xff" * 1000, "header is damaged"),
    ],
)
def test_file_that_is_no_model_is_refused_by_what_it_is(path: Path, data: bytes, what: str):
    path.write_bytes(data)
    error = refusal(path)
    assert error.reason is Reason.MODEL_INVALID
    assert what in error.message


@pytest.mark.parametrize("size", [47, 50, 1_000, FIRST_TENSOR, 600_000, len(WHOLE) // 2, len(WHOLE) - 1])
def test_cut_model_is_refused(path: Path, size: int):
    path.write_bytes(WHOLE[:size])
    error = refusal(path)
    assert error.reason is Reason.MODEL_INVALID
    assert "cut short" in error.message


def test_model_cut_between_two_tensors_is_refused(path: Path):
    name = WHOLE.rindex(b"decoder.")  # of the last tensor; before it stand its head and up to 4 lengths
    heads = (name - 12 - 4 * n_dims for n_dims in (1, 2, 3, 4))
    (head,) = (at for n_dims, at in enumerate(heads, 1) if struct.unpack_from("<i", WHOLE, at) == (n_dims,))
    path.write_bytes(WHOLE[:head])
    assert "cut short" in refusal(path).message


@pytest.mark.parametrize("field", range(11))
def test_any_damaged_number_of_the_header_is_refused(path: Path, field: int):
    for value in (-1, 0x7FFFFFFF):
        data = bytearray(WHOLE)
        struct.pack_into("<i", data, 4 + 4 * field, value)
        path.write_bytes(data)
        assert refusal(path).reason is Reason.MODEL_INVALID


def test_header_that_promises_more_layers_than_there_are_is_refused(path: Path):
    data = bytearray(WHOLE)
    struct.pack_into("<i", data, 4 + 4 * 8, 4)  # text layers: there are 3
    path.write_bytes(data)
    assert refusal(path).reason is Reason.MODEL_INVALID


def test_missing_file_and_folder_are_not_found(path: Path):
    assert refusal(path).reason is Reason.MODEL_NOT_FOUND
    path.mkdir()
    assert refusal(path).reason is Reason.MODEL_NOT_FOUND


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 700_000), junk=st.binary(min_size=1, max_size=64))
def test_no_damage_leads_to_another_error(path: Path, at: int, junk: bytes):
    path.write_bytes(WHOLE[:at] + junk + WHOLE[at + len(junk) : 800_000])
    assert refusal(path).reason is Reason.MODEL_INVALID


def test_sum_is_the_files_and_follows_its_changes(path: Path):
    path.write_bytes(b"abc")
    first = ggml_file.sha256(path)
    assert first == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert ggml_file.sha256(path) == first
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert ggml_file.sha256(path) == "a52d159f262b2c6ddb724a61840befc36eb30c88877a4030b65cbe86298449c9"
