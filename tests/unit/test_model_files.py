"""Where models come from by name and URL, which are here, and whether they are what they say."""

import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.models import MICRO, wired_model
from yt_text.engines.model_part import digest_path, kept_digest, lock_part
from yt_text.engines.model_source import DEFAULT_MIRRORS, Source, source_of
from yt_text.engines.model_table import PUBLISHED
from yt_text.engines.models import find_model, installed_models, list_models, verify
from yt_text.errors import EngineError, Reason

BASE = PUBLISHED["base"]


def refusal(model: str, name: str = "") -> str:
    with pytest.raises(EngineError) as caught:
        source_of(model, name=name)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    return caught.value.message


def test_a_published_model_comes_from_each_mirror_in_turn():
    source = source_of("base", ["https://a.example/models/", "http://b.example"])
    urls = ("https://a.example/models/ggml-base.bin", "http://b.example/ggml-base.bin")
    assert source == Source("ggml-base.bin", urls, BASE.size_bytes, BASE.sha256)


def test_the_usual_mirror_is_the_publishers():
    assert source_of("ggml-base.bin").urls == (f"{DEFAULT_MIRRORS[0]}/ggml-base.bin",)


@pytest.mark.parametrize(
    ("url", "name", "file_name"),
    [
        ("https://host.example/x.bin", "", "x.bin"),
        ("http://host.example:8080/a/b/my-model_1.0.bin?download=true#x", "", "my-model_1.0.bin"),
        ("https://host.example/model", "", "model.bin"),
        ("https://host.example/ggml%2Dx.bin", "", "ggml-x.bin"),
        ("https://host.example/", "mine", "mine.bin"),
        ("https://host.example/x.bin", "mine.bin", "mine.bin"),
    ],
)
def test_a_model_by_url_gets_the_name_of_its_file_or_the_given_one(url: str, name: str, file_name: str):
    assert source_of(url, name=name) == Source(file_name, (url,))


def test_a_file_by_url_with_a_published_name_must_be_that_model():
    source = source_of("https://mirror.example/ggml-base.bin")
    assert (source.size_bytes, source.sha256) == (BASE.size_bytes, BASE.sha256)


@pytest.mark.parametrize(
    "url",
    ["ftp://host.example/x.bin", "file:///etc/passwd", "https://", "https:///x.bin", "http://[::1/x.bin", "://",
     "http://host:99999/x.bin", "http://host:0/x.bin"],
)  # fmt: skip
def test_what_cannot_be_fetched_is_refused(url: str):
    assert "https://" in refusal(url)


@pytest.mark.parametrize("url", ["https://h.example/", "https://h.example/..", "https://h.example/%2e%2e%2fx.bin",
                                 "https://h.example/-rf.bin", "https://h.example/.bin"])  # fmt: skip
def test_a_file_whose_name_is_none_for_a_model_needs_one(url: str):
    assert "--name" in refusal(url)


@pytest.mark.parametrize("name", ["../x", "a/b", "x y", "a\0b", ".x", "x" * 200])
def test_a_name_that_is_a_path_is_refused(name: str):
    assert "name" in refusal("https://h.example/x.bin", name)


def test_a_name_of_a_published_model_is_not_given_to_another():
    assert "published" in refusal("https://h.example/x.bin", "base")


def test_a_published_model_keeps_its_name():
    assert "URL" in refusal("base", "mine")


def test_an_unknown_name_is_refused_with_those_that_are_like_it():
    assert "base" in refusal("basse")
    assert "yt-text models list" in refusal("wholly different")


def test_a_model_that_is_not_here_is_refused_with_how_to_get_it(tmp_path: Path):
    with pytest.raises(EngineError) as caught:
        find_model("base", tmp_path)
    assert "yt-text models pull base" in caught.value.message


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two models, one that should be published, one that was damaged, and files that are something else."""
    (tmp_path / "own.bin").write_bytes(MICRO.read_bytes())
    wired_model(tmp_path / "ggml-tiny.bin")
    (tmp_path / "ggml-base.bin").write_text("<html>404</html>")
    (tmp_path / "ggml-silero-v6.bin").write_bytes(b"lmgg" + bytes(2_000))
    (tmp_path / "ggml-small.bin.part").write_bytes(b"lmgg")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "dir.bin").mkdir()
    return tmp_path


def test_models_are_listed_with_what_they_are(folder: Path):
    base, tiny, own = installed_models(folder)
    assert (base.name, base.published, base.header, base.looks_whole) == ("base", BASE, None, False)
    assert (tiny.name, tiny.published, tiny.looks_whole) == ("tiny", PUBLISHED["tiny"], False)
    assert (own.name, own.published, own.looks_whole) == ("own", None, True)
    assert list_models(folder) == ("tiny", "own")
    assert installed_models(folder / "nowhere") == ()


def test_a_name_without_the_publishers_prefix_is_ones_own(folder: Path):
    (folder / "own.bin").rename(folder / "base.bin")
    assert next(model for model in installed_models(folder) if model.path.name == "base.bin").published is None


def test_verdicts(folder: Path):
    base, tiny, own = installed_models(folder)
    assert not verify(base).good
    assert "web page" in verify(base).what
    assert not verify(tiny).good
    assert "published" in verify(tiny).what
    assert verify(own).good
    assert "No SHA-256" in verify(own).what


def test_a_model_that_changed_since_it_was_fetched_is_noticed(folder: Path):
    own = folder / "own.bin"
    digest = "0" * 64
    digest_path(own).write_text(f"{digest}  own.bin\n")
    (model,) = (model for model in installed_models(folder) if model.name == "own")
    assert model.kept_sha256 == digest
    assert not verify(model).good
    own.write_text("")  # a file that was a model is still shown
    assert "own" in [model.name for model in installed_models(folder)]


@pytest.mark.parametrize("text", ["", "abc", "Z" * 64, "\u00e9" * 64])
def test_a_digest_that_is_none_is_not_used(tmp_path: Path, text: str):
    digest_path(tmp_path / "x.bin").write_text(text, "utf-8")
    assert kept_digest(tmp_path / "x.bin") == ""


def test_an_unfinished_file_has_one_writer_though_it_is_removed_and_made_again(tmp_path: Path):
    path = tmp_path / "x.bin.part"
    holders: list[int] = []
    most = 0

    def fight(number: int) -> None:
        nonlocal most
        for _ in range(2_000):
            part = lock_part(path)
            if part is not None:
                with closing(part):  # an empty one is removed at the end
                    holders.append(number)
                    most = max(most, len(holders))
                    assert path.exists()
                    holders.remove(number)

    threads = [threading.Thread(target=fight, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
