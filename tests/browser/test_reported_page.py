"""What the page says of reports, and whether everybody can read it: narrow, dark, by keyboard, aloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FloatRect, Page, Route, expect
from reported_page import LATER_S, TIMEOUT_MS, open_page
from reporting import (
    DEAD_TOKEN,
    HELD,
    ReportedStorage,
    away,
    links,
    recorded,
    report,
    stalled,
    waiting,
)

from edgecam.web.location import Location

BUCKET = Location("hq-core", "headquarters", "gs://b", lambda camera_id: f"https://console/{camera_id}")
LONG_ID = "entrance-of-the-second-warehouse-behind-the-old-railway-station"
LONG_WORD = "rtsp://camera." + "very-long-name." * 12 + "example/h264/main/av_stream?channel=1"


def colour(page: Page, selector: str, name: str = "color") -> str:
    """A property of an element as it is shown."""
    value: str = page.locator(selector).first.evaluate(
        "(element, name) => getComputedStyle(element)[name]", name
    )
    return value


def box(page: Page, selector: str) -> FloatRect:
    """Where an element is."""
    found = page.locator(selector).bounding_box()
    assert found is not None
    return found


def unanswered(_: Route) -> None:
    """A request that hangs."""


def test_cameras_in_trouble_come_first_then_those_that_wait(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report("a"), waiting("b"), away("c"), stalled("d")) as shown:
        expect(shown.page.locator("article h2")).to_have_text(["c", "d", "b", "a"])
        shown.node.current = (report("a"), waiting("b"), report("c"), stalled("d"))
        expect(shown.page.locator("article h2")).to_have_text(["d", "b", "a", "c"], timeout=TIMEOUT_MS)


def test_recording_in_trouble_puts_its_camera_first(browser: Browser, tmp_path: Path) -> None:
    cameras = (report("plain"), recorded(problem="the disk is read-only"))
    with open_page(browser, tmp_path, *cameras, storage=ReportedStorage()) as shown:
        assert shown.ids() == ["lobby", "plain"]
        lobby = shown.page.locator("[data-camera=lobby]")
        expect(lobby.locator(".recording .problem")).to_have_text("The disk is read-only")
        expect(lobby.locator(".state")).to_have_text("not recorded")
        expect(lobby.locator(".since")).to_have_text("connected since 09:45:35,")
        expect(shown.page.locator("#summary")).to_have_text("1 of 2 cameras in trouble")


def test_camera_that_moves_up_leaves_the_focus_where_it_was(
    browser: Browser, tmp_path: Path, pictures: dict[str, bytes]
) -> None:
    named = {"a": pictures["lobby"], "b": pictures["gate"]}
    with open_page(browser, tmp_path, report("a"), report("b"), pictures=named) as shown:
        shown.page.locator("[data-camera=b] img").wait_for()
        shown.page.locator("[data-camera=b] .picture").focus()
        shown.node.current = (report("a"), stalled("b"))
        expect(shown.page.locator("article h2")).to_have_text(["b", "a"], timeout=TIMEOUT_MS)
        expect(shown.page.locator("[data-camera=b] .picture")).to_be_focused()


def test_link_keeps_the_focus_while_the_line_it_is_in_counts(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, recorded(), storage=ReportedStorage(), location=BUCKET) as shown:
        link = shown.page.get_by_role("link", name="recordings of lobby")
        link.focus()
        shown.clock.advance(1)
        expect(shown.page.locator(".recording")).to_contain_text("3 min 06 s ago", timeout=TIMEOUT_MS)
        expect(link).to_be_focused()


def test_camera_that_the_node_no_longer_has_is_gone(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report("a"), report("b")) as shown:
        shown.node.current = (report("b"),)
        expect(shown.page.locator("article h2")).to_have_text(["b"], timeout=TIMEOUT_MS)


def test_summary_is_red_while_any_camera_is_in_trouble(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report("a"), away("b")) as shown:
        summary = shown.page.locator("#summary")
        expect(summary).to_have_text("1 of 2 cameras in trouble")
        assert colour(shown.page, "#summary") == colour(shown.page, ".trouble .message")
        expect(shown.page).to_have_title("1 in trouble · headquarters · hq-core")
        shown.node.current = (report("a"), report("b"))
        expect(summary).to_have_text("2 of 2 cameras delivering", timeout=TIMEOUT_MS)
        assert colour(shown.page, "#summary") == colour(shown.page, ".delivering .state")
        expect(shown.page).to_have_title("2/2 · headquarters · hq-core")


@pytest.mark.parametrize(
    ("location", "heading", "title"),
    [
        (Location(core="hq-core", site="headquarters"), "headquarters", "1/1 · headquarters · hq-core"),
        (Location(core="hq-core"), "hq-core", "1/1 · hq-core"),
        (Location(), "edgecam", "1/1 · edgecam"),
    ],
)
def test_title_and_heading_have_the_names_of_site_and_core(
    browser: Browser, tmp_path: Path, location: Location, heading: str, title: str
) -> None:
    with open_page(browser, tmp_path, report(), location=location) as shown:
        expect(shown.page.get_by_role("heading", level=1)).to_have_text(heading)
        expect(shown.page).to_have_title(title)
        if location.site:
            expect(shown.page.locator("#about")).to_have_text("core hq-core")


def test_clock_counts_since_when_a_camera_is_in_its_state(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, away()) as shown:
        gate = shown.page.locator("[data-camera=gate]")
        expect(gate.locator(".since")).to_have_text("since 09:45:35,")
        expect(gate.locator(".lasting")).to_have_text("for 3 min 05 s, attempt 3")
        shown.clock.advance(1)
        expect(gate.locator(".lasting")).to_have_text("for 3 min 06 s, attempt 3", timeout=TIMEOUT_MS)
        shown.clock.advance(86_400 + 7200)
        expect(gate.locator(".since")).to_have_text("since 21 Nov, 09:45,", timeout=TIMEOUT_MS)
        expect(gate.locator(".lasting")).to_have_text("for 1 d 2 h 03 min, attempt 3")


def test_clock_and_age_count_on_while_an_answer_is_late(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report()) as shown:
        lobby = shown.page.locator("[data-camera=lobby]")
        expect(lobby.locator(".age")).to_have_text("0.3 s old")
        shown.page.route("**/cameras", unanswered)
        shown.page.clock.set_fixed_time(shown.clock.now().timestamp() + 3)
        expect(lobby.locator(".age")).to_have_text("3.3 s old", timeout=TIMEOUT_MS)
        expect(lobby.locator(".lasting")).to_have_text("for 3 min 08 s")


def test_camera_that_waits_is_no_error(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, waiting(), away()) as shown:
        dock = shown.page.locator("[data-camera=dock]")
        expect(dock.locator(".state")).to_have_text("waiting")
        expect(dock.locator(".message")).to_have_text(
            "Waiting for a program that writes FLV, MPEG-TS or fragmented MP4 to /run/dock"
        )
        assert colour(shown.page, "[data-camera=dock] .message") == colour(shown.page, "body")
        assert colour(shown.page, "[data-camera=gate] .message") != colour(shown.page, "body")
        expect(shown.page.locator("#summary")).to_have_text("1 of 2 cameras in trouble, 1 waiting")
        shown.node.current = (waiting(), report("gate"))
        expect(shown.page.locator("#summary")).to_have_text(
            "1 of 2 cameras delivering, 1 waiting", timeout=TIMEOUT_MS
        )
        expect(shown.page.locator("#summary")).to_have_class("wait")


def test_camera_that_is_only_recorded_lacks_no_picture(browser: Browser, tmp_path: Path) -> None:
    only = replace(recorded(), frame=None, frame_age_s=None, makes_frames=False)
    with open_page(browser, tmp_path, only, storage=ReportedStorage()) as shown:
        expect(shown.page.locator("[data-camera=lobby] .nothing")).to_have_text("recorded only")
        expect(shown.page.locator("#summary")).to_have_text("1 of 1 camera delivering")


def test_address_stands_on_a_card_once(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, away()) as shown:
        gate = shown.page.locator("[data-camera=gate]")
        expect(gate.locator(".message")).to_have_text(
            "Expected a camera to listen there, found the connection refused"
        )
        expect(gate.locator(".address dd")).to_have_text("rtsp://10.0.0.9/gate")
        assert gate.inner_text().count("rtsp://") == 1


def test_reasons_are_text_and_nothing_is_a_tooltip(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report(), report("plain"), links=links) as shown:
        brokers = shown.page.locator("[data-camera=lobby] .brokers dd > *")
        expect(brokers).to_have_text(["AWS IoT Core", "Cloud IoT Core (away for 3 min 05 s): no such device"])
        expect(shown.page.locator("[data-camera=plain] .brokers")).to_be_hidden()
        assert shown.page.locator("[title]").count() == 0


def test_stale_picture_of_a_connected_camera_has_its_reason(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report(frame_age_s=31.0)) as shown:
        lobby = shown.page.locator("[data-camera=lobby]")
        expect(lobby.locator(".state")).to_have_text("stale")
        expect(lobby.locator(".message")).to_have_text("The newest picture is older than 5 s")
        expect(lobby.locator(".since")).to_have_text("connected since 09:45:35,")


def test_recording_has_its_newest_chunk_and_leads_to_the_recordings(browser: Browser, tmp_path: Path) -> None:
    cameras = (recorded("lobby"), report("plain"))
    with open_page(browser, tmp_path, *cameras, storage=ReportedStorage(), location=BUCKET) as shown:
        recording = shown.page.locator("[data-camera=lobby] .recording")
        expect(recording.locator("dd > *")).to_have_text(
            [
                "7 stored",
                "3 waiting (15.0 MB)",
                "3 lost",
                "newest chunk 3 min 05 s ago",
                "recordings",
            ]
        )
        link = shown.page.get_by_role("link", name="recordings of lobby")
        expect(link).to_have_attribute("href", "https://console/lobby")
        expect(shown.page.locator("#about")).to_contain_text("records to gs://b")
        expect(shown.page.locator("[data-camera=plain] .recording")).to_be_hidden()


def test_bucket_without_a_console_has_no_link(browser: Browser, tmp_path: Path) -> None:
    folder = Location(bucket="file:///srv/recordings")
    with open_page(browser, tmp_path, recorded(), storage=ReportedStorage(), location=folder) as shown:
        expect(shown.page.locator(".recording dd")).to_contain_text("7 stored")
        assert shown.page.locator(".recording a").count() == 0


def test_nucleus_bucket_and_refused_objects_have_lines_of_one_shape(browser: Browser, tmp_path: Path) -> None:
    storage = ReportedStorage(
        reason="unavailable",
        message="gs://b: expected an answer, found the connection refused",
        refused=(HELD,),
        refused_count=3,
    )
    with open_page(
        browser, tmp_path, recorded(), storage=storage, identity=lambda: DEAD_TOKEN, location=BUCKET
    ) as shown:
        lines = shown.page.locator("#notices li")
        expect(lines.locator(".what")).to_have_text(
            [
                "The nucleus no longer accepts this node",
                "gs://b takes no chunks, they wait in the spool (15.4 MB of 10.0 GB used)",
                "gs://b refuses status/gate.json",
                "gs://b refuses 2 more",
            ]
        )
        expect(lines.locator(".why")).to_have_text(
            [
                str(DEAD_TOKEN.message),
                "Expected an answer, found the connection refused",
                "Found 403 (under active hold); release the hold",
                "",
            ]
        )
        since = ["since 09:45:35,"] * 3 + [""]
        expect(lines.locator(".since")).to_have_text(since)
        expect(lines.locator(".lasting")).to_have_text([f"for {LATER_S // 60} min 05 s"] * 3 + [""])
        assert [line.get_attribute("class") for line in lines.all()] == ["bad", "", "bad", "bad"]


def test_full_spool_is_a_line_and_its_end_removes_it(browser: Browser, tmp_path: Path) -> None:
    storage = ReportedStorage(is_full=True)
    with open_page(browser, tmp_path, recorded(), storage=storage, location=BUCKET) as shown:
        what = shown.page.locator("#notices .what")
        expect(what).to_have_text("The spool is full (15.4 MB of 10.0 GB used)")
        storage._is_full = False
        expect(shown.page.locator("#notices")).to_be_hidden(timeout=TIMEOUT_MS)


def test_two_cameras_fill_the_width(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report("a"), report("b"), width=1280) as shown:
        header, one, other = (box(shown.page, it) for it in ("header", "[data-camera=a]", "[data-camera=b]"))
        assert one["y"] == other["y"]
        assert one["x"] == pytest.approx(header["x"], abs=1)
        assert other["x"] + other["width"] == pytest.approx(header["x"] + header["width"], abs=1)


def test_one_camera_leaves_room_for_what_is_said_of_it(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, tmp_path, report(), width=1600) as shown:
        card = box(shown.page, "article")
        assert card["y"] + card["height"] <= 800


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_320_pixels_whatever_is_long(browser: Browser, tmp_path: Path, scheme: str) -> None:
    long = replace(
        away(LONG_ID), address=LONG_WORD, message=f"{LONG_WORD}: expected an answer, found {'x' * 300}"
    )
    storage = ReportedStorage(reason="refused", message=f"{'y' * 300} is not allowed", refused=(HELD,))
    location = Location("core-" + "0" * 80, "site-" + "1" * 80, f"gs://b/{'p' * 120}", lambda _: "https://c/")
    with open_page(
        browser,
        tmp_path,
        long,
        recorded(problem="z" * 200),
        waiting(),
        width=320,
        scheme=scheme,
        storage=storage,
        links=links,
        identity=lambda: DEAD_TOKEN,
        location=location,
    ) as shown:
        expect(shown.page.locator(f"[data-camera={LONG_ID}] .message")).to_contain_text("xxx")
        assert shown.page.evaluate("document.documentElement.scrollWidth") <= 320
        cut = shown.page.evaluate(
            """() => [...document.querySelectorAll("h1, h2, p, dd, li")]
                .filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.textContent)"""
        )
        assert cut == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_accessibility_rules_find_nothing(
    browser: Browser, tmp_path: Path, pictures: dict[str, bytes], scheme: str, width: int
) -> None:
    storage = ReportedStorage(reason="unavailable", message="gs://b: expected an answer", refused=(HELD,))
    with open_page(
        browser,
        tmp_path,
        recorded("lobby"),
        away("gate"),
        waiting("dock"),
        stalled("till"),
        width=width,
        scheme=scheme,
        pictures=pictures,
        storage=storage,
        links=links,
        identity=lambda: DEAD_TOKEN,
        location=BUCKET,
    ) as shown:
        shown.page.locator("[data-camera=lobby] img").wait_for()
        found = Axe().run(shown.page)
        assert found.violations_count == 0, found.generate_report()
        shown.server.stop()
        expect(shown.page.locator("#gone")).to_be_visible(timeout=TIMEOUT_MS)
        found = Axe().run(shown.page)
        assert found.violations_count == 0, found.generate_report()


def test_keyboard_goes_through_what_can_be_opened_in_the_order_that_is_seen(
    browser: Browser, tmp_path: Path, pictures: dict[str, bytes]
) -> None:
    cameras = (recorded("lobby"), away("gate"), stalled("till"))
    with open_page(
        browser, tmp_path, *cameras, pictures=pictures, storage=ReportedStorage(), location=BUCKET
    ) as shown:
        for camera_id in ("lobby", "till"):
            shown.page.locator(f"[data-camera={camera_id}] img").wait_for()
        names = []
        for _ in range(6):
            shown.page.keyboard.press("Tab")
            names.append(
                shown.page.evaluate(
                    """() => { const at = document.activeElement;
                        return at.ariaLabel ?? at.querySelector("img")?.alt ?? at.textContent; }"""
                )
            )
            outline = shown.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
        assert names == [
            "Newest picture of till",
            "Newest picture of lobby",
            "recordings of lobby",
            "reports",
            "health",
            "metrics",
        ]


def test_screen_reader_finds_cameras_by_name_with_all_that_is_said_of_them(
    browser: Browser, tmp_path: Path
) -> None:
    with open_page(browser, tmp_path, report(), away()) as shown:
        gate = shown.page.get_by_role("article", name="gate")
        expect(gate).to_contain_text("disconnected")
        expect(gate).to_contain_text("found the connection refused")
        expect(shown.page.get_by_role("status")).to_have_text("1 of 2 cameras in trouble")
        # What counts every second is in no region that is read aloud when it changes.
        aloud = ("[role=status] .lasting", "[role=alert] .lasting", "[aria-live] article")
        assert shown.page.locator(", ".join(aloud)).count() == 0
