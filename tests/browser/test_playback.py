"""Recorded chunks in a real browser, as the bucket's visitors see them: whole, and saved after a kill."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from camera_process import CameraProcess
from firefox import Firefox
from half_written import FILM_WITH_B_FRAMES, write_mp4
from mp4_chunks import TIMESCALE, fragments, init_segment, segment
from playwright.sync_api import Browser, Page
from recorded import ChunkFolder

from edgecam.clock import SystemClock
from edgecam.config.camera import Camera
from edgecam.config.recording import ChunkFormat
from edgecam.config.validation import validate
from edgecam.credentials.logins import Logins
from edgecam.formats.repair import RepairedFile, repair
from edgecam.node.camera_worker import CameraWorker

TIMEOUT_MS = 20_000
WIDTH, HEIGHT, FPS = 640, 360, 15
CHUNK_S = 4
SAVED_PICTURES = 2 * FPS


class Bucket(ThreadingHTTPServer):
    """A folder over HTTP on 127.0.0.1, with ranges, as a bucket answers."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.folder = folder
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path: Path) -> str:
        """Where a file of the folder is."""
        return f"http://127.0.0.1:{self.server_port}/{path.relative_to(self.folder)}"


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def do_GET(self) -> None:
        path = self.server.folder / self.path.lstrip("/")
        if path.suffix != ".mp4":
            self._answer(200, b"<!doctype html><link rel=icon href=data:,><video muted></video>", "text/html")
            return
        content = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            self._answer(200, content, "video/mp4")
            return
        first, last = int(asked[1]), int(asked[2] or len(content) - 1)
        self._answer(206, content[first : last + 1], "video/mp4", f"bytes {first}-{last}/{len(content)}")

    def _answer(self, code: int, body: bytes, kind: str, content_range: str | None = None) -> None:
        self.send_response(code)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Accept-Ranges": "bytes"}
        for name, value in (headers | ({"Content-Range": content_range} if content_range else {})).items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # a player leaves when it has seen enough

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Nobody reads it."""


class Studio:
    """A camera that is being recorded."""

    def __init__(self, folder: Path, uri: str) -> None:
        self.chunks = ChunkFolder(folder)
        document = {"id": "lobby", "uri": uri, "frames": {"enabled": False}}
        document["recording"] = {"enabled": True, "chunk_s": CHUNK_S}
        camera = validate(Camera, document)
        self.worker = CameraWorker(
            camera, data_dir=str(folder), logins=Logins([camera]), clock=SystemClock(), chunks=self.chunks
        )
        self.worker.start()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    server = Bucket(tmp_path)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def studio(tmp_path: Path, test_cameras: Callable[..., CameraProcess]) -> Iterator[Studio]:
    cameras = test_cameras(f"lobby:{WIDTH}x{HEIGHT}@{FPS}:keyframe=1")
    made = Studio(tmp_path, cameras.uri("lobby"))
    yield made
    made.worker.stop()
    assert made.worker.join(10)


@pytest.fixture
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    started = Firefox(tmp_path_factory.mktemp("firefox"))
    yield started
    started.close()


@pytest.fixture
def page(browser: Browser, bucket: Bucket) -> Iterator[Page]:
    """An empty page with a player; what the browser complains about fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(TIMEOUT_MS)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda message: complaints.append(message.text))
    opened.goto(bucket.url(bucket.folder / "player"))
    yield opened
    context.close()
    assert complaints == []


PLAY = """async (url) => {
    const video = document.querySelector("video");
    const happened = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, { once: true });
        video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
    });
    const ready = happened("loadedmetadata");
    video.src = url;
    await ready;
    const found = { duration_s: video.duration, width: video.videoWidth, height: video.videoHeight };
    const ended = happened("ended");
    video.playbackRate = 4;
    await video.play();
    await ended;
    found.ended_s = video.currentTime;
    const pictures = video.getVideoPlaybackQuality();
    found.pictures = pictures.totalVideoFrames;
    found.corrupted = pictures.corruptedVideoFrames;
    const sought = happened("seeked");
    video.currentTime = video.duration / 2;
    await sought;
    found.sought_s = video.currentTime;
    return found;
}"""


def plays(player: Page | Firefox, url: str, duration_s: float) -> None:
    found = player.evaluate(PLAY, url)
    assert found["duration_s"] == pytest.approx(duration_s, abs=0.1)
    assert (found["width"], found["height"]) == (WIDTH, HEIGHT)
    assert found["ended_s"] == pytest.approx(found["duration_s"], abs=0.1)
    assert found["sought_s"] == pytest.approx(found["duration_s"] / 2, abs=0.1)
    assert not found["corrupted"]  # Firefox does not count them
    assert found["pictures"] > 0


def test_chunks_play_whole_and_saved_after_a_kill(
    studio: Studio,
    page: Page,
    firefox: Firefox,
    bucket: Bucket,
    tmp_path: Path,
    eventually: Callable[..., Any],
) -> None:
    copy = tmp_path / "killed.mp4"

    def saved() -> RepairedFile | None:
        """Of the chunk that is being written: what a node killed right now would find at its next start."""
        for path in studio.chunks.open_paths():
            shutil.copy(path, copy)
            recovered = repair(copy, ChunkFormat.MP4)
            if recovered is not None and recovered.pictures >= SAVED_PICTURES:
                return recovered
        return None

    eventually(lambda: studio.chunks.chunks, within_s=30)
    recovered = eventually(saved, within_s=30)
    whole = studio.chunks.chunks[0]
    firefox.open(bucket.url(bucket.folder / "player"))
    for player in (page, firefox):
        plays(player, bucket.url(studio.chunks.path(whole)), whole.duration_ms / 1000)
        plays(player, bucket.url(copy), recovered.duration_ms / 1000)


BUFFER = """async ([mime, urls]) => {
    const source = new MediaSource();
    const opened = new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
    document.querySelector("video").src = URL.createObjectURL(source);
    await opened;
    const buffer = source.addSourceBuffer(mime);
    for (const url of urls) {
        const content = await (await fetch(url)).arrayBuffer();
        await new Promise((resolve, reject) => {
            buffer.addEventListener("updateend", resolve, { once: true });
            buffer.addEventListener("error", () => reject(new Error(`cannot take ${url}`)), { once: true });
            buffer.appendBuffer(content);
        });
    }
    const ranges = buffer.buffered;
    return [...Array(ranges.length).keys()].map((at) => [ranges.start(at), ranges.end(at)]);
}"""


def test_segments_copied_from_chunks_join_in_a_media_source(
    page: Page, firefox: Firefox, bucket: Bucket, tmp_path: Path
) -> None:
    """What a page that plays HLS does. Two chunks of six seconds, the first as two segments."""
    chunk = tmp_path / "chunk.mp4"
    write_mp4(chunk, FILM_WITH_B_FRAMES)
    content = chunk.read_bytes()
    found = fragments(content)
    firsts = [each.runs[0].samples[0] for each in found]
    border = next(at for at, it in enumerate(firsts) if it.is_keyframe and it.shown_at > 3 * TIMESCALE)
    pieces = [
        init_segment(content),
        segment(content, 1, 0, found[:border]),
        segment(content, 1 + border, 0, found[border:]),
        segment(content, 100, 6 * TIMESCALE),
    ]
    urls = []
    for number, piece in enumerate(pieces):
        path = tmp_path / f"{number}.mp4"
        path.write_bytes(piece)
        urls.append(bucket.url(path))
    profile = content[content.index(b"avcC") + 5 :][:3].hex()
    firefox.open(bucket.url(bucket.folder / "player"))
    for player in (page, firefox):
        ranges = player.evaluate(BUFFER, [f'video/mp4; codecs="avc1.{profile}"', urls])
        assert ranges == [[pytest.approx(0, abs=0.01), pytest.approx(12, abs=0.01)]]
