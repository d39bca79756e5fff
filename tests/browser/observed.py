"""What must not happen in a browser while a test runs: errors, reports, failed requests, dialogs."""

import re

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Request

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violation: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""
_NOT_LOADED = re.compile(r"Failed to load resource: (net::|the server responded with a status of (\d+))")
# The page itself ends requests: it closes streams and leaves documents.
_ENDED_BY_THE_PAGE = "net::ERR_ABORTED"
_GATEWAY_ALONE = frozenset({502, 503, 504})


class Observed:
    """Collects the problems of all pages of a browser context.

    Attributes:
        problems: what happened and was not announced.
        lost_connections: set it when from here on connections may be lost: then Chrome's own reports about that
            count no more, and nothing else.
        statuses: HTTP statuses that the test asks for; Chrome reports each of them as an error.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.lost_connections = False
        self.statuses: set[int] = set()

    async def observe(self, context: BrowserContext) -> None:
        """Begins with a context that has no pages yet."""
        await context.add_init_script(_REPORT_VIOLATIONS)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.problems.append(f"uncaught: {error.error}"))
        context.on("requestfailed", self._failed)
        context.on("dialog", self._asked)
        context.on("page", self._opened)

    def _opened(self, page: Page) -> None:
        page.on("crash", lambda _: self.problems.append("the page crashed"))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning", "assert"):
            return
        found = _NOT_LOADED.match(message.text)
        if found and self.lost_connections and (not found[2] or int(found[2]) in _GATEWAY_ALONE):
            return
        if found and found[2] and int(found[2]) in self.statuses:
            return
        self.problems.append(f"console: {message.text} ({message.location['url']})")

    def _failed(self, request: Request) -> None:
        if request.failure != _ENDED_BY_THE_PAGE and not self.lost_connections:
            self.problems.append(f"failed: {request.method} {request.url}: {request.failure}")

    async def _asked(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            await dialog.accept()
            return
        self.problems.append(f"dialog: {dialog.type} {dialog.message}")
        await dialog.dismiss()
