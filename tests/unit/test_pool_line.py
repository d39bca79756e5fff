"""The waiting line is fair between jobs."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from yt_text.pool.line import Line
from yt_text.pool.spec import EngineSpec

A, B = EngineSpec("a"), EngineSpec("b")


@dataclass(eq=False, frozen=True)
class Item:
    job_id: str
    number: int = 0
    spec: EngineSpec = A


def line_of(*items: Item) -> Line[Item]:
    line: Line[Item] = Line()
    for item in items:
        line.add(item)
    return line


def all_taken(line: Line[Item], spec: EngineSpec = A) -> list[tuple[str, int]]:
    taken: list[tuple[str, int]] = []
    while item := line.take(spec):
        taken.append((item.job_id, item.number))
    return taken


def test_jobs_take_turns_whatever_each_has_waiting():
    line = line_of(*(Item("long", i) for i in range(4)), Item("short"), Item("two", 0), Item("two", 1))
    order = [("long", 0), ("short", 0), ("two", 0), ("long", 1), ("two", 1), ("long", 2), ("long", 3)]
    assert all_taken(line) == order


def test_job_that_comes_back_goes_to_the_end():
    line = line_of(Item("x", 0), Item("y", 0), Item("y", 1))
    first = line.take(A)
    assert first is not None
    line.add(Item("x", 1))
    assert [job for job, _ in all_taken(line)] == ["y", "x", "y"]


def test_item_to_be_begun_again_comes_before_all_others():
    line = line_of(Item("x", 1), Item("y", 0))
    line.add_first(Item("y", -1))
    assert all_taken(line)[0] == ("y", -1)


def test_only_items_for_the_engine_are_taken():
    line = line_of(Item("x", 0, B), Item("x", 1), Item("y", 0, B))
    assert all_taken(line) == [("x", 1)]
    assert line.demand() == {B: 2}
    assert len(line.take_all(B)) == 2
    assert len(line) == 0


def test_removed_item_is_gone_and_removing_it_twice_is_no_error():
    item = Item("x", 1)
    line = line_of(Item("x", 0), item)
    line.remove(item)
    line.remove(item)
    line.remove(Item("nobody"))
    assert all_taken(line) == [("x", 0)]


@given(st.lists(st.sampled_from("wxyz"), max_size=40))
def test_no_job_is_passed_twice_while_another_waits(jobs: list[str]):
    line = line_of(*(Item(job, number) for number, job in enumerate(jobs)))
    left = Counter(jobs)
    since = dict.fromkeys(left, 0)
    numbers: dict[str, int] = {}
    for job, number in all_taken(line):
        assert number > numbers.get(job, -1), "of one job the oldest comes first"
        numbers[job] = number
        left[job] -= 1
        since[job] = 0
        for other in left:
            if other != job and left[other]:
                since[other] += 1
                assert since[other] < len(since), "every other job goes at most once before"
    assert not +left
    assert len(line) == 0
