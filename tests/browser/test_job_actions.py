"""What can be done with a job: cancel, try again, delete; and its place in the history."""

import re
from pathlib import Path

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Serve, Service
from tests.browser.visitor import SLOW_MS, Visit
from tests.service import closed_port

PAGE_SIZE = 20
"""Jobs that the history shows at first."""


async def test_cancel_keeps_the_text_and_trying_again_goes_on_from_there(
    service: Service, site: HeldSite, visit: Visit
) -> None:
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    job_id = await visitor.job_id()
    before = await visitor.sees_text()
    await visitor.button("Cancel").click()
    await expect(visitor.page.get_by_role("alert").get_by_role("heading", name="Cancelled")).to_be_visible()
    await expect(visitor.history.get_by_text("Cancelled")).to_be_visible()
    await expect(visitor.progress).to_be_hidden()
    await visitor.sees_exactly(before)
    assert (await service.get(f"/api/jobs/{job_id}"))["state"] == "JOB_STATE_CANCELLED"
    site.release()
    await visitor.button("Try again").click()
    lines = await visitor.sees_whole(service)
    assert lines[: len(before)] == before
    assert await visitor.job_id() == job_id, "it is the same job"
    assert len(await service.jobs()) == 1


async def test_a_page_without_a_recording_says_what_to_do_and_can_be_tried_again(
    service: Service, site: HeldSite, visit: Visit
) -> None:
    visitor = await visit(service.url)
    page = site.folder / "page.html"
    page.write_text("<html><head><title>Not yet</title></head><body>Nothing to hear.</body></html>")
    await visitor.submit(site.url("/as/text/html/page.html"))
    error = visitor.page.get_by_role("alert").filter(has=visitor.page.get_by_role("heading"))
    await expect(error).to_contain_text("No recording was found at this link", timeout=SLOW_MS)
    await expect(error).to_contain_text(re.compile("Give the page that has the player on it"))
    await expect(visitor.history.get_by_text("Failed")).to_be_visible()
    page.write_text('<html><head><title>A talk</title></head><body><audio src="/talk.mp3"></audio></body></html>')
    await visitor.history.get_by_role("button", name=re.compile("^Try again")).click()
    await visitor.sees_whole(service)
    await expect(error).to_be_hidden()


async def test_a_site_that_does_not_answer_is_tried_again_and_then_said_in_words(serve: Serve, visit: Visit) -> None:
    service = await serve(max_attempts=2, retry_base_s=1.0)
    visitor = await visit(service.url)
    with closed_port() as url:
        await visitor.submit(url)
        await expect(visitor.main.get_by_text("Trying again").first).to_be_visible(timeout=SLOW_MS)
        error = visitor.page.get_by_role("alert").filter(has=visitor.page.get_by_role("heading"))
        await expect(error).to_contain_text("The site cannot be reached", timeout=SLOW_MS)
        await expect(error).to_contain_text(re.compile(r"reached.*\w+ \w+ \w+"), timeout=SLOW_MS)
    await expect(visitor.button("Try again")).to_be_visible()
    await expect(visitor.button("Delete")).to_be_visible()


async def test_delete_asks_first_and_keeps_on_request(tmp_path: Path, service: Service, visit: Visit) -> None:
    kept = await service.transcribed(talk(tmp_path), "kept.mp3")
    await service.transcribed(talk(tmp_path), "deleted.mp3")
    visitor = await visit(service.url, f"/jobs/{kept}")
    dialog = visitor.page.get_by_role("dialog", name=re.compile("Delete"))
    await visitor.button("Delete").click()
    await expect(dialog).to_contain_text("kept.mp3")
    await dialog.get_by_role("button", name="Keep").click()
    await expect(dialog).to_be_hidden()
    assert len(await service.jobs()) == 2
    # In the history, of a job that is not shown.
    await visitor.history.get_by_role("button", name="Delete deleted.mp3").click()
    await expect(dialog).to_contain_text("deleted.mp3")
    await dialog.get_by_role("button", name="Delete").click()
    await expect(visitor.history.get_by_role("listitem")).to_have_count(1)
    await expect(visitor.heading).to_have_text("kept.mp3")
    assert [job["id"] for job in await service.jobs()] == [kept]
    await visitor.button("Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(visitor.link).to_be_visible()
    await expect(visitor.history.get_by_text("Nothing here yet")).to_be_visible()
    assert await service.jobs() == []


async def test_the_history_shows_each_state_and_more_on_request(service: Service, site: HeldSite, visit: Visit) -> None:
    with closed_port() as url:
        for number in range(PAGE_SIZE + 5):
            await service.client.cancel(await service.submitted(f"{url}/{number}"))
    await service.submitted(site.held())
    visitor = await visit(service.url)
    rows = visitor.history.get_by_role("listitem")
    await expect(rows).to_have_count(PAGE_SIZE)
    await expect(rows.first).to_contain_text(re.compile("Transcribing, [1-9]"), timeout=SLOW_MS)
    await expect(rows.nth(1)).to_contain_text("Cancelled")
    await visitor.history.get_by_role("button", name="Show more").click()
    await expect(rows).to_have_count(PAGE_SIZE + 6)
    await expect(rows.nth(PAGE_SIZE).get_by_role("link")).to_be_focused()
    await expect(visitor.history.get_by_role("button", name="Show more")).to_be_hidden()
    links = await rows.get_by_role("link").evaluate_all("links => links.map((link) => link.pathname)")
    assert links == [f"/jobs/{job['id']}" for job in await service.jobs()], "newest first, each once"
    site.release()
    await expect(rows.first).to_contain_text("Done", timeout=SLOW_MS)
    await expect(rows).to_have_count(PAGE_SIZE + 6)
