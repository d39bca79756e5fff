"""Titles and text that want to be more than text: shown as they are, and nothing else happens."""

import html
from pathlib import Path

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Serve, Service
from tests.browser.visitor import SLOW_MS, Visit, Visitor
from tests.models import Line, wired_model

IMAGE = "<img src=x onerror=alert(1)>.mp3"
MARKUP = "</title><script>alert(2)</script><svg onload=alert(3)>"
TURNED = "talk \u202e3pm.gnp"
SAID = (' <!--hello"><img src="x', ' </ol"></h1/>loud')
"""What whisper.cpp lets through: it suppresses the tokens `<` and `>`, but not those that hold more."""

RUNS_BACKWARDS = """(element) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data } = walker.currentNode;
    const at = data.search(/ and its /);
    if (at < 0) continue;
    const place = (from) => {
      const range = document.createRange();
      range.setStart(walker.currentNode, at + from);
      range.setEnd(walker.currentNode, at + from + 1);
      return range.getBoundingClientRect();
    };
    const [one, other] = [place(1), place(2)];
    return other.left < one.left && other.top === one.top;
  }
  throw new Error("the words are not there");
}"""


async def nothing_of_it_became_a_part_of_the_page(visitor: Visitor) -> None:
    assert await visitor.page.locator("img[src='x'], svg[onload], body script").count() == 0
    assert await visitor.page.get_by_role("heading", level=1).count() == 1


async def test_a_file_named_like_markup(tmp_path: Path, service: Service, visit: Visit) -> None:
    visitor = await visit(service.url)
    content = talk(tmp_path).read_bytes()
    await visitor.choose({"name": IMAGE, "mimeType": "audio/mpeg", "buffer": content})
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_have_text(IMAGE)
    assert IMAGE in await visitor.page.title()
    await expect(visitor.history.get_by_role("link", name=IMAGE)).to_be_visible()
    await nothing_of_it_became_a_part_of_the_page(visitor)
    await visitor.export.click()
    async with visitor.page.expect_download() as download:
        await visitor.transcript.get_by_role("link", name="Plain text").click()
    assert (await download.value).suggested_filename == "img src=x onerror=alert(1).txt"
    await visitor.button("Delete").click()
    await expect(visitor.page.get_by_role("dialog")).to_contain_text(IMAGE)
    await nothing_of_it_became_a_part_of_the_page(visitor)


async def test_the_title_of_a_page(service: Service, site: HeldSite, visit: Visit) -> None:
    for number, title in enumerate((MARKUP, TURNED)):
        page = (
            f'<html><head><title>{html.escape(title)}</title></head><body><audio src="/talk.mp3"></audio></body></html>'
        )
        (site.folder / f"{number}.html").write_text(page)
    visitor = await visit(service.url)
    await visitor.submit(site.url("/as/text/html/0.html"))
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_contain_text(MARKUP)
    await nothing_of_it_became_a_part_of_the_page(visitor)
    await visitor.page.get_by_role("link", name="New transcript").click()
    await visitor.submit(site.url("/as/text/html/1.html"))
    await visitor.sees_whole(service)
    await expect(visitor.heading).to_contain_text("talk")
    # What turns the direction of writing turns nothing of ours.
    await visitor.button("Delete").click()
    words = visitor.page.get_by_role("dialog").get_by_text("and its text")
    assert await words.evaluate(RUNS_BACKWARDS) is False


async def test_text_that_looks_like_markup(tmp_path: Path, serve: Serve, visit: Visit) -> None:
    script = [Line(2.0 * number, text, 2.0 * number + 1) for number, text in enumerate(SAID)]
    service = await serve(model=str(wired_model(tmp_path / "wired.bin", low=script, high=())))
    job_id = await service.transcribed(talk(tmp_path))
    said = [text.strip() for text in SAID]
    assert await service.lines(job_id) == said
    visitor = await visit(service.url, f"/jobs/{job_id}")
    await expect(visitor.lines).to_have_text(said, timeout=SLOW_MS)
    await visitor.page.get_by_role("searchbox").fill("<IMG src")
    await expect(visitor.transcript.locator("mark")).to_have_text(["<img src"])
    await nothing_of_it_became_a_part_of_the_page(visitor)
