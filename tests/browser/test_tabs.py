"""Several tabs of one browser, on one job and on many."""

import re

from playwright.async_api import Browser, expect

from tests.browser.held_site import HeldSite
from tests.browser.serving import Service
from tests.browser.tab_strip import TabStrip, eventually
from tests.browser.visitor import SLOW_MS, Visit, Visitor

LINES = "[...document.querySelectorAll('main li [dir=auto]')].map((line) => line.textContent)"


async def test_two_tabs_of_a_job_both_get_everything(service: Service, site: HeldSite, visit: Visit) -> None:
    one = await visit(service.url)
    await one.submit(site.held())
    job_id = await one.job_id()
    await one.sees_text()
    other = await one.new_tab(f"/jobs/{job_id}")
    await other.sees_running(job_id)
    site.release()
    assert await one.sees_whole(service) == await other.sees_whole(service)


async def test_a_cancel_in_one_tab_shows_in_the_other_and_so_does_the_retry(
    service: Service, site: HeldSite, visit: Visit
) -> None:
    one = await visit(service.url, f"/jobs/{await service.submitted(site.held())}")
    await one.sees_text()
    other = await one.new_tab("/")
    await other.history.get_by_role("button", name=re.compile("^Cancel")).click()
    await expect(one.page.get_by_role("alert").get_by_role("heading", name="Cancelled")).to_be_visible()
    site.release()
    await other.history.get_by_role("button", name=re.compile("^Try again")).click()
    await one.sees_whole(service)
    await expect(other.history.get_by_text("Done")).to_be_visible()


async def test_a_delete_in_one_tab_shows_in_the_other(service: Service, site: HeldSite, visit: Visit) -> None:
    site.release()
    one = await visit(service.url, f"/jobs/{await service.submitted(site.held())}")
    one.observed.statuses.add(404)
    await one.sees_whole(service)
    other = await one.new_tab("/")
    await other.history.get_by_role("button", name=re.compile("^Delete")).click()
    await other.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(one.heading).to_have_text("This transcript is not here")
    await expect(one.history.get_by_text("Nothing here yet")).to_be_visible()


async def test_a_job_that_somebody_else_deletes_is_said_to_be_gone(
    service: Service, site: HeldSite, visit: Visit
) -> None:
    job_id = await service.submitted(site.held())
    visitor = await visit(service.url, f"/jobs/{job_id}")
    visitor.observed.statuses.add(404)
    await visitor.sees_running(job_id)
    await service.client.delete(job_id)
    await expect(visitor.heading).to_have_text("This transcript is not here", timeout=SLOW_MS)


async def test_eight_tabs_of_one_window_do_not_starve_each_other(
    service: Service, site: HeldSite, browser: Browser
) -> None:
    """A browser opens six connections to a host, and each stream takes one for as long as it lasts."""
    job_id = await service.submitted(site.held())
    tabs = await TabStrip.open(browser)
    opened = [await tabs.add(f"{service.url}/jobs/{job_id}") for _ in range(8)]
    for tab in opened:
        await tabs.show(tab)

        async def is_live(tab: str = tab) -> bool:
            return bool(await tabs.evaluate(tab, f"!document.hidden && {LINES}.length"))

        await eventually(is_live)
    site.release()
    async for _ in service.client.watch(job_id):
        pass
    lines = await service.lines(job_id)
    for tab in opened:
        await tabs.show(tab)

        async def has_all(tab: str = tab) -> bool:
            return await tabs.evaluate(tab, LINES) == lines

        await eventually(has_all)


async def test_windows_side_by_side_do_not_starve_each_other(service: Service, site: HeldSite, visit: Visit) -> None:
    """All of them are seen, so none is asleep."""
    path = f"/jobs/{await service.submitted(site.held())}"
    windows = [await visit(service.url, path)]
    await windows[0].sees_text()
    for _ in range(7):
        windows.append(Visitor(await windows[0].page.context.new_page(), windows[0].observed, service.url))
        await windows[-1].page.goto(service.url + path, wait_until="commit")
    for window in windows:
        await expect(window.lines.first).to_be_visible(timeout=SLOW_MS)
    site.release()
    for window in windows:
        await window.sees_whole(service)
