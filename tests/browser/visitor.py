"""A person at the page: what they do there and what they see, by role and name as a screen reader tells them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from tests.browser.observed import Observed
from tests.browser.serving import Interface

SLOW_MS = 60_000
"""How long to wait for what the service does; the machine may be busy."""
expect.set_options(timeout=20_000)

_DROP = """async ([name, type, base64]) => {
  const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  globalThis.carried ??= new DataTransfer();
  globalThis.carried.items.add(new File([bytes], name, { type }));
}"""


class Visitor:
    """One tab of one profile.

    Attributes:
        page: Playwright's page.
        observed: the problems of the profile.
    """

    def __init__(self, page: Page, observed: Observed, url: str) -> None:
        self.page = page
        self.observed = observed
        self.url = url

    @classmethod
    async def arrive(cls, browser: Browser, url: str, path: str = "/", **options: Any) -> Self:
        """Opens a path of the page in a new profile; `options` are those of Playwright's `new_context`."""
        observed = Observed()
        context = await browser.new_context(**options)
        await observed.observe(context)
        visitor = cls(await context.new_page(), observed, url)
        await visitor.page.goto(url + path)
        return visitor

    async def new_tab(self, path: str) -> "Visitor":
        """Opens a path in another tab of the same profile."""
        tab = Visitor(await self.page.context.new_page(), self.observed, self.url)
        await tab.page.goto(self.url + path)
        return tab

    # Parts of the page

    @property
    def link(self) -> Locator:
        """The field for a link."""
        return self.page.get_by_role("textbox", name="Link to a recording")

    @property
    def heading(self) -> Locator:
        """The main heading: of a recording, its title."""
        return self.page.get_by_role("heading", level=1)

    @property
    def transcript(self) -> Locator:
        """The part with the text and its tools."""
        return self.page.get_by_role("region", name="Transcript", exact=True)

    @property
    def lines(self) -> Locator:
        """The text, segment by segment: what is written in any direction."""
        return self.transcript.get_by_role("listitem").locator("[dir=auto]")

    @property
    def segments(self) -> Locator:
        """The segments with their times."""
        return self.transcript.get_by_role("listitem").filter(has=self.page.locator("[dir=auto]"))

    @property
    def progress(self) -> Locator:
        """How much is transcribed."""
        return self.page.get_by_role("progressbar", name="Transcribed")

    @property
    def main(self) -> Locator:
        """Everything but the history and the top."""
        return self.page.get_by_role("main")

    @property
    def history(self) -> Locator:
        """The list of jobs."""
        return self.page.get_by_role("complementary", name="Your recordings")

    @property
    def lost(self) -> Locator:
        """The notice that the connection is lost."""
        return self.page.get_by_text("Connection lost")

    @property
    def export(self) -> Locator:
        """Opens the menu with the files that a transcript can be saved as."""
        return self.transcript.locator("summary").filter(has_text="Export")

    def button(self, name: str) -> Locator:
        """A button of the main part."""
        return self.main.get_by_role("button", name=name, exact=True)

    # What a person does

    async def submit(self, url: str) -> None:
        """Types a link and sends it."""
        await self.link.fill(url)
        await self.main.get_by_role("button", name=re.compile("^Transcribe")).click()

    async def choose(self, *files: Path | FilePayload) -> None:
        """Chooses files by the file chooser."""
        async with self.page.expect_file_chooser() as chooser:
            await self.page.get_by_text("Choose files").click()
        wanted: Any = files  # Playwright takes all paths or all payloads, and says so in overloads
        await (await chooser.value).set_files(list(wanted))

    async def drop(self, *files: tuple[str, str]) -> None:
        """Drops files on the page, given as name and content in base64."""
        for name, content in files:
            await self.page.evaluate(_DROP, [name, "audio/mpeg", content])
        carried = await self.page.evaluate_handle("carried")
        await self.page.evaluate("delete globalThis.carried")
        for event in ("dragenter", "dragover", "drop"):
            await self.main.dispatch_event(event, {"dataTransfer": carried})

    # What a person sees

    async def job_id(self) -> str:
        """Waits for the page of a job; returns its id."""
        await expect(self.page).to_have_url(re.compile("/jobs/"), timeout=SLOW_MS)
        return self.page.url.rpartition("/")[2]

    async def sees_text(self, least: int = 1) -> list[str]:
        """Waits for segments of a job at work; returns those that are there."""
        await expect(self.lines.nth(least - 1)).to_be_visible(timeout=SLOW_MS)
        return await self.lines.all_text_contents()

    async def sees_running(self, job_id: str) -> None:
        """Waits for a job at work with its first text."""
        assert await self.job_id() == job_id
        await self.sees_text()
        await expect(self.progress).to_be_visible()
        await expect(self.button("Cancel")).to_be_visible()

    async def sees_whole(self, interface: Interface) -> list[str]:
        """Waits for the end of the job; returns its text, which is that of the interface, line by line."""
        job_id = await self.job_id()
        await expect(self.export).to_be_visible(timeout=SLOW_MS)
        await expect(self.progress).to_be_hidden()
        lines = await interface.lines(job_id)
        assert len(lines) > 3, "enough to lose or to double"
        await self.sees_exactly(lines)
        return lines

    async def sees_exactly(self, lines: Sequence[str]) -> None:
        """Waits until the text is this, line by line."""
        await expect(self.lines).to_have_text(list(lines), timeout=SLOW_MS)


class Visit(Protocol):
    """Opens the page as a new visitor."""

    async def __call__(self, url: str, path: str = "/", **options: Any) -> Visitor:
        """Opens a path; `options` are those of Playwright's `new_context`."""
        ...
