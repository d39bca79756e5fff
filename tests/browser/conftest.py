"""A real Chromium for each test, observed."""

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.held_site import HeldSite
from tests.browser.serving import Killable, Serve, Service, killable, serving
from tests.browser.visitor import Visit, Visitor

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",  # there is none for root in a container
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = (
    "no Chromium: the browser tests drive a real one; install it (Debian: apt-get install chromium; .ci/run does). "
    "YT_TEXT_REQUIRE_BROWSER=1 makes its absence a failure."
)


def find_chromium() -> str | None:
    """Where the browser is."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skips this folder without a browser: here rather than in a fixture, so that the summary says it once."""
    if find_chromium() is not None:
        return
    if os.environ.get("YT_TEXT_REQUIRE_BROWSER", "") not in ("", "0"):
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    """A browser of this test alone: it starts in half a second."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture
async def stack() -> AsyncGenerator[AsyncExitStack]:
    """Holds what must outlive the page: a service that stops under it would be a lost connection."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stack: AsyncExitStack, tmp_path: Path) -> Serve:
    """Starts a service with its gateway; arguments are settings."""

    async def start(**values: Any) -> Service:
        return await stack.enter_async_context(serving(tmp_path, **values))

    return start


@pytest.fixture
async def service(serve: Serve) -> Service:
    """A service with the usual settings."""
    return await serve()


@pytest.fixture
async def killable_service(stack: AsyncExitStack, tmp_path: Path) -> Killable:
    """A service in a process of its own."""
    return await stack.enter_async_context(killable(tmp_path))


@pytest.fixture
def site(stack: AsyncExitStack, tmp_path: Path) -> HeldSite:
    """A site with a recording that comes in two parts."""
    return stack.enter_context(HeldSite(tmp_path / "site"))


@pytest.fixture
async def visit(stack: AsyncExitStack, browser: Browser) -> AsyncGenerator[Visit]:
    """Opens the page as a new visitor with a profile of their own; in the end nothing unannounced has happened."""
    del stack  # only to come after it
    visitors: list[Visitor] = []

    async def open_page(url: str, path: str = "/", **options: Any) -> Visitor:
        visitors.append(await Visitor.arrive(browser, url, path, **options))
        return visitors[-1]

    yield open_page
    for visitor in visitors:
        await visitor.page.context.close()
    assert [problem for visitor in visitors for problem in visitor.observed.problems] == []
