"""Settings that are an object in the artifact bucket: fetched from an embedded S3, and kept on the core."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from edgecam.errors import ConfigurationError, InstallationError, StoreRefused
from edgecam.launch.settings import MOST_PACKED_BYTES, expanded
from edgecam.launch.settings_object import fetch_settings
from sandbox.ports import free_port

Store = Callable[[bytes], str]


def settings(name: str) -> bytes:
    return zlib.compress(json.dumps({"node": {"cameras": [{"id": name, "uri": "test://"}]}}).encode())


class Waits:
    """A clock whose waits are steps: each calls the next function."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self._steps = list(steps)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return 0.0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:  # noqa: ARG002 - as a clock has it
        self._steps.pop(0)()
        return event.is_set()


@pytest.fixture(scope="module")
def s3(aws: Callable[[str], Any]) -> Any:
    return aws("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"artifacts-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def store(s3: Any, bucket: str) -> Store:
    """Puts settings into the bucket; what a deployment then names."""

    def put(content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        s3.put_object(Bucket=bucket, Key=f"frame-grabber/settings/{digest}", Body=content)
        return f"s3://{bucket}/frame-grabber/settings/{digest}"

    return put


@pytest.fixture
def environment(s3: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What a core hands to its components; botocore looks for credentials around it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3.meta.endpoint_url}


@pytest.fixture
def nobody() -> str:
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}"


def test_settings_are_fetched_once_and_read_without_network(
    store: Store, environment: dict[str, str], tmp_path: Path, nobody: str
) -> None:
    environment["EDGECAM_SETTINGS"] = store(settings("lobby"))
    fetch_settings(tmp_path, environment)
    (path,) = tmp_path.iterdir()
    assert path.read_bytes() == settings("lobby")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    # Another attempt would wait, and this clock has no step.
    fetch_settings(tmp_path, environment | {"AWS_ENDPOINT_URL": nobody}, clock=Waits())
    assert '"lobby"' in expanded(environment, tmp_path)["EDGECAM_NODE"]


def test_settings_in_the_variable_itself_need_nothing(tmp_path: Path) -> None:
    fetch_settings(tmp_path / "none", {"EDGECAM_SETTINGS": "eJyr"})


def test_those_that_run_and_those_before_are_kept(
    store: Store, environment: dict[str, str], tmp_path: Path, nobody: str
) -> None:
    names = [store(settings(name)) for name in ("first", "second", "third")]
    (tmp_path / "not-ours").touch()
    for name in names:
        fetch_settings(tmp_path, environment | {"EDGECAM_SETTINGS": name})
    kept = {path.name.removeprefix("settings-") for path in tmp_path.iterdir()}
    assert kept == {"not-ours", *(name.rpartition("/")[2] for name in names[1:])}
    # Going back to those before needs no network.
    offline = environment | {"AWS_ENDPOINT_URL": nobody, "EDGECAM_SETTINGS": names[1]}
    fetch_settings(tmp_path, offline, clock=Waits())


def test_torn_file_is_fetched_again(store: Store, environment: dict[str, str], tmp_path: Path) -> None:
    environment["EDGECAM_SETTINGS"] = store(settings("lobby"))
    fetch_settings(tmp_path, environment)
    (path,) = tmp_path.iterdir()
    path.write_bytes(b"")
    fetch_settings(tmp_path, environment)
    assert path.read_bytes() == settings("lobby")


def test_network_that_is_away_is_waited_for(
    store: Store, environment: dict[str, str], tmp_path: Path, nobody: str
) -> None:
    there = environment["AWS_ENDPOINT_URL"]
    environment |= {"EDGECAM_SETTINGS": store(settings("lobby")), "AWS_ENDPOINT_URL": nobody}
    back = Waits(lambda: None, lambda: environment.update(AWS_ENDPOINT_URL=there))
    fetch_settings(tmp_path, environment, clock=back)
    assert len(list(tmp_path.iterdir())) == 1


def test_missing_object_is_an_error_with_the_right_that_is_needed(
    bucket: str, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["EDGECAM_SETTINGS"] = f"s3://{bucket}/frame-grabber/settings/{'0' * 64}"
    with pytest.raises(StoreRefused) as caught:
        fetch_settings(tmp_path, environment)
    assert "answered 404 (NoSuchKey); expected settings that the core may read, found none" in str(
        caught.value
    )
    assert f"grant s3:GetObject on arn:aws:s3:::{bucket}/frame-grabber/settings/* to the core's role" in str(
        caught.value
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [settings("other"), b"", os.urandom(MOST_PACKED_BYTES + 10)])
def test_object_with_other_content_than_its_name_says_is_refused(
    s3: Any, bucket: str, environment: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    digest = hashlib.sha256(settings("lobby")).hexdigest()
    s3.put_object(Bucket=bucket, Key=f"frame-grabber/settings/{digest}", Body=content)
    environment["EDGECAM_SETTINGS"] = f"s3://{bucket}/frame-grabber/settings/{digest}"
    with pytest.raises(ConfigurationError, match="torn, or replaced"):
        fetch_settings(tmp_path, environment)
    assert list(tmp_path.iterdir()) == []


def test_object_that_holds_no_settings_is_refused_and_not_kept(
    store: Store, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["EDGECAM_SETTINGS"] = store(b"something else")
    with pytest.raises(ConfigurationError, match="expected compressed settings"):
        fetch_settings(tmp_path, environment)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_named(
    store: Store, environment: dict[str, str], tmp_path: Path
) -> None:
    environment["EDGECAM_SETTINGS"] = store(settings("lobby"))
    with pytest.raises(InstallationError, match="settings: expected a folder on the core"):
        fetch_settings(tmp_path / "missing", environment)


class _Proxy(BaseHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        request = Request(self.path, headers=dict(self.headers))
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            content = answer.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quietly."""


@pytest.fixture
def proxy() -> Iterator[str]:
    """A proxy's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Proxy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("variable", ["http_proxy", "all_proxy"])
def test_settings_come_through_the_proxy_of_the_nucleus(
    store: Store,
    environment: dict[str, str],
    tmp_path: Path,
    proxy: str,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, proxy)
    _Proxy.asked.clear()
    environment["EDGECAM_SETTINGS"] = name = store(settings("lobby"))
    fetch_settings(tmp_path, environment)
    assert [asked for asked in _Proxy.asked if name.removeprefix("s3://") in asked] == _Proxy.asked != []


def test_command_fetches_and_ends_with_0_or_1(
    store: Store, environment: dict[str, str], tmp_path: Path
) -> None:
    name = store(settings("lobby"))
    command = [sys.executable, "-m", "edgecam", "fetch-settings", str(tmp_path)]
    given = {**os.environ, **environment}
    done = subprocess.run(
        command,
        env=given | {"EDGECAM_SETTINGS": name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert f"fetched the settings {name}" in done.stderr
    missing = given | {"EDGECAM_SETTINGS": f"{name[:-64]}{'0' * 64}"}
    done = subprocess.run(command, env=missing, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam: {name[:-64]}{'0' * 64}: answered 404 (NoSuchKey)")
    assert len(done.stderr.splitlines()) == 1
