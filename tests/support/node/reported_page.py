"""The page of a node whose reports a test sets, open in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page
from reporting import MOMENT, ReportedNode

from edgecam.status.reports import CameraReport
from edgecam.web.location import Location
from edgecam.web.server import PageServer
from sandbox.clocks import BEGINNING, ManualClock

TIMEOUT_MS = 20_000
LATER_S = 185
"""How long after `MOMENT` the node's clock stands."""

HERE = Location(core="hq-core", site="headquarters")


@dataclass
class ReportedPage:
    """A page, and what it shows.

    Attributes:
        page: The browser's.
        node: Its reports may be replaced.
        clock: The node's; stands still.
        server: The node's page.
    """

    page: Page
    node: ReportedNode
    clock: ManualClock
    server: PageServer

    def ids(self) -> list[str]:
        """The cameras from the top."""
        return self.page.locator("article h2").all_inner_texts()


class Complaints(list[str]):
    """What a browser complains about."""

    def listen(self, page: Page) -> None:
        """From now on, to `page`."""
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        # A picture that is not there is answered with 503, which Chromium mentions, as it does a node's end.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.append(message.text)


@contextmanager
def open_page(
    browser: Browser,
    folder: Path,
    *reports: CameraReport,
    width: int = 1280,
    scheme: str = "light",
    pictures: dict[str, bytes] | None = None,
    location: Location = HERE,
    **of_the_node: Any,
) -> Iterator[ReportedPage]:
    """The page with `reports`, `width` pixels wide; what the browser complains about is a failure.

    Args:
        browser: The browser.
        folder: Where the pictures are.
        reports: The cameras.
        width: Of the window, pixels.
        scheme: `light` or `dark`.
        pictures: JPEG files by camera.
        location: Where the node says it is.
        of_the_node: `storage`, `links`, `identity` of `PageServer`.
    """
    node, clock = ReportedNode(folder, *reports), ManualClock()
    clock.advance((MOMENT - BEGINNING).total_seconds() + LATER_S)
    for camera_id, picture in (pictures or {}).items():
        node.write(camera_id, picture)
    server = PageServer(node, 0, clock=clock, location=location, **of_the_node)
    server.start()
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, locale="en-GB", timezone_id="UTC"
    )
    complaints, page = Complaints(), context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    complaints.listen(page)
    page.clock.set_fixed_time(clock.now())  # so that nothing but the node's clock moves the page's
    try:
        page.goto(f"http://localhost:{server.port}/")
        page.locator("article").first.wait_for()
        yield ReportedPage(page, node, clock, server)
    finally:
        context.close()
        server.stop()
    assert complaints == []
