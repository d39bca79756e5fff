"""The finished transcript: exported, copied, searched, and played from any line."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Serve, Service
from tests.browser.visitor import Visit, Visitor

FORMATS = ("txt", "srt", "vtt", "md", "tsv", "json")
NAME = "Ein Gespräch, Teil 1.mp3"


@pytest.fixture
async def reader(tmp_path: Path, service: Service, visit: Visit) -> Visitor:
    """Somebody who reads a finished transcript."""
    job_id = await service.transcribed(talk(tmp_path, 20), NAME)
    visitor = await visit(service.url, f"/jobs/{job_id}")
    await visitor.sees_whole(service)
    return visitor


async def test_each_export_saves_what_rest_gives_under_its_name(service: Service, reader: Visitor) -> None:
    job_id = await reader.job_id()
    for ending in FORMATS:
        answer = await service.http.get(f"/api/jobs/{job_id}/result/{ending}")
        named = re.search(r"filename\*=UTF-8''(\S+)", answer.headers["content-disposition"])
        assert named is not None
        await reader.export.click()
        async with reader.page.expect_download() as download:
            await reader.transcript.get_by_role("link", name=re.compile(rf"\.{ending}$")).click()
        saved = await download.value
        assert saved.suggested_filename == unquote(named[1]) == NAME.replace(".mp3", f".{ending}")
        assert (await saved.path()).read_bytes() == answer.content
        assert answer.content
    await expect(reader.transcript.get_by_role("link")).to_have_count(0)


async def test_copy_puts_the_text_on_the_clipboard(service: Service, reader: Visitor) -> None:
    lines = await service.lines(await reader.job_id())
    await reader.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copy = reader.transcript.get_by_role("button", name="Copy", exact=True)
    await copy.click()
    await expect(reader.page.get_by_role("status").filter(has_text="Copied.")).to_be_attached()
    assert await reader.page.evaluate("navigator.clipboard.readText()") == "\n".join(lines)
    await reader.export.click()
    await reader.transcript.get_by_role("button", name="Copy with times").click()
    await expect(reader.export.locator("xpath=..")).not_to_have_attribute("open", "")
    timed = (await reader.page.evaluate("navigator.clipboard.readText()")).split("\n")
    assert [re.sub(r"^\d+:\d\d\s+", "", line) for line in timed] == lines
    assert all(re.match(r"\d+:\d\d\s", line) for line in timed)


async def test_copying_works_without_the_clipboard_interface(service: Service, reader: Visitor) -> None:
    """As on plain http at another machine, where browsers take the interface away."""
    lines = await service.lines(await reader.job_id())
    await reader.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    await reader.transcript.get_by_role("button", name="Copy", exact=True).click()
    await expect(reader.page.get_by_role("status").filter(has_text="Copied.")).to_be_attached()
    await reader.page.get_by_role("searchbox").focus()
    await reader.page.keyboard.press("Control+v")
    # A field of one line takes no line breaks.
    assert await reader.page.get_by_role("searchbox").input_value() in (" ".join(lines), "".join(lines))


async def test_search_marks_counts_and_goes_from_match_to_match(service: Service, reader: Visitor) -> None:
    lines = await service.lines(await reader.job_id())
    wanted = "e"
    total = sum(line.lower().count(wanted) for line in lines)
    assert total > 3
    field = reader.page.get_by_role("searchbox", name="Search in the transcript")
    marks = reader.transcript.locator("mark")
    await field.fill(wanted.upper())
    await expect(marks).to_have_count(total)
    count = reader.transcript.get_by_role("status")
    await expect(count).to_have_text(f"1 of {total}")
    await reader.sees_exactly(lines)  # marks change nothing of the text
    next_match = reader.transcript.get_by_role("button", name="Next match")
    await next_match.click()
    await expect(count).to_have_text(f"2 of {total}")
    previous = reader.transcript.get_by_role("button", name="Previous match")
    await previous.click()
    await previous.click()
    await expect(count).to_have_text(f"{total} of {total}")
    await expect(marks.last).to_be_in_viewport()
    await field.press("Enter")
    await expect(count).to_have_text(f"1 of {total}")
    await field.press("Shift+Enter")
    await expect(count).to_have_text(f"{total} of {total}")
    await field.fill("no such words (")
    await expect(count).to_have_text("No match")
    await expect(marks).to_have_count(0)
    await field.press("Escape")
    await expect(field).to_have_value("")
    await expect(count).to_have_text("")
    await reader.sees_exactly(lines)


async def test_search_goes_on_in_text_that_comes_later(service: Service, site: HeldSite, visit: Visit) -> None:
    visitor = await visit(service.url, f"/jobs/{await service.submitted(site.held())}")
    await visitor.sees_text()
    await visitor.page.get_by_role("searchbox").fill("a")
    await expect(visitor.transcript.get_by_role("status")).to_have_text(re.compile("^1 of"))
    site.release()
    lines = await visitor.sees_whole(service)
    total = sum(line.lower().count("a") for line in lines)
    await expect(visitor.transcript.locator("mark")).to_have_count(total)
    await expect(visitor.transcript.get_by_role("status")).to_have_text(f"1 of {total}")


async def test_a_click_on_a_time_plays_from_there_and_marks_the_line(reader: Visitor, service: Service) -> None:
    result = await service.get(f"/api/jobs/{await reader.job_id()}/result")
    starts_s = [float(segment["startOffset"].rstrip("s")) for segment in result["segments"]]
    place = len(starts_s) // 2
    audio = reader.page.locator("audio")
    await reader.segments.nth(place).get_by_role("button", name=re.compile("^Play from")).click()
    await expect(reader.segments.nth(place)).to_have_attribute("aria-current", "true")
    await expect(reader.main.get_by_role("button", name="Pause")).to_be_visible()
    at_s: float = await audio.evaluate("audio => audio.currentTime")
    assert starts_s[place] - 0.1 <= at_s
    # It is heard: time goes on by itself, and the mark with it.
    await expect(reader.segments.nth(place + 1)).to_have_attribute("aria-current", "true")
    await expect(reader.transcript.locator("[aria-current]")).to_have_count(1)
    assert await audio.evaluate("audio => audio.currentTime") > at_s
    await reader.main.get_by_role("button", name="Pause").click()
    await reader.main.get_by_role("slider", name="Position in the recording").fill("0")
    await expect(reader.segments.nth(place + 1)).not_to_have_attribute("aria-current", "true")
    assert await audio.evaluate("audio => audio.paused")


async def test_the_recording_is_asked_for_when_it_is_played_and_not_before(reader: Visitor, service: Service) -> None:
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url) if request.url.endswith("/media") else None)
    await reader.page.reload()
    await reader.sees_whole(service)
    await expect(reader.main.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert asked == []
    await reader.main.get_by_role("button", name="Play", exact=True).click()
    await expect(reader.segments.first).to_have_attribute("aria-current", "true")
    assert asked


async def test_without_the_recording_times_lead_to_the_site(serve: Serve, site: HeldSite, visit: Visit) -> None:
    service = await serve(keep_media=False)
    visitor = await visit(service.url)
    await visitor.submit(site.url("/talk.mp3"))
    await visitor.sees_whole(service)
    time = visitor.segments.nth(3).get_by_role("link")
    await expect(time).to_have_attribute("href", re.compile(re.escape(site.url("/talk.mp3")) + r"#t=\d+$"))
    await expect(visitor.page.get_by_role("region", name="Player")).to_be_hidden()
