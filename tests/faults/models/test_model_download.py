"""Fetching a model from a server that breaks off, changes its mind, or is not there."""

import shutil
import socket
import threading
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from tests.certificates import certify
from tests.model_downloads import NAME, QUICK, arrived, begin, failure, known, left, unknown, until
from tests.model_mirrors import Mirror
from yt_text.engines.model_download import Downloaded, DownloadStoppedError, download
from yt_text.engines.model_part import digest_path
from yt_text.engines.model_source import Source
from yt_text.engines.models import installed_models, verify
from yt_text.errors import EngineError, Reason

# The ordinary way


def test_a_model_comes_whole_with_progress_and_its_digest_is_kept(model: bytes, mirror: Mirror, folder: Path):
    told: list[tuple[int, int]] = []
    mirror.rate = 10_000_000
    done = download(known(model, mirror), folder, on_progress=lambda a, b: told.append((a, b)), limits=QUICK)
    digest = sha256(model).hexdigest()
    assert done == Downloaded(folder / NAME, sha256=digest, checked_against="table")
    assert done.path.read_bytes() == model
    assert told[0] == (0, len(model))
    assert told[-1] == (len(model), len(model))
    assert told == sorted(told)
    assert len(told) > 2
    assert left(folder) == [NAME, NAME + ".sha256"]
    assert digest_path(done.path).read_text() == f"{digest}  {NAME}\n"
    (found,) = installed_models(folder)
    assert verify(found).good


def test_a_model_that_is_here_is_not_asked_for(model: bytes, mirror: Mirror, folder: Path):
    first = download(known(model, mirror), folder, limits=QUICK)
    again = download(known(model, mirror), folder, limits=QUICK)
    assert again == Downloaded(first.path, already=True)
    assert len(mirror.requests) == 1


def test_a_web_page_that_was_saved_as_the_model_is_replaced(model: bytes, mirror: Mirror, folder: Path):
    folder.mkdir()
    (folder / NAME).write_text("<html>404</html>")
    assert not download(known(model, mirror), folder, limits=QUICK).already
    assert (folder / NAME).read_bytes() == model


def test_the_digest_comes_with_the_redirect_where_no_other_is_known(model: bytes, mirror: Mirror, folder: Path):
    mirror.linked = sha256(model).hexdigest()
    assert download(unknown(mirror), folder, limits=QUICK).checked_against == "server"


def test_without_any_digest_the_structure_alone_is_checked_and_it_says_so(mirror: Mirror, folder: Path):
    assert download(unknown(mirror), folder, limits=QUICK).checked_against == ""


def test_a_server_that_does_not_say_the_length_is_believed_at_the_end(mirror: Mirror, model: bytes, folder: Path):
    mirror.no_length = True
    download(unknown(mirror), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model


# Connections that break


def test_a_connection_that_breaks_is_taken_up_where_it_broke(model: bytes, mirror: Mirror, folder: Path):
    mirror.cut_after = 2_000_000
    download(known(model, mirror), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model
    assert mirror.starts == list(range(0, len(model), 2_000_000))
    assert mirror.requests[1].if_range == mirror.etag(model)


@pytest.mark.parametrize("digest_known", [True, False])
def test_a_stopped_download_goes_on_next_time(model: bytes, mirror: Mirror, folder: Path, digest_known: bool):
    source = known(model, mirror) if digest_known else unknown(mirror)
    begin(source, folder, mirror, 3_000_000)
    told: list[int] = []
    done = download(source, folder, on_progress=lambda a, b: told.append(a), limits=QUICK)
    assert done.path.read_bytes() == model
    assert mirror.starts == [3_000_000]
    assert told[0] == 3_000_000
    assert left(folder) == [NAME, NAME + ".sha256"]


def test_without_ranges_each_attempt_begins_anew(model: bytes, mirror: Mirror, folder: Path):
    mirror.ranges, mirror.cut_after, mirror.cuts = False, 2_000_000, 2
    download(known(model, mirror), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model


def test_a_length_that_cannot_be_reached_is_given_up(model: bytes, mirror: Mirror, folder: Path):
    mirror.declared = len(model) + 1000  # at its end the server has nothing, and says so
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_INVALID
    assert len(mirror.requests) < 20
    assert left(folder) == []


def test_a_length_that_is_too_short_gives_no_cut_model(model: bytes, mirror: Mirror, folder: Path):
    mirror.declared = len(model) // 2
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_INVALID
    assert left(folder) == []


def test_a_server_that_falls_silent_is_left_after_the_time_limit(mirror: Mirror, folder: Path, model: bytes):
    mirror.hold_at = 100_000
    error = failure(known(model, mirror), folder, replace(QUICK, read_timeout_s=0.3, attempts=2))
    assert error.reason is Reason.MODEL_DOWNLOAD_FAILED
    assert arrived(folder) >= 100_000


def test_a_silent_server_does_not_hold_up_the_end(mirror: Mirror, folder: Path, model: bytes):
    mirror.hold_at = 100_000
    stop = threading.Event()
    ended: list[BaseException] = []

    def run() -> None:
        try:
            download(known(model, mirror), folder, cancelled=stop, limits=replace(QUICK, read_timeout_s=600))
        except DownloadStoppedError as error:
            ended.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: arrived(folder) >= 100_000)
    stop.set()
    thread.join(60)
    assert len(ended) == 1
    assert arrived(folder) >= 100_000


def test_the_whole_download_has_a_time_limit(mirror: Mirror, folder: Path, model: bytes):
    mirror.rate = 100_000
    error = failure(known(model, mirror), folder, replace(QUICK, total_s=0.5))
    assert error.reason is Reason.MODEL_DOWNLOAD_FAILED
    assert error.retryable


# Files that change


@pytest.mark.parametrize("heeds", [True, False], ids=["If-Range is heeded", "If-Range is ignored"])
@pytest.mark.parametrize("same_size", [True, False])
def test_a_file_that_changed_begins_anew(
    model: bytes, other: bytes, twin: bytes, mirror: Mirror, folder: Path, heeds: bool, same_size: bool
):
    begin(unknown(mirror), folder, mirror, 3_000_000)
    new = twin if same_size else other
    mirror.files["/" + NAME], mirror.heeds_if_range = new, heeds
    assert download(unknown(mirror), folder, limits=QUICK).path.read_bytes() == new


def test_a_file_that_became_shorter_than_what_is_here_begins_anew(
    model: bytes, other: bytes, mirror: Mirror, folder: Path
):
    mirror.files["/" + NAME], mirror.heeds_if_range = other, False
    begin(unknown(mirror), folder, mirror, len(model) + 1)
    mirror.files["/" + NAME] = model
    assert download(unknown(mirror), folder, limits=QUICK).path.read_bytes() == model


def test_a_file_without_validator_or_digest_begins_anew(model: bytes, mirror: Mirror, folder: Path):
    mirror.etag = lambda data: ""
    begin(unknown(mirror), folder, mirror, 3_000_000)
    assert download(unknown(mirror), folder, limits=QUICK).path.read_bytes() == model
    assert mirror.starts == [0]


def test_bytes_of_another_file_are_noticed_and_fetched_once_more(
    model: bytes, twin: bytes, mirror: Mirror, folder: Path
):
    mirror.files["/" + NAME] = twin
    begin(known(model, mirror), folder, mirror, len(model) - 1000)
    mirror.files["/" + NAME], mirror.heeds_if_range = model, False
    assert download(known(model, mirror), folder, limits=QUICK).path.read_bytes() == model
    assert mirror.starts == [len(model) - 1000, 0]


def test_a_file_that_is_another_at_each_request_is_given_up(other: bytes, mirror: Mirror, folder: Path):
    count = iter(range(10_000))
    mirror.etag = lambda data: f'"{next(count)}"'
    mirror.heeds_if_range, mirror.cut_after = False, 1_000_000
    error = failure(unknown(mirror), folder)
    assert error.reason in (Reason.MODEL_INVALID, Reason.MODEL_DOWNLOAD_FAILED)
    assert len(mirror.requests) < 20


# Limits


def test_too_little_room_is_told_before_anything_is_asked(model: bytes, mirror: Mirror, folder: Path):
    with pytest.raises(EngineError) as caught:
        download(known(model, mirror), folder, limits=replace(QUICK, min_free_disk_bytes=1 << 60))
    assert caught.value.reason is Reason.DISK_FULL
    assert mirror.requests == []


def test_too_little_room_is_told_when_the_length_is_known(model: bytes, mirror: Mirror, folder: Path):
    folder.mkdir()
    free = shutil.disk_usage(folder).free
    mirror.declared = free + (1 << 30)
    with pytest.raises(EngineError) as caught:
        download(unknown(mirror), folder, limits=replace(QUICK, max_bytes=1 << 60))
    assert caught.value.reason is Reason.DISK_FULL
    assert left(folder) == []


def test_a_disk_that_fills_meanwhile_ends_the_download(
    model: bytes, mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    real = shutil.disk_usage

    def filling(path: Path):  # stands for the disk: there is no small one to fill here
        return real(path)._replace(free=0 if arrived(folder) >= 2 << 20 else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", filling)
    mirror.rate = 20_000_000
    with pytest.raises(EngineError) as caught:
        download(known(model, mirror), folder, limits=QUICK)
    assert caught.value.reason is Reason.DISK_FULL
    assert 0 < arrived(folder) < len(model)
    monkeypatch.undo()
    assert download(known(model, mirror), folder, limits=QUICK).path.read_bytes() == model


@pytest.mark.parametrize("no_length", [True, False])
def test_a_file_above_the_limit_is_refused(model: bytes, mirror: Mirror, folder: Path, no_length: bool):
    mirror.no_length = no_length
    error = failure(unknown(mirror), folder, replace(QUICK, max_bytes=1_000_000))
    assert error.reason is Reason.MODEL_INVALID
    assert mirror.sent_bytes < len(model)


def test_a_folder_that_cannot_be_made_is_told(mirror: Mirror, folder: Path):
    folder.write_text("a file")
    with pytest.raises(EngineError) as caught:
        download(unknown(mirror), folder, limits=QUICK)
    assert caught.value.reason is Reason.MODEL_NOT_FOUND
    assert "model directory" in caught.value.message


# The network


def test_offline_is_told_and_leaves_nothing(folder: Path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        source = Source(NAME, (f"http://127.0.0.1:{closed.getsockname()[1]}/{NAME}",))
        error = failure(source, folder)
    assert (error.reason, error.retryable) == (Reason.MODEL_DOWNLOAD_FAILED, True)
    assert error.attempts == ("127.0.0.1 cannot be reached",)
    assert left(folder) == []


def test_a_busy_server_is_asked_again(model: bytes, mirror: Mirror, folder: Path):
    mirror.rejects, mirror.retry_after = [429, 503], "1"
    download(known(model, mirror), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model
    assert len(mirror.requests) == 3


def test_a_redirect_without_end_is_given_up(mirror: Mirror, folder: Path):
    mirror.redirect = "/" + NAME
    assert failure(unknown(mirror), folder).reason is Reason.MODEL_NOT_FOUND


def test_a_redirect_elsewhere_is_followed(model: bytes, mirror: Mirror, second: Mirror, folder: Path):
    mirror.redirect = second.url("/" + NAME)
    download(known(model, mirror), folder, limits=QUICK)
    assert (folder / NAME).read_bytes() == model


def test_a_certificate_that_nobody_vouches_for_is_refused(model: bytes, tmp_path: Path, folder: Path):
    context, _ = certify(tmp_path)
    with Mirror({"/" + NAME: model}, tls=context) as mirror:
        error = failure(known(model, mirror), folder)
    assert error.attempts == ("127.0.0.1 has a certificate that is not trusted",)


def test_an_encrypted_link_may_not_lead_to_one_that_is_not(
    model: bytes, mirror: Mirror, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    context, trusted = certify(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with Mirror({"/" + NAME: model}, tls=context) as safe:
        assert download(known(model, safe), folder / "a", limits=QUICK).path.read_bytes() == model
        safe.redirect = mirror.url("/" + NAME)
        error = failure(known(model, safe), folder / "b")
    assert error.attempts == ("127.0.0.1 leads to a connection that is not encrypted",)
