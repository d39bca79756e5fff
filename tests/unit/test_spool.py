"""A spool: written by one, read behind it by others, continued after a break."""

import io
import itertools
import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yt_text import spool
from yt_text.spool import SpoolReader, SpoolWriter


def whole(reader: SpoolReader) -> bytes:
    return b"".join(iter(lambda: reader.read(7), b""))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_is_written_in_any_pieces_and_order_is_read_whole(data: bytes, draw: st.DataObject) -> None:
    tail_start = draw.draw(st.integers(1, len(data)), label="tail_start")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with SpoolWriter(path) as writer:
            writer.set_total(len(data))
            if tail_start < len(data):
                writer.write_tail(tail_start, data[tail_start:])
            while writer.prefix < len(data):
                size = draw.draw(st.integers(1, len(data)), label="size")
                writer.append(data[writer.prefix : writer.prefix + size])
            writer.finish()
        assert spool.is_complete(path)
        with SpoolReader(path) as reader:
            assert whole(reader) == data
            assert reader.total == len(data)


@settings(deadline=None)
@given(st.binary(max_size=100), st.lists(st.tuples(st.integers(0, 120), st.integers(0, 2), st.integers(0, 50))))
def test_a_complete_spool_reads_and_seeks_like_a_file(data: bytes, moves: list[tuple[int, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with SpoolWriter(path) as writer:
            writer.append(data)
            writer.finish()
        model = io.BytesIO(data)
        with SpoolReader(path) as reader:
            for offset, whence, size in moves:
                if whence == os.SEEK_END:
                    offset = -min(offset, len(data))
                assert reader.seek(offset, whence) == model.seek(offset, whence)
                assert reader.tell() == model.tell()
                assert reader.read(size) == model.read(size)


def test_a_reader_follows_a_writer_to_the_end(tmp_path: Path) -> None:
    path, data = tmp_path / "s", os.urandom(300_000)
    got: list[bytes] = []
    with SpoolWriter(path) as writer, SpoolReader(path) as reader:
        following = threading.Thread(target=lambda: got.append(b"".join(iter(lambda: reader.read(4096), b""))))
        following.start()
        for start in range(0, len(data), 10_000):
            writer.append(data[start : start + 10_000])
        assert following.is_alive(), "it waits: nobody said that this is all"
        writer.finish()
        following.join(30)
    assert got == [data]


def test_the_end_can_be_read_before_the_middle_is_there(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "s") as writer, SpoolReader(tmp_path / "s") as reader:
        assert not reader.seekable()
        writer.set_total(10)
        writer.append(b"01")
        writer.write_tail(7, b"789")
        assert reader.seekable()
        assert reader.seek(-2, os.SEEK_END) == 8
        assert reader.read(100) == b"89"
        reader.seek(0)
        assert reader.read(100) == b"01"


def test_a_tail_that_does_not_reach_the_end_is_refused(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "s") as writer:
        writer.set_total(10)
        with pytest.raises(ValueError, match="end"):
            writer.write_tail(5, b"123")


def test_reaching_the_tail_makes_the_spool_whole(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "s") as writer:
        writer.set_total(6)
        writer.write_tail(4, b"ef")
        writer.append(b"abcd")
        assert writer.prefix == 6


def test_an_unfinished_spool_is_continued_by_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with SpoolWriter(path) as writer:
        writer.set_total(6)
        writer.append(b"abc")
    assert not spool.is_complete(path)
    with SpoolWriter(path) as writer:
        assert (writer.prefix, writer.total) == (3, 6)
        writer.append(b"def")
        writer.finish()
    assert path.read_bytes() == b"abcdef"
    assert spool.is_complete(path)


def test_a_state_that_says_more_than_the_file_holds_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with SpoolWriter(path) as writer:
        writer.append(b"abcdef")
    os.truncate(path, 2)
    with SpoolWriter(path) as writer:
        assert writer.prefix == 0


def test_restarting_forgets_everything(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "s") as writer:
        writer.set_total(6)
        writer.append(b"abc")
        writer.write_tail(5, b"f")
        writer.restart()
        assert (writer.prefix, writer.total, writer.tail_start) == (0, 0, 0)
    assert (tmp_path / "s").stat().st_size == 0


def test_a_waiting_reader_stops_when_it_is_told_that_nothing_will_come(tmp_path: Path) -> None:
    calls = itertools.count(1)

    def alive() -> None:
        if next(calls) % 3 == 0:
            raise ConnectionAbortedError

    with SpoolWriter(tmp_path / "s"), SpoolReader(tmp_path / "s", alive) as reader:
        with pytest.raises(ConnectionAbortedError):
            reader.read(1)
        with pytest.raises(ConnectionAbortedError):
            reader.seek(0, os.SEEK_END)


@pytest.mark.parametrize("name", ["never written", "file only", "state only", "unfinished"])
def test_what_is_not_whole_is_not_complete(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s"
    if name in {"unfinished", "state only", "file only"}:
        with SpoolWriter(path) as writer:
            writer.append(b"abc")
            if name != "unfinished":
                writer.finish()
    if name == "file only":
        spool.state_path(path).unlink()
    if name == "state only":
        path.unlink()
    assert not spool.is_complete(path)


def test_removing_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with SpoolWriter(path) as writer:
        writer.append(b"abc")
    spool.source_path(path).write_text("{}")
    spool.work_path(path).mkdir()
    (spool.work_path(path) / "piece").touch()
    spool.remove(path)
    spool.remove(path)
    assert list(tmp_path.iterdir()) == []


def test_a_complete_spool_can_be_renamed(tmp_path: Path) -> None:
    with SpoolWriter(tmp_path / "s") as writer:
        writer.append(b"abc")
        writer.finish()
    spool.rename(tmp_path / "s", tmp_path / "t")
    assert spool.is_complete(tmp_path / "t")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["t", "t.state"]
