"""The page, in a real browser, over real cameras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from camera_process import CameraProcess
from playwright.sync_api import Browser, Page, Request, expect
from reporting import DEAD_TOKEN, HELD, MOMENT, ReportedNode, ReportedStorage, links, recorded, report
from running_node import RunningNode

from edgecam.web.server import PageServer
from sandbox.clocks import BEGINNING, ManualClock

TIMEOUT_MS = 20_000


@pytest.fixture
def page(browser: Browser, running_node: RunningNode) -> Iterator[Page]:
    """The page of the running node, opened; anything that the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    # A picture that is not there is answered with 503, which Chromium mentions.
    opened.on(
        "console",
        lambda message: (
            complaints.append(message.text)
            if message.type in ("error", "warning") and "Failed to load resource" not in message.text
            else None
        ),
    )
    opened.goto(running_node.url)
    yield opened
    context.close()
    assert complaints == []


def picture_of(page: Page, camera_id: str) -> str:
    """The pixels of a camera's picture as the page shows it, as text that can be compared."""
    pixels: str = page.evaluate(
        """(id) => {
            const image = document.querySelector(`[data-camera=${id}] img`);
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
            canvas.getContext("2d").drawImage(image, 0, 0);
            return canvas.toDataURL();
        }""",
        camera_id,
    )
    return pixels


def test_every_camera_has_a_card_with_its_state(page: Page) -> None:
    expect(page.locator("article h2")).to_have_text(["ball", "stuck", "away"])
    ball = page.locator("[data-camera=ball]")
    expect(ball.locator(".state")).to_have_text("connected", timeout=TIMEOUT_MS)
    expect(ball.locator(".size")).to_have_text("640 \u00d7 360")
    expect(ball.locator(".age")).to_contain_text("s old")
    away = page.locator("[data-camera=away]")
    expect(away.locator(".state")).to_have_text("disconnected", timeout=TIMEOUT_MS)
    expect(away.locator(".message")).to_contain_text("connection refused")
    expect(away.locator(".nothing")).to_have_text("no picture yet")


def test_picture_really_moves(page: Page) -> None:
    page.locator("[data-camera=ball] img").wait_for(state="visible")
    seen = {picture_of(page, "ball")}
    for _ in range(3):
        source = page.locator("[data-camera=ball] img").get_attribute("src")
        expect(page.locator("[data-camera=ball] img")).not_to_have_attribute(
            "src", source or "", timeout=TIMEOUT_MS
        )
        seen.add(picture_of(page, "ball"))
    assert len(seen) == 4


def test_camera_that_got_stuck_is_shown_as_stalled_and_its_picture_as_stale(
    page: Page, stuck_camera: CameraProcess
) -> None:
    stuck = page.locator("[data-camera=stuck]")
    expect(stuck.locator(".state")).to_have_text("connected", timeout=TIMEOUT_MS)
    stuck_camera.freeze()
    expect(stuck.locator(".state")).to_have_text("stalled", timeout=TIMEOUT_MS)
    expect(stuck.locator(".nothing")).to_have_text("picture is stale")
    expect(stuck.locator(".message")).to_contain_text("nothing has come")
    assert "grayscale" in stuck.locator("img").evaluate("image => getComputedStyle(image).filter")
    expect(page.locator("#summary")).to_have_text("1 of 3 cameras delivering")
    expect(page).to_have_title("1/3 edgecam")


def test_page_that_nobody_looks_at_asks_nothing(page: Page) -> None:
    page.locator("[data-camera=ball] img").wait_for(state="visible")
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.evaluate(
        """() => {
            Object.defineProperty(document, "visibilityState", { get: () => "hidden", configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    page.wait_for_timeout(1500)  # what was under way has arrived
    page.on("request", note)
    page.wait_for_timeout(3000)
    assert asked == []
    page.evaluate(
        """() => {
            delete document.visibilityState;
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    with page.expect_request("**/cameras"):
        pass


def test_node_that_does_not_answer_is_said_and_its_return_seen(page: Page, running_node: RunningNode) -> None:
    expect(page.locator("[data-camera=ball] .state")).to_have_text("connected", timeout=TIMEOUT_MS)
    running_node.pause()
    expect(page.locator("#trouble")).to_contain_text("does not answer", timeout=TIMEOUT_MS)
    expect(page.locator("[data-camera=ball] .state")).to_have_text("unknown")
    running_node.resume()
    expect(page.locator("#trouble")).to_be_hidden(timeout=TIMEOUT_MS)
    expect(page.locator("[data-camera=ball] .state")).to_have_text("connected", timeout=TIMEOUT_MS)


def test_page_fits_a_telephone(browser: Browser, running_node: RunningNode) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(running_node.url)
    page.locator("[data-camera=away] .message").wait_for(timeout=TIMEOUT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


def test_recording_in_trouble_is_shown_and_why(browser: Browser, tmp_path: Path) -> None:
    server = PageServer(
        ReportedNode(tmp_path, recorded(problem="the disk is read-only")), 0, storage=ReportedStorage()
    )
    server.start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.port}/")
    lobby = page.locator("[data-camera=lobby]")
    expect(lobby.locator(".recording")).to_contain_text("in trouble (disk)", timeout=TIMEOUT_MS)
    expect(lobby.locator(".message")).to_have_text("the disk is read-only")
    page.close()
    server.stop()


def test_recording_and_a_bucket_that_is_away_are_shown(browser: Browser, tmp_path: Path) -> None:
    node = ReportedNode(tmp_path, recorded("lobby"), report("plain"))
    message = "gs://b: expected an answer, found the connection refused"
    server = PageServer(node, 0, storage=ReportedStorage(reason="unavailable", message=message))
    server.start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://localhost:{server.port}/")
    lobby = page.locator("[data-camera=lobby] .recording")
    expect(lobby).to_have_text("recording:7 stored3 waiting (15.0 MB)3 lost", timeout=TIMEOUT_MS)
    expect(page.locator("[data-camera=plain] .recording")).to_be_hidden()
    expect(page.locator("#storage")).to_have_text(
        f"The bucket takes no chunks, they wait in the spool (15.4 MB of 10.0 GB used): {message}"
    )
    context.close()
    server.stop()


def test_object_that_the_bucket_refuses_is_shown_and_why(browser: Browser, tmp_path: Path) -> None:
    storage = ReportedStorage(refused=(HELD,), refused_count=3)
    server = PageServer(ReportedNode(tmp_path, recorded("lobby")), 0, storage=storage)
    server.start()
    page = browser.new_page()
    page.goto(f"http://localhost:{server.port}/")
    expect(page.locator("#storage")).to_have_text(
        f"The bucket refuses status/gate.json and 2 more: {HELD.message}", timeout=TIMEOUT_MS
    )
    page.close()
    server.stop()


def test_token_that_the_nucleus_no_longer_accepts_is_shown(browser: Browser, tmp_path: Path) -> None:
    server = PageServer(ReportedNode(tmp_path, report()), 0, identity=lambda: DEAD_TOKEN)
    server.start()
    page = browser.new_page()
    page.goto(f"http://localhost:{server.port}/")
    expect(page.locator("#storage")).to_have_text(str(DEAD_TOKEN.message), timeout=TIMEOUT_MS)
    page.close()
    server.stop()


def test_card_names_brokers_and_since_when_one_is_away(browser: Browser, tmp_path: Path) -> None:
    clock = ManualClock()
    clock.advance((MOMENT - BEGINNING).total_seconds() + 180)
    server = PageServer(ReportedNode(tmp_path, report(), report("plain")), 0, clock=clock, links=links)
    server.start()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://localhost:{server.port}/")
    brokers = page.locator("[data-camera=lobby] .brokers")
    expect(brokers).to_have_text("brokers:AWS IoT CoreCloud IoT Core (away for 3 min)", timeout=TIMEOUT_MS)
    expect(brokers.get_by_text("Cloud IoT Core (")).to_have_attribute("title", "no such device")
    expect(page.locator("[data-camera=plain] .brokers")).to_be_hidden()
    context.close()
    server.stop()


def test_picture_leads_to_the_picture_alone(page: Page) -> None:
    page.locator("[data-camera=ball] img").wait_for(state="visible")
    with page.expect_response("**/cameras/ball/frame.jpg") as answered:
        page.locator("[data-camera=ball] .picture").click()
    assert answered.value.headers["content-type"] == "image/jpeg"
