"""The browser's own EventSource at the service, without the page's help: what a page of somebody else would use."""

from typing import Any

import pytest
from playwright.async_api import Request

from tests.browser.held_site import HeldSite
from tests.browser.serving import Killable, Service
from tests.browser.tab_strip import eventually
from tests.browser.visitor import Visit, Visitor

LISTEN = """(path) => {
  const source = new EventSource(path);
  globalThis.heard = { source, ids: [], indexes: [], states: [], ends: [], opened: 0, errors: 0 };
  source.onopen = () => { heard.opened += 1; };
  source.onerror = () => { heard.errors += 1; };
  source.addEventListener("update", (event) => {
    const { job, segments = [] } = JSON.parse(event.data);
    heard.ids.push(event.lastEventId);
    heard.states.push(job.state);
    heard.indexes.push(...segments.map((segment) => segment.index));
  });
  source.addEventListener("end", (event) => heard.ends.push(event.lastEventId));
}"""
CLOSED = "heard.source.readyState === EventSource.CLOSED"
HEARD = "(({ ids, indexes, states, ends, opened, errors }) => ({ ids, indexes, states, ends, opened, errors }))(heard)"


async def last_ids(requests: list[Request]) -> list[str]:
    return [(await request.all_headers()).get("last-event-id", "") for request in requests]


def event_requests(visitor: Visitor, path: str) -> list[Request]:
    """The requests of the stream, as they come."""
    requests: list[Request] = []
    visitor.page.on("request", lambda request: requests.append(request) if request.url.endswith(path) else None)
    return requests


@pytest.mark.parametrize("path", ["/api/jobs/{}/events", "/ws/jobs/{}"])
async def test_it_hears_everything_once_and_stops_for_good_after_the_end(
    service: Service, site: HeldSite, visit: Visit, path: str
) -> None:
    job_id = await service.submitted(site.held())
    path = path.format(job_id)
    visitor = await visit(service.url)
    requests = event_requests(visitor, path)
    await visitor.page.evaluate(LISTEN, path)
    await eventually(lambda: visitor.page.evaluate("heard.indexes.length > 0"))
    assert await visitor.page.evaluate("heard.states.at(-1)") == "JOB_STATE_RUNNING"
    site.release()
    # It comes back once, is told that there is no more, and gives up for good.
    await eventually(lambda: visitor.page.evaluate(CLOSED))
    heard: dict[str, Any] = await visitor.page.evaluate(HEARD)
    total = len(await service.lines(job_id))
    assert heard["indexes"] == list(range(total))
    assert heard["states"][-1] == "JOB_STATE_SUCCEEDED"
    ids = [int(each) for each in heard["ids"]]
    assert ids == sorted(ids)
    assert ids[-1] == total
    assert heard["ends"] == [f"{total}/end"]
    assert heard["opened"] == 1
    assert await last_ids(requests) == ["", f"{total}/end"]


async def test_cut_off_it_goes_on_where_it_was(killable_service: Killable, site: HeldSite, visit: Visit) -> None:
    service = killable_service
    job = await service.http.post("/api/transcribe", json={"url": site.held()})
    path = f"/api/jobs/{job.json()['id']}/events"
    visitor = await visit(service.url)
    requests = event_requests(visitor, path)
    await visitor.page.evaluate(LISTEN, path)
    await eventually(lambda: visitor.page.evaluate("heard.indexes.length > 0"))
    before = await visitor.page.evaluate("heard.indexes.length")
    visitor.observed.lost_connections = True
    next(child for child in service.process.children() if child.name() == "envoy").kill()
    await service.ready()
    site.release()
    await eventually(lambda: visitor.page.evaluate(CLOSED))
    heard: dict[str, Any] = await visitor.page.evaluate(HEARD)
    assert heard["indexes"] == list(range(len(await service.lines(job.json()["id"])))), "nothing lost, nothing twice"
    assert (await last_ids(requests))[1] == str(before)
    assert heard["opened"] >= 2
