"""The table of published models: its digests are the published ones, its figures follow from name and size."""

import hashlib

import pytest

from yt_text.engines.model_table import DEFAULT_MODEL, PUBLISHED, published, similar

# Git object ids of the files' pointers at Hugging Face, ggerganov/whisper.cpp, revision
# 5359861c739e955e79d9a303bcbc70fb988958b1 (`siblings[].blobId` of its model API). A pointer holds nothing but
# the digest and the size, so the id proves both.
_LINES = """
base-q5_1 4947e22c7365d941a9864b2d0f9f474a505cf39b
base-q8_0 1a710c5bff0c9b764ee332dd9a8422bc978bfb1e
base 17993a254ac4e9db7642a261cf53af3dc446145c
base.en-q5_1 5c89fe2c0d47f0d16d536610dc5f7c4a6fe81bc7
base.en-q8_0 f459c0ad21ffd7b3661f62914745c59bb63f2422
base.en 87c664c563ef3ff52424dd4fa925cf95b306dba6
large-v1 047db73ddfd7789113dfc94c20b22bc1d044586f
large-v2-q5_0 8ea090d899ab4099f57a60abcba4d4008553b675
large-v2-q8_0 423bfb2f2932572249bc17a16139883d9aaed65f
large-v2 649aafd67e30021d0140c24342ee2ffb947f4bde
large-v3-q5_0 14150f8463725bde9626c0656683ad5735e01ac2
large-v3-turbo-q5_0 0e2474d5ec0361bb1726829aa83317ed4cbc3f18
large-v3-turbo-q8_0 dd827281ffb9642e91f152f2a90de53907d4603a
large-v3-turbo 819841c70bdf4488c4ff778f8becdcb37df43969
large-v3 30488f6b9eeae93e026c978ac7a3190274732ea2
medium-q5_0 9cc19f38fec2314f6c00f666ca708e8cf22d189d
medium-q8_0 6c783bed539147853779c28702e59d170ab6a5bb
medium be775c464024bdcd9e834c2f9ed42aae6b708d2b
medium.en-q5_0 8722db4993ba67f49c4f20cdd9880202c8cc3f2b
medium.en-q8_0 c4ca4e1562dffe8db2381e32299fe64110228156
medium.en f8d7f988b60916d7f7e7feee9897c037a09b2f85
small-q5_1 87631c52c89d37ed2337a46ec4a009976db1f3f4
small-q8_0 8a9937d2be60bae6b1efbb01b9ca1612ab2a617c
small bc4c4d96b528654fb067e2b243bdc438cfaf0072
small.en-q5_1 bf61baaf463626fe45fc9157b8e9c69de8943c87
small.en-q8_0 9c826215654cf46674a38d02f19e123e17c5b2d3
small.en eaeeb6d63378cf6515ff2c1cb4e33486ae6bcc2f
tiny-q5_1 42701a9c1d8a9f4f0b96dbcefcc049075814bcf3
tiny-q8_0 fc48fd17b13f7eb147bab1c66dee10c97f471b27
tiny d144f735b005ae8cbfa04a49e22fe40faa24dbec
tiny.en-q5_1 46aeed3b01f3fc86f05fa3e8ca711cc1773ead08
tiny.en-q8_0 959468eb9f72c2100ab5e4a9efc102a45cc8b313
tiny.en 17ad750438d1d42162fe06ab4b21aef2389d2137
"""
POINTERS = {name: pointer for name, _, pointer in (line.partition(" ") for line in _LINES.split("\n") if line)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_digest_and_size_are_those_of_the_published_pointer(name: str):
    model = PUBLISHED[name]
    pointer = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{model.sha256}\nsize {model.size_bytes}\n".encode()
    )
    assert hashlib.sha1(b"blob %d\0" % len(pointer) + pointer, usedforsecurity=False).hexdigest() == POINTERS[name]


def test_every_published_model_is_in_the_table():
    assert set(PUBLISHED) == set(POINTERS)
    assert all(name == model.name for name, model in PUBLISHED.items())


@pytest.mark.parametrize(
    ("name", "shape", "quantization", "english_only"),
    [
        ("tiny", "tiny", "f16", False),
        ("base.en", "base", "f16", True),
        ("base.en-q5_1", "base", "q5_1", True),
        ("large-v3-turbo-q5_0", "large-v3-turbo", "q5_0", False),
        ("large-v2-q8_0", "large-v2", "q8_0", False),
    ],
)
def test_the_name_says_what_a_model_is(name: str, shape: str, quantization: str, english_only: bool):
    model = PUBLISHED[name]
    assert (model.shape, model.quantization, model.english_only) == (shape, quantization, english_only)
    assert model.file_name == f"ggml-{name}.bin"


def test_every_model_has_its_memory_and_speed():
    for model in PUBLISHED.values():
        assert model.memory_mb > model.size_bytes / 1e6
        assert 0.01 < model.speed < 10


def test_within_a_shape_smaller_files_need_less_memory():
    for model in PUBLISHED.values():
        whole = PUBLISHED[model.name.partition("-q")[0]]
        assert model.memory_mb <= whole.memory_mb


@pytest.mark.parametrize("name", ["base", "ggml-base.bin", "ggml-base", "base.bin"])
def test_a_model_is_known_by_short_name_and_file_name(name: str):
    assert published(name) is PUBLISHED["base"]


@pytest.mark.parametrize("name", ["", "ggml", "Base", "/x/ggml-base.bin", "base-q5_0", "large-v3-q8_0"])
def test_what_is_not_published_is_not_known(name: str):
    assert published(name) is None


def test_a_slip_of_the_pen_finds_what_was_meant():
    assert "base" in similar("basse")
    assert "large-v3-turbo" in similar("turbo")
    assert "large-v3" in similar("large")
    assert similar("wholly different") == ()


def test_the_default_knows_many_languages():
    assert not PUBLISHED[DEFAULT_MODEL].english_only
