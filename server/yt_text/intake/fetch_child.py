"""The process that fetches one recording: `python -m yt_text.intake.fetch_child`.

Its stdin holds one order, its stdout the events (`fetch_messages`). It ends when stdin closes.
"""

import os
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit

from yt_text import spool
from yt_text.intake import confine
from yt_text.intake.fetch_messages import Event, Failed, FetchOrder, event_line

_FILE_MARGIN_BYTES = 1 << 20


def main() -> None:
    """Serves one order, then ends the process."""
    events = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not get between the events
    order = FetchOrder.read(sys.stdin.buffer.readline())
    confine.die_with_parent()
    confine.limit(
        memory_bytes=order.memory_bytes,
        cpu_s=order.cpu_s,
        file_bytes=order.max_bytes + _FILE_MARGIN_BYTES,
    )
    path, work_dir, proxy = Path(order.spool), Path(order.work_dir), urlsplit(order.proxy_url)
    # Caches of compiled code lie outside of the private folder.
    sys.dont_write_bytecode = True
    confine.guard(
        (proxy.hostname or "", proxy.port or 0),
        (path, spool.state_path(path), spool.source_path(path)),
        work_dir,
    )

    def tell(event: Event) -> None:
        os.write(events, event_line(event))

    # Only now, under guard, anything that a site can reach.
    from yt_text.intake import fetching, site_errors

    try:
        fetching.fetch(order, tell)
    except BaseException as error:  # noqa: BLE001 - whatever it is, the service is told of it
        traceback.print_exception(error)
        tell(Failed.of(site_errors.failure_of(error)))
        os._exit(1)
    # There is nothing to clean up, and taking the interpreter down takes time.
    os._exit(0)


if __name__ == "__main__":
    main()
