"""Waits between attempts double, are spread, and have a limit."""

from hypothesis import given
from hypothesis import strategies as st

from yt_text.worker import WorkerLimits


@given(st.integers(1, 60))
def test_the_wait_is_spread_around_a_doubling_and_bounded(failures: int) -> None:
    limits = WorkerLimits(retry_base_s=2, retry_max_s=300)
    wanted = min(300, 2 * 2 ** (failures - 1))
    assert wanted * 0.5 <= limits.delay_s(failures) <= wanted * 1.5
