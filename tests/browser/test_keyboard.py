"""The page without a mouse: everything is reached, seen, and used; focus is never lost."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Service
from tests.browser.states import prepare
from tests.browser.visitor import SLOW_MS, Visit, Visitor

MARK_WHAT_CAN_BE_USED = """() => {
  const usable = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  const found = [...document.querySelectorAll(usable)].filter((element) =>
    element.checkVisibility({ visibilityProperty: true }) && !element.disabled);
  found.forEach((element, index) => element.dataset.usable = String(index));
  return found.map((element) => element.outerHTML.slice(0, 120));
}"""
WHERE = """() => {
  const at = document.activeElement;
  const shows = (element) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  };
  const near = [at, ...(at.labels ?? []), at.parentElement, at.parentElement?.parentElement].filter(Boolean);
  return { index: at.dataset.usable === undefined ? -1 : Number(at.dataset.usable), seen: near.some(shows) };
}"""


async def reached_by_tab(visitor: Visitor) -> None:
    """Presses Tab through the whole page: everything that can be used is reached, in order, and seen."""
    usable: list[str] = await visitor.page.evaluate(MARK_WHAT_CAN_BE_USED)
    await visitor.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    reached: list[int] = []
    unseen: list[str] = []
    for _ in range(len(usable) + 3):
        await visitor.page.keyboard.press("Tab")
        where: dict[str, Any] = await visitor.page.evaluate(WHERE)
        if where["index"] in reached:
            break
        if where["index"] >= 0:
            reached.append(where["index"])
            unseen += [] if where["seen"] else [usable[where["index"]]]
    assert [usable[index] for index in sorted({*range(len(usable))} - {*reached})] == [], "not reached"
    assert unseen == [], "nobody sees that the focus is there"


async def test_tab_reaches_everything(tmp_path: Path, service: Service, site: HeldSite, visit: Visit) -> None:
    running, done, failed, _ = await prepare(service, site, tmp_path)
    visitor = await visit(service.url)
    await expect(visitor.history.get_by_role("listitem")).to_have_count(4)
    await visitor.page.get_by_text("Options").click()
    await expect(visitor.page.get_by_role("combobox", name="Engine")).to_be_visible()
    await reached_by_tab(visitor)
    for job in (running, failed, done):
        await visitor.page.goto(f"{service.url}/jobs/{job}")
        await expect(visitor.heading).to_be_visible()
        await expect(visitor.history.get_by_role("listitem")).to_have_count(4)
        if job != failed:
            await visitor.sees_text()
        await reached_by_tab(visitor)


async def test_a_link_is_sent_by_enter_and_read_without_a_mouse(service: Service, site: HeldSite, visit: Visit) -> None:
    visitor = await visit(service.url)
    page = visitor.page
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(visitor.link).to_be_focused()
    await page.keyboard.type(site.held())
    await page.keyboard.press("Enter")
    await visitor.sees_text()
    await expect(visitor.heading).to_be_focused()
    site.release()
    await visitor.sees_whole(service)
    # Opening the menu and closing it by Escape leaves the focus where it was.
    export = visitor.export
    await export.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name=re.compile("Plain text"))).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("link", name=re.compile("Plain text"))).to_be_hidden()
    await expect(export).to_be_focused()


async def test_a_dialog_holds_the_focus_and_gives_it_back(tmp_path: Path, service: Service, visit: Visit) -> None:
    job = await service.transcribed(talk(tmp_path))
    visitor = await visit(service.url, f"/jobs/{job}")
    page = visitor.page
    delete = visitor.button("Delete")
    await delete.focus()
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("button", name="Keep")).to_be_focused()
    for _ in range(5):
        await page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        assert await page.evaluate(inside), "Tab stays in the dialog"
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(delete).to_be_focused()
    assert len(await service.jobs()) == 1
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(dialog.get_by_role("button", name="Delete")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{service.url}/", timeout=SLOW_MS)
    await expect(visitor.heading).to_be_focused()
    assert await service.jobs() == []


async def test_the_focus_survives_what_it_stood_on(service: Service, site: HeldSite, visit: Visit) -> None:
    """A button goes when the state changes under it: then the focus is near, not at the page's beginning."""
    visitor = await visit(service.url, f"/jobs/{await service.submitted(site.held())}")
    await visitor.sees_text()
    await visitor.button("Cancel").focus()
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.button("Try again")).to_be_visible()
    assert await visitor.page.evaluate("document.activeElement !== document.body")
