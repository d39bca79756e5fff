"""The network, the server or the gateway goes away while the page watches: nothing is lost, nothing comes twice."""

from pathlib import Path

import psutil
from playwright.async_api import expect

from tests.browser.held_site import HeldSite, talk
from tests.browser.serving import Killable, Service
from tests.browser.visitor import SLOW_MS, Visit, Visitor


def envoy_of(service: Killable) -> psutil.Process:
    return next(child for child in service.process.children() if child.name() == "envoy")


async def notice_comes_and_goes(visitor: Visitor) -> None:
    await expect(visitor.lost).to_be_visible(timeout=SLOW_MS)
    assert await visitor.lines.count() > 0, "what is there stays to be read"


async def test_offline_and_back(visit: Visit, site: HeldSite, service: Service) -> None:
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    await visitor.sees_text()
    visitor.observed.lost_connections = True
    await visitor.page.context.set_offline(True)
    await notice_comes_and_goes(visitor)
    site.release()  # the job goes on meanwhile, and ends
    async for _ in service.client.watch(await visitor.job_id()):
        pass
    await visitor.page.context.set_offline(False)
    await expect(visitor.lost).to_be_hidden(timeout=SLOW_MS)
    await visitor.sees_whole(service)


async def test_offline_while_a_link_is_sent_makes_one_job_in_the_end(
    visit: Visit, site: HeldSite, service: Service
) -> None:
    visitor = await visit(service.url)
    visitor.observed.lost_connections = True
    await visitor.page.context.set_offline(True)
    await visitor.submit(site.url("/talk.mp3"))
    await expect(visitor.main.get_by_text("Waits for the connection")).to_be_visible()
    await visitor.page.context.set_offline(False)
    await expect(visitor.history.get_by_text("Done")).to_be_visible(timeout=SLOW_MS)
    assert len(await service.jobs()) == 1


async def test_the_server_is_killed_and_comes_back(visit: Visit, site: HeldSite, killable_service: Killable) -> None:
    service = killable_service
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    await visitor.sees_text()
    visitor.observed.lost_connections = True
    service.process.kill()
    await notice_comes_and_goes(visitor)
    site.release()
    service.process.start()
    await expect(visitor.lost).to_be_hidden(timeout=SLOW_MS)
    await visitor.sees_whole(service)


async def test_the_gateway_is_killed_and_comes_back(visit: Visit, site: HeldSite, killable_service: Killable) -> None:
    service = killable_service
    visitor = await visit(service.url)
    await visitor.submit(site.held())
    first = await visitor.sees_text()
    visitor.observed.lost_connections = True
    # Twice: the second time while the page is on its way back.
    for _ in range(2):
        envoy_of(service).kill()
        await service.ready()
    site.release()
    lines = await visitor.sees_whole(service)
    assert lines[: len(first)] == first
    await expect(visitor.lost).to_be_hidden(timeout=SLOW_MS)


async def test_a_file_chosen_while_the_server_is_away_is_sent_when_it_is_back(
    tmp_path: Path, visit: Visit, killable_service: Killable
) -> None:
    service = killable_service
    visitor = await visit(service.url)
    visitor.observed.lost_connections = True
    service.process.kill()
    await visitor.choose(talk(tmp_path))
    await expect(visitor.main.get_by_text("Waits")).to_be_visible(timeout=SLOW_MS)
    service.process.start()
    await visitor.sees_whole(service)
    assert len(await service.jobs()) == 1
