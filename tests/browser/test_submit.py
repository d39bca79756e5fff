"""A link goes in: true progress, text that comes while it is fetched, and the whole in the end; or words why not."""

import re

from playwright.async_api import expect

from tests.browser.held_site import HeldSite
from tests.browser.serving import Serve, Service
from tests.browser.visitor import SLOW_MS, Visit
from tests.service import closed_port

RECORD_PROGRESS = """() => {
  globalThis.seen = [];
  const look = () => {
    const bar = document.querySelector("[role=progressbar][aria-label=Transcribed]");
    const facts = Object.fromEntries([...document.querySelectorAll("main dt")].map((name) => [name.textContent, name.nextElementSibling.textContent]));
    if (bar?.checkVisibility()) seen.push([Number(bar.getAttribute("aria-valuenow") ?? 0), facts.Fetched ?? "", facts.Transcribed ?? ""]);
  };
  setInterval(look, 20);
}"""  # noqa: E501 - a program of its own


def fetched_kb(words: str) -> float:
    """`12.3 of 600.6 kB`, `all 600.6 kB`."""
    found = re.match(r"(?:all )?([0-9.]+)", words)
    return float(found[1]) if found else 0.0


def clock_s(words: str) -> int:
    """`0:31 of 1:15`."""
    found = re.match(r"(\d+):(\d+)", words)
    return 60 * int(found[1]) + int(found[2]) if found else 0


async def test_progress_is_true_and_never_goes_back(visit: Visit, site: HeldSite, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.page.evaluate(RECORD_PROGRESS)
    await visitor.submit(site.url("/slow/250000/talk.mp3"))
    await visitor.sees_whole(service)
    job = await service.get(f"/api/jobs/{await visitor.job_id()}")
    seen = await visitor.page.evaluate("seen")
    percents = [percent for percent, _, _ in seen]
    fetched = [fetched_kb(words) for _, words, _ in seen]
    transcribed = [clock_s(words) for _, _, words in seen]
    for values in (percents, fetched, transcribed):
        assert values == sorted(values), "it never goes back"
        assert len(set(values)) >= 3, "it grows while the job runs"
    size_kb = int(job["progress"]["fetchedBytes"]) / 1000
    assert fetched[-1] <= size_kb + 0.1
    assert percents[-1] <= 100


async def test_text_appears_before_the_recording_is_there_and_all_in_the_end(
    visit: Visit, site: HeldSite, service: Service
) -> None:
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    job_id = await visitor.job_id()
    first = await visitor.sees_text()
    assert (await service.get(f"/api/jobs/{job_id}"))["state"] == "JOB_STATE_RUNNING"
    assert await visitor.progress.is_visible()
    site.release()
    lines = await visitor.sees_whole(service)
    assert lines[: len(first)] == first
    assert len(lines) > len(first)
    await expect(visitor.history.get_by_role("listitem").get_by_text("Done")).to_be_visible()


async def test_several_links_at_once_become_several_jobs(visit: Visit, site: HeldSite, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.submit(f"{site.url('/talk.mp3?part=1')} {site.url('/talk.mp3?part=2')}")
    await expect(visitor.history.get_by_text(re.compile("^Done"))).to_have_count(2, timeout=SLOW_MS)
    assert len(await service.jobs()) == 2


async def test_options_go_with_the_link_and_are_kept_for_the_next_visit(service: Service, visit: Visit) -> None:
    visitor = await visit(service.url)
    options = visitor.main.locator("summary").filter(has_text="Options")
    await options.click()
    await visitor.page.get_by_role("combobox", name="Engine").select_option("whisper.cpp")
    await visitor.page.get_by_role("combobox", name="Language of the speech").select_option("English")
    await visitor.page.get_by_role("checkbox", name="Times for every word").check()
    await visitor.page.get_by_role("textbox", name="Words and names to expect").fill("Foxtrot")
    await options.click()
    await expect(options).to_contain_text("English, whisper.cpp, word times")
    with closed_port() as url:
        await visitor.submit(url)
        job = await service.get(f"/api/jobs/{await visitor.job_id()}")
    wanted = {"engine": "whisper.cpp", "languageCode": "en", "enableWordOffsets": True, "prompt": "Foxtrot"}
    assert {name: job["config"][name] for name in wanted} == wanted
    await visitor.page.goto(service.url)
    await expect(options).to_contain_text("English, whisper.cpp, word times")
    await options.click()
    await expect(visitor.page.get_by_role("textbox", name="Words and names to expect")).to_have_value("")
    await visitor.page.get_by_role("button", name="Back to the defaults").click()
    await expect(options).not_to_contain_text("English")


async def test_what_is_no_link_is_said_at_the_field_and_not_sent(visit: Visit, service: Service) -> None:
    visitor = await visit(service.url)
    sent: list[str] = []
    visitor.page.on("request", lambda request: sent.append(request.method))
    for typed in ("", "   ", "htps:/foo", "hello", "file:///etc/passwd", "https://example,com/talk"):
        await visitor.submit(typed)
        await expect(visitor.link, typed).to_have_attribute("aria-invalid", "true")
        await expect(visitor.link).to_have_accessible_description(re.compile(r"\w+ \w+ \w+"))
        await expect(visitor.link).to_be_focused()
        assert await visitor.link.input_value() == typed, "what was typed stays"
        await visitor.link.fill("https://example.com/talk")
        await expect(visitor.link).not_to_have_attribute("aria-invalid", "true")
    assert "POST" not in sent
    assert await service.jobs() == []


async def test_a_misspelt_link_is_mended_on_request(visit: Visit, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.submit("htps:/example.com/talk")
    await visitor.main.get_by_role("button", name=re.compile("Use https")).click()
    await expect(visitor.link).to_have_value("https://example.com/talk")
    await expect(visitor.link).to_be_focused()


async def test_too_many_in_a_minute_is_said_in_words_and_nothing_is_lost(visit: Visit, serve: Serve) -> None:
    with closed_port() as url:
        service = await serve(submits_per_minute=1)
        visitor = await visit(service.url)
        await visitor.submit(f"{url}/1")
        await visitor.job_id()
        visitor.observed.statuses.add(429)
        await visitor.page.get_by_role("link", name="New transcript").click()
        await visitor.submit(f"{url}/2")
        waiting = visitor.main.get_by_role("listitem").filter(has_text="/2")
        await expect(waiting).to_contain_text("you sent many in a short time")
        await expect(waiting).to_contain_text(re.compile(r"Tries again in \d+:\d\d"))
        await visitor.page.reload()
        await expect(waiting, "it outlives a reload").to_be_visible()
        assert len(await service.jobs()) == 1
