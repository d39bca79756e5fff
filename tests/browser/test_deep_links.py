"""Every job has an address: it survives reload, opens in another browser, and goes back and forward."""

from pathlib import Path

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Service
from tests.browser.visitor import Visit

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def test_a_reload_shows_the_same_job_and_goes_on_live(visit: Visit, site: HeldSite, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    job_id = await visitor.job_id()
    before = await visitor.sees_text()
    await visitor.page.reload()
    await visitor.sees_running(job_id)
    # Somebody else, who was given the link.
    other = await visit(service.url, f"/jobs/{job_id}")
    await other.sees_running(job_id)
    site.release()
    lines = await visitor.sees_whole(service)
    assert lines[: len(before)] == before
    assert await other.sees_whole(service) == lines
    # And when all is over.
    await visitor.page.reload()
    assert await visitor.sees_whole(service) == lines


async def test_an_unknown_job_is_said_in_words_with_a_way_on(visit: Visit, service: Service) -> None:
    visitor = await visit(service.url)
    visitor.observed.statuses |= {400, 404}
    for path in (f"/jobs/{UNKNOWN}", "/jobs/not-an-id"):
        await visitor.page.goto(service.url + path)
        await expect(visitor.heading).to_have_text("This transcript is not here")
        await expect(visitor.main.get_by_text("It was deleted, or the link is not complete.")).to_be_visible()
        await visitor.main.get_by_role("link", name="Make a new one").click()
        await expect(visitor.link).to_be_visible()
        await expect(visitor.page).to_have_url(f"{service.url}/")


async def test_back_and_forward_show_what_was_shown(tmp_path: Path, visit: Visit, service: Service) -> None:
    jobs = [await service.transcribed(talk(tmp_path, 10, seed), f"part {seed}.mp3") for seed in (1, 2)]
    texts = [await service.lines(job) for job in jobs]
    visitor = await visit(service.url)
    for seed in (1, 2):
        await visitor.history.get_by_role("link", name=f"part {seed}.mp3").click()
        await visitor.sees_exactly(texts[seed - 1])
        await expect(visitor.heading).to_be_focused()
        assert (await visitor.page.title()).startswith(f"part {seed}.mp3 ")
    await visitor.page.go_back()
    await expect(visitor.heading).to_have_text("part 1.mp3")
    await visitor.sees_exactly(texts[0])
    await visitor.page.go_back()
    await expect(visitor.link).to_be_visible()
    assert await visitor.page.title() == "yt-text"
    await visitor.page.go_forward()
    await visitor.page.go_forward()
    await expect(visitor.heading).to_have_text("part 2.mp3")
    await visitor.sees_exactly(texts[1])
