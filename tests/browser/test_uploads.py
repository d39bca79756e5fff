"""Files go in, chosen or dropped, one or several; what is beyond the limit waits and goes on by itself."""

import base64
import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Serve, Service
from tests.browser.visitor import SLOW_MS, Visit

DONE = re.compile("^Done")


async def test_a_chosen_file_opens_and_is_transcribed(tmp_path: Path, visit: Visit, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.choose(talk(tmp_path, name="My talk.mp3"))
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_have_text("My talk.mp3")


async def test_several_chosen_files_become_several_jobs(tmp_path: Path, visit: Visit, service: Service) -> None:
    files = [talk(tmp_path, 10, seed, name=f"part {seed}.mp3") for seed in (1, 2, 3)]
    visitor = await visit(service.url)
    await visitor.choose(*files)
    await expect(visitor.history.get_by_text(DONE)).to_have_count(3, timeout=SLOW_MS)
    assert sorted(job["media"]["title"] for job in await service.jobs()) == [file.name for file in files]
    await visitor.history.get_by_role("link", name="part 2.mp3").click()
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_have_text("part 2.mp3")


async def test_a_dropped_file_opens_and_several_become_jobs(tmp_path: Path, visit: Visit, service: Service) -> None:
    content = base64.b64encode(talk(tmp_path).read_bytes()).decode()
    visitor = await visit(service.url)
    await visitor.drop(("dropped.mp3", content))
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_have_text("dropped.mp3")
    # On the page of a job too: they are seen on their way.
    await visitor.drop(("second.mp3", content), ("third.mp3", content))
    await expect(visitor.history.get_by_text(DONE)).to_have_count(3, timeout=SLOW_MS)


async def test_an_empty_file_is_refused_by_name_and_the_others_go(
    tmp_path: Path, visit: Visit, service: Service
) -> None:
    visitor = await visit(service.url)
    empty = tmp_path / "nothing.mp3"
    empty.touch()
    await visitor.choose(empty, talk(tmp_path))
    await expect(visitor.page.get_by_role("alert").filter(has_text="“nothing.mp3” is an empty file")).to_be_visible()
    await expect(visitor.history.get_by_text(DONE)).to_have_count(1, timeout=SLOW_MS)


async def test_what_is_beyond_the_limit_waits_in_sight_and_goes_on_by_itself(
    tmp_path: Path, visit: Visit, site: HeldSite, serve: Serve
) -> None:
    files = [talk(tmp_path, 10, seed, name=f"part {seed}.mp3") for seed in (1, 2)]
    service = await serve(max_jobs_per_client=1)
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    await visitor.sees_text()
    visitor.observed.statuses.add(429)
    await visitor.page.get_by_role("link", name="New transcript").click()
    await visitor.choose(*files)
    line = visitor.main.get_by_role("region", name="On the way")
    await expect(line.get_by_role("listitem")).to_have_count(2)
    await expect(line.get_by_text(re.compile("^Waits .*your .*running"))).to_be_visible()
    assert len(await service.jobs()) == 1
    site.release()
    await expect(visitor.history.get_by_text(DONE)).to_have_count(3, timeout=SLOW_MS)
    await expect(line).to_be_hidden()


async def test_a_waiting_file_can_be_taken_back(tmp_path: Path, visit: Visit, site: HeldSite, serve: Serve) -> None:
    service = await serve(max_jobs_per_client=1)
    await service.http.post("/api/transcribe", json={"url": site.held()})
    visitor = await visit(service.url)
    visitor.observed.statuses.add(429)
    await visitor.choose(talk(tmp_path, name="second thoughts.mp3"))
    await expect(visitor.main.get_by_text(re.compile("^Waits .*your .*running"))).to_be_visible()
    await visitor.main.get_by_role("button", name="Remove second thoughts.mp3").click()
    await expect(visitor.main.get_by_text("second thoughts.mp3")).to_be_hidden()
    await expect(visitor.heading).to_be_focused()
    site.release()
    await expect(visitor.history.get_by_text(DONE)).to_have_count(1, timeout=SLOW_MS)
    assert len(await service.jobs()) == 1
