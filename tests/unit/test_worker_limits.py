"""Waits between attempts double, are spread, and have a limit."""

from hypothesis import given
from hypothesis import strategies as st

from yt_text.worker import WorkerLimits


@given(st.integers(1, 60))
def test_the_wait_is_spread_around_a_doubling_and_bounded(failures: int) -> None:
    limits = WorkerLimits(retry_base_s=2, retry_max_s=300)
    wanted = 2 * 2 ** (failures - 1)
    assert min(300, wanted * 0.5) <= limits.delay_s(failures) <= min(300, wanted * 1.5)
