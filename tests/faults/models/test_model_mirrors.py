"""Fetching a model from several mirrors, from those that lie, by several at once, and for the service."""

import json
import shutil
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model_downloads import NAME, QUICK, arrived, begin, failure, known, left, unknown, until
from tests.model_mirrors import Mirror
from yt_text.engines.model_download import Downloaded, DownloadStoppedError, download
from yt_text.engines.model_part import part_path
from yt_text.engines.models import ensure_model
from yt_text.errors import EngineError, Reason

# Several mirrors


@pytest.mark.parametrize("status", [404, 403, 500, 503, 410, 302, 418])
def test_a_mirror_that_refuses_is_left_for_the_next(
    model: bytes, mirror: Mirror, second: Mirror, folder: Path, status: int
):
    mirror.rejects = [status] * 20
    download(known(model, mirror, second), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model
    assert len(mirror.requests) == (QUICK.attempts if status >= 500 else 1)


def test_the_next_mirror_goes_on_where_one_failed(model: bytes, mirror: Mirror, second: Mirror, folder: Path):
    mirror.cut_after, mirror.cuts = 3_000_000, None
    mirror.etag = lambda data: '"a"'
    mirror.files["/" + NAME] = model
    begin(known(model, mirror), folder, mirror, 2_000_000)
    mirror.rejects = [503] * 20
    download(known(model, mirror, second), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model
    assert second.starts == [2_000_000]
    assert second.requests[0].if_range == ""


def test_a_mirror_with_a_file_of_another_size_costs_none_of_the_bytes(
    model: bytes, other: bytes, mirror: Mirror, second: Mirror, folder: Path
):
    begin(known(model, mirror), folder, mirror, 2_000_000)
    with Mirror({"/" + NAME: other}) as wrong:
        download(known(model, wrong, second), folder, limits=QUICK)
        assert wrong.sent_bytes < len(other)
    assert (folder / NAME).read_bytes() == model
    assert second.starts == [2_000_000]


def test_a_mirror_that_names_another_digest_is_left_at_once(model: bytes, mirror: Mirror, second: Mirror, folder: Path):
    mirror.linked = "0" * 64
    download(known(model, mirror, second), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model
    assert mirror.sent_bytes < len(model)
    error = failure(known(model, mirror), folder / "x")
    assert error.reason is Reason.MODEL_INVALID


def test_all_that_the_servers_did_is_there_for_the_operator(model: bytes, mirror: Mirror, second: Mirror, folder: Path):
    mirror.rejects, second.content_type = [404], "text/html; charset=utf-8"
    error = failure(known(model, mirror, second), folder)
    assert error.attempts == ("127.0.0.1 has no such file", "127.0.0.1 sends a web page instead of the file")
    assert error.reason is Reason.MODEL_INVALID
    assert left(folder) == []


# What is not the model


@pytest.mark.parametrize("status", [404, 410, 401, 403, 451])
def test_a_missing_file_is_not_found(mirror: Mirror, folder: Path, status: int):
    mirror.rejects = [status]
    error = failure(unknown(mirror), folder)
    assert (error.reason, error.retryable) == (Reason.MODEL_NOT_FOUND, False)
    assert len(mirror.requests) == 1
    assert left(folder) == []


@pytest.mark.parametrize("body", [b"<!doctype html><html>not found</html>" * 50, b"", b"GGUF" + bytes(5000), b"lmgg"])
def test_a_file_that_is_no_model_is_refused_whatever_its_type(mirror: Mirror, folder: Path, body: bytes):
    mirror.files["/" + NAME] = body
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_INVALID
    assert left(folder) == []


def test_a_large_file_that_is_no_model_is_refused_at_its_beginning(mirror: Mirror, folder: Path):
    mirror.files["/" + NAME] = bytes(60_000_000)
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_INVALID
    assert mirror.sent_bytes < 60_000_000


def test_a_model_with_another_digest_is_refused(twin: bytes, model: bytes, mirror: Mirror, folder: Path):
    mirror.files["/" + NAME] = twin
    error = failure(known(model, mirror), folder)
    assert error.reason is Reason.MODEL_INVALID
    assert mirror.starts == [0]
    assert left(folder) == []


def test_a_model_that_does_not_agree_with_the_redirects_digest_is_refused(mirror: Mirror, folder: Path):
    mirror.linked = "a" * 64
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_INVALID


# Several at once


def test_the_second_waits_for_the_first_and_finds_it_done(model: bytes, mirror: Mirror, folder: Path):
    mirror.hold_at = 1_000_000
    results: list[Downloaded] = []
    told: list[tuple[int, int]] = []
    first = threading.Thread(
        target=lambda: results.append(download(known(model, mirror), folder, limits=QUICK)), daemon=True
    )
    first.start()
    until(lambda: arrived(folder) >= 1_000_000)
    waiting = threading.Thread(
        target=lambda: results.append(
            download(known(model, mirror), folder, on_progress=lambda a, b: told.append((a, b)), limits=QUICK)
        ),
        daemon=True,
    )
    waiting.start()
    until(lambda: (1_000_000, len(model)) in told)
    mirror.go_on.set()
    first.join(60)
    waiting.join(60)
    assert sorted(result.already for result in results) == [False, True]
    assert mirror.starts == [0]
    assert left(folder) == [NAME, NAME + ".sha256"]


def test_the_second_takes_over_what_the_first_gave_up(model: bytes, mirror: Mirror, second: Mirror, folder: Path):
    mirror.hold_at = 1_000_000
    stop = threading.Event()
    ended: list[str] = []

    def give_up() -> None:
        try:
            download(known(model, mirror), folder, cancelled=stop, limits=QUICK)
        except DownloadStoppedError:
            ended.append("stopped")

    first = threading.Thread(target=give_up, daemon=True)
    first.start()
    until(lambda: arrived(folder) >= 1_000_000)
    taking = threading.Thread(
        target=lambda: ended.append(download(known(model, second), folder, limits=QUICK).sha256), daemon=True
    )
    taking.start()
    stop.set()
    first.join(60)
    taking.join(60)
    assert ended == ["stopped", sha256(model).hexdigest()]
    assert second.starts == [1_000_000]


def test_who_waits_can_be_stopped(model: bytes, mirror: Mirror, folder: Path):
    mirror.hold_at = 1_000_000
    first = threading.Thread(target=lambda: download(known(model, mirror), folder, limits=QUICK), daemon=True)
    first.start()
    until(lambda: arrived(folder) > 0)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(DownloadStoppedError):
        download(known(model, mirror), folder, cancelled=stop, limits=QUICK)
    mirror.go_on.set()
    first.join(60)
    assert (folder / NAME).read_bytes() == model


# What an earlier process left


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.one_of(st.binary(max_size=200), st.integers(0, 7_000_000)),
    state=st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda total, sha: json.dumps({"url": "", "validator": "x", "total": total, "sha256": sha}).encode(),
            st.one_of(st.integers(-5, 9_000_000), st.none(), st.text(max_size=5)),
            st.sampled_from(["", "0" * 64, "x"]),
        ),
    ),
)
def test_whatever_was_left_the_model_comes_whole(
    tmp_path_factory: pytest.TempPathFactory, model: bytes, mirror: Mirror, part: bytes | int, state: bytes
):
    folder = tmp_path_factory.mktemp("left")
    left_over = part_path(folder / NAME)
    left_over.write_bytes(model[:part] if isinstance(part, int) else part)
    left_over.with_name(left_over.name + ".json").write_bytes(state)
    assert download(known(model, mirror), folder, limits=QUICK).path.read_bytes() == model
    assert left(folder) == [NAME, NAME + ".sha256"]
    shutil.rmtree(folder)


# For the service


def test_the_service_fetches_a_model_by_url_at_its_first_use_only(model: bytes, mirror: Mirror, folder: Path):
    told: list[tuple[int, int]] = []
    for _ in range(2):
        path = ensure_model(mirror.url("/" + NAME), folder, on_progress=lambda a, b: told.append((a, b)), limits=QUICK)
        assert path == (folder / NAME).resolve()
    assert len(mirror.requests) == 1
    assert told[-1] == (len(model), len(model))


def test_the_service_asks_the_mirrors_for_a_published_model(model: bytes, mirror: Mirror, folder: Path):
    mirror.files["/ggml-tiny.bin"] = model
    with pytest.raises(EngineError) as caught:
        ensure_model("tiny", folder, mirrors=[mirror.url() + "/"], limits=QUICK)
    assert caught.value.reason is Reason.MODEL_INVALID  # it is not the published one
    assert [asked.path for asked in mirror.requests] == ["/ggml-tiny.bin"]
    assert left(folder) == []


def test_a_model_that_is_here_needs_no_network(model: bytes, folder: Path):
    folder.mkdir()
    (folder / "ggml-tiny.bin").write_bytes(model)
    assert ensure_model("tiny", folder, mirrors=["http://127.0.0.1:9"], limits=QUICK).name == "ggml-tiny.bin"
    with pytest.raises(EngineError) as caught:
        ensure_model("nobody", folder, mirrors=["http://127.0.0.1:9"], limits=QUICK)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
