"""Every state of the page: no violation that axe finds, no scrolling sideways, no motion for those who want none."""

from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.held_site import HeldSite
from tests.browser.serving import Service
from tests.browser.states import look_through, prepare
from tests.browser.visitor import Visit, Visitor

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 320, "height": 640}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

WIDER_THAN_THE_SCREEN = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) return [];
  const wide = [...document.body.querySelectorAll("*")].filter((element) =>
    element.checkVisibility() && element.getBoundingClientRect().right > root.clientWidth + 0.5);
  return [`${root.scrollWidth} > ${root.clientWidth}`, ...wide.map((element) => element.outerHTML.slice(0, 120))];
}"""
MOVING = """() => document.getAnimations()
  .filter((each) => each.playState === "running" && Number(each.effect.getComputedTiming().activeDuration) > 100)
  .map((each) => each.effect.target?.outerHTML.slice(0, 120))"""


async def violations(visitor: Visitor, state: str) -> list[str]:
    options = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
    found = (await Axe().run(visitor.page, options=options)).response["violations"]
    return [
        f"{state}: {each['id']}: {each['help']}: {node['html'][:160]} ({node['failureSummary']})"
        for each in found
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_every_state_is_accessible_and_fits(
    tmp_path: Path, service: Service, site: HeldSite, visit: Visit, scheme: str, viewport: dict[str, int]
) -> None:
    options: dict[str, Any] = {"color_scheme": scheme, "viewport": viewport, "reduced_motion": "reduce"}
    visitor = await visit(service.url, **options)
    await expect(visitor.history.get_by_text("Nothing here yet")).to_be_visible()
    found = await violations(visitor, "empty")
    found += await visitor.page.evaluate(WIDER_THAN_THE_SCREEN)
    jobs = await prepare(service, site, tmp_path)
    await visitor.page.reload()
    async for state in look_through(visitor, *jobs):
        found += await violations(visitor, state)
        found += [f"{state}: too wide: {what}" for what in await visitor.page.evaluate(WIDER_THAN_THE_SCREEN)]
        found += [f"{state}: moves: {what}" for what in await visitor.page.evaluate(MOVING)]
    assert found == []
