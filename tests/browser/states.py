"""The states of the page, to be looked at one after another."""

import re
from collections.abc import AsyncGenerator
from pathlib import Path

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Service
from tests.browser.visitor import SLOW_MS, Visitor
from tests.service import closed_port
from yt_text_client import JobState

LONG_NAME = "A-very-long-name_without_any_place_to_break_it_" + "0123456789" * 8 + ".mp3"


async def prepare(service: Service, site: HeldSite, folder: Path) -> tuple[str, str, str, str]:
    """Makes a running, a finished, a failed and a cancelled job; returns their ids."""
    done = await service.transcribed(talk(folder), LONG_NAME)
    with closed_port() as url:
        cancelled = await service.submitted(f"{url}/cancelled")
        await service.client.cancel(cancelled)
    failed = await service.submitted(site.url("/text"))
    async for _ in service.client.watch(failed):
        pass
    assert (await service.client.get_job(failed)).state == JobState.FAILED
    running = await service.submitted(site.held())
    async for change in service.client.watch(running):
        if change.segments:
            break
    return running, done, failed, cancelled


async def look_through(visitor: Visitor, running: str, done: str, failed: str, cancelled: str) -> AsyncGenerator[str]:
    """Takes the page from state to state; yields the name of each."""
    page = visitor.page

    async def open_job(job_id: str) -> None:
        await page.goto(f"{visitor.url}/jobs/{job_id}")
        await expect(visitor.heading).to_be_visible()

    await expect(visitor.history.get_by_role("listitem")).to_have_count(4)
    yield "start with history"
    await page.get_by_text("Options").click()
    await expect(page.get_by_role("combobox", name="Engine")).to_be_visible()
    yield "options open"
    await visitor.submit("htps:/example.com/a")
    await expect(page.get_by_role("alert").get_by_role("button")).to_be_visible()
    yield "link refused"
    await open_job(running)
    await visitor.sees_running(running)
    yield "running"
    await open_job(failed)
    await expect(page.get_by_role("alert").get_by_role("heading")).to_be_visible()
    yield "failed"
    await open_job(cancelled)
    await expect(page.get_by_role("alert").get_by_role("heading")).to_be_visible()
    yield "cancelled"
    await open_job(done)
    await expect(visitor.lines.first).to_be_visible(timeout=SLOW_MS)
    yield "done"
    await visitor.export.click()
    await expect(page.get_by_role("link", name=re.compile("Subtitles")).first).to_be_visible()
    yield "export open"
    await page.keyboard.press("Escape")
    word = (await visitor.lines.first.inner_text()).split()[0]
    await page.get_by_role("searchbox").fill(word)
    await expect(visitor.transcript.locator("mark").first).to_be_visible()
    yield "searching"
    await visitor.segments.first.get_by_role("button").click()
    await expect(visitor.segments.first).to_have_attribute("aria-current", "true")
    yield "playing"
    await visitor.main.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    yield "asked before deleting"
    visitor.observed.statuses.add(404)
    await open_job("00000000-0000-4000-8000-000000000000")
    yield "missing"
    await open_job(running)
    await visitor.sees_running(running)
    visitor.observed.lost_connections = True
    await page.context.set_offline(True)
    await expect(visitor.lost).to_be_visible(timeout=SLOW_MS)
    yield "connection lost"
    await page.context.set_offline(False)
