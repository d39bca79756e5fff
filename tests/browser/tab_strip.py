"""Tabs of one window, of which one is seen: Playwright's own pages all believe that they are."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, Self

from playwright.async_api import Browser, CDPSession


class TabStrip:
    """A window with tabs, driven by Chrome's own protocol.

    tabs = await TabStrip.open(browser)
    tab = await tabs.add(url)       opens it and shows it
    await tabs.show(tab)            the others are hidden
    await tabs.evaluate(tab, "document.hidden")
    """

    def __init__(self, chrome: CDPSession, profile: str) -> None:
        self._chrome = chrome
        self._profile = profile
        self._sessions: dict[str, str] = {}
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        chrome.on("Target.receivedMessageFromTarget", self._received)

    @classmethod
    async def open(cls, browser: Browser) -> Self:
        """Opens a profile of its own."""
        chrome = await browser.new_browser_cdp_session()
        return cls(chrome, (await chrome.send("Target.createBrowserContext"))["browserContextId"])

    async def add(self, url: str) -> str:
        """Opens an address in a tab, which is shown; returns the tab."""
        target = {"url": url, "browserContextId": self._profile}
        tab: str = (await self._chrome.send("Target.createTarget", target))["targetId"]
        attached = await self._chrome.send("Target.attachToTarget", {"targetId": tab, "flatten": False})
        self._sessions[tab] = attached["sessionId"]
        return tab

    async def show(self, tab: str) -> None:
        """Brings a tab to the front."""
        await self._chrome.send("Target.activateTarget", {"targetId": tab})

    async def evaluate(self, tab: str, expression: str) -> Any:
        """Returns what an expression gives in a tab, as JSON; None while the tab has no document."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        message = json.dumps({"id": number, "method": "Runtime.evaluate", "params": parameters})
        await self._chrome.send("Target.sendMessageToTarget", {"sessionId": self._sessions[tab], "message": message})
        answered = await answer
        if "error" in answered:  # between two documents
            return None
        result = answered["result"]
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _received(self, event: dict[str, Any]) -> None:
        message = json.loads(event["message"])
        if answer := self._answers.pop(message.get("id", 0), None):
            answer.set_result(message)


async def eventually(condition: Callable[[], Awaitable[bool]], timeout_s: float = 60) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(timeout_s):
        while not await condition():
            await asyncio.sleep(0.05)
