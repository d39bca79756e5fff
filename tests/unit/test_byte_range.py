"""Ranges as HTTP has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt_text.rpc.byte_range import RangeError, read_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-0", (0, 1)),
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 20)),
        ("Bytes = 10-19", (10, 20)),
        ("bytes=99-500", (99, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-500", (0, 100)),
        # Answered with the whole.
        ("bytes=0-1,5-6", None),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=1 - 2", None),
        ("lines=1-2", None),
        ("bytes=٣-٤", None),
        ("bytes=" + "9" * 5_000 + "-", None),
    ],
)
def test_a_range_is_read(header: str, part: tuple[int, int] | None) -> None:
    assert read_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=999999999-"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeError):
        read_range(header, 100)


@given(st.text(alphabet="bytes=0123456789-, ", max_size=20) | st.text(max_size=20), st.integers(1, 1_000))
def test_whatever_is_asked_a_part_lies_inside_the_file(header: str, size: int) -> None:
    try:
        part = read_range(header, size)
    except RangeError:
        return
    assert part is None or 0 <= part[0] < part[1] <= size
