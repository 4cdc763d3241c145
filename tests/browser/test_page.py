"""The page, in a real browser, over real cameras."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from camera_process import CameraProcess
from playwright.sync_api import Browser, Page, Request, expect
from reported_page import TIMEOUT_MS, Complaints
from running_node import RunningNode


@pytest.fixture
def page(browser: Browser, running_node: RunningNode) -> Iterator[Page]:
    """The page of the running node, opened; anything that the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, timezone_id="UTC")
    complaints, opened = Complaints(), context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    complaints.listen(opened)
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


def test_every_camera_has_a_card_with_its_state_and_that_in_trouble_comes_first(page: Page) -> None:
    ball = page.locator("[data-camera=ball]")
    expect(ball.locator(".state")).to_have_text("connected", timeout=TIMEOUT_MS)
    expect(ball.locator(".size")).to_have_text("640 \u00d7 360")
    expect(ball.locator(".age")).to_contain_text("s old")
    expect(ball.locator(".lasting")).to_have_text(re.compile(r"for \d+ s"))
    away = page.locator("[data-camera=away]")
    expect(away.locator(".state")).to_have_text("disconnected", timeout=TIMEOUT_MS)
    expect(away.locator(".message")).to_contain_text("connection refused")
    expect(away.locator(".nothing")).to_have_text("no picture yet")
    expect(page.locator("article h2")).to_have_text(["away", "ball", "stuck"], timeout=TIMEOUT_MS)


def test_node_is_named_and_its_recordings_too(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("headquarters")
    expect(page.locator("#about span")).to_have_text(
        ["core hq-core", re.compile("records to file://.*/recordings")]
    )
    expect(page.locator("[data-camera=stuck] .recording")).to_contain_text("stored", timeout=TIMEOUT_MS)
    expect(page.locator("[data-camera=ball] .recording")).to_be_hidden()


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
    expect(page.locator("#summary")).to_have_text("2 of 3 cameras in trouble")
    expect(page).to_have_title("2 in trouble · headquarters · hq-core")


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


def test_node_that_does_not_answer_shows_no_age_as_if_it_were_true(
    page: Page, running_node: RunningNode
) -> None:
    ball = page.locator("[data-camera=ball]")
    expect(ball.locator(".state")).to_have_text("connected", timeout=TIMEOUT_MS)
    expect(ball.locator(".age")).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.locator("[data-camera=away] .message")).to_be_visible(timeout=TIMEOUT_MS)
    running_node.pause()
    gone = page.locator("#gone")
    expect(gone).to_contain_text("does not answer", timeout=TIMEOUT_MS)
    expect(gone).to_contain_text(re.compile(r"last answer was at \d\d:\d\d:\d\d, \d+ s ago"))
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(page.locator("#summary")).to_have_text("no answer")
    expect(page.locator("#summary")).to_have_class("bad")
    expect(ball.locator(".state")).to_have_text("unknown")
    expect(ball.locator(".nothing")).to_have_text(re.compile(r"picture of \d\d:\d\d:\d\d"))
    for part in (".age", ".since", ".lasting", ".size", ".message"):
        for shown in page.locator(part).all():
            expect(shown).to_be_hidden()
    running_node.resume()
    expect(gone).to_be_hidden(timeout=TIMEOUT_MS)
    expect(ball.locator(".state")).to_have_text("connected", timeout=TIMEOUT_MS)
    expect(ball.locator(".age")).to_be_visible()


def test_picture_leads_to_the_picture_alone(page: Page) -> None:
    page.locator("[data-camera=ball] img").wait_for(state="visible")
    with page.expect_response("**/cameras/ball/frame.jpg") as answered:
        page.locator("[data-camera=ball] .picture").click()
    assert answered.value.headers["content-type"] == "image/jpeg"
