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
from typing import Any, ClassVar, NamedTuple
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from edgecam.cli.main import main
from edgecam.credentials.token_exchange import KEY_VARIABLE, TOKEN_VARIABLE, URI_VARIABLE
from edgecam.errors import ConfigurationError, InstallationError, NucleusError, StoreRefused
from edgecam.launch import settings_object
from edgecam.launch.settings import MOST_PACKED_BYTES, expanded
from edgecam.launch.settings_object import fetch_settings
from edgecam.status.restart_policy import LASTS_S, NEXT_END_S
from sandbox.clocks import ManualClock
from sandbox.http_server import HttpServer, RequestHandler
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


class Limited(ManualClock):
    """Waiting takes no time, and is a failure beyond `most_s`."""

    def __init__(self, most_s: float) -> None:
        super().__init__()
        self._most_s = most_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        assert self.monotonic_s() < self._most_s, "still waiting"
        return super().wait(event, timeout_s)


class Answer(NamedTuple):
    """What a server answers: `length` is what it says that the body has."""

    status: int
    body: bytes
    length: int | None = None


class Answering:
    """An HTTP server that gives one answer after the other, the last one from then on."""

    def __init__(self, *answers: Answer) -> None:
        rest = list(answers)

        class Handler(RequestHandler):
            def respond(self) -> None:
                status, body, length = rest.pop(0) if len(rest) > 1 else rest[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)
                self.close_connection = True

        self._server = HttpServer(0, Handler, name="answering")
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Answer no more."""
        self._server.stop()


@pytest.fixture
def answering() -> Iterator[Callable[..., str]]:
    """Starts a server with these answers; its address."""
    started: list[Answering] = []

    def start(*answers: Answer) -> str:
        started.append(Answering(*answers))
        return started[-1].url

    yield start
    for each in started:
        each.stop()


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
    assert list(tmp_path.iterdir()) == []


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
    clock = Limited(2 * LASTS_S)
    with pytest.raises(StoreRefused) as caught:
        fetch_settings(tmp_path, environment, clock=clock)
    assert clock.monotonic_s() >= LASTS_S  # three starts are not over within seconds
    assert "answered 404 (NoSuchKey); expected settings that the core may read, found none" in str(
        caught.value
    )
    assert f"grant s3:GetObject on arn:aws:s3:::{bucket}/frame-grabber/settings/* to the core's role" in str(
        caught.value
    )
    assert list(tmp_path.iterdir()) == []


def test_object_that_is_there_a_moment_later_is_fetched(
    store: Store, s3: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    """Deployed a moment before it was there, or before the role's right has reached every machine of S3."""
    environment["EDGECAM_SETTINGS"] = name = store(settings("lobby"))
    bucket, _, key = name.removeprefix("s3://").partition("/")
    s3.delete_object(Bucket=bucket, Key=key)
    fetch_settings(tmp_path, environment, clock=Waits(lambda: None, lambda: store_at(s3, name)))
    assert len(list(tmp_path.iterdir())) == 1


def store_at(s3: Any, name: str) -> None:
    bucket, _, key = name.removeprefix("s3://").partition("/")
    s3.put_object(Bucket=bucket, Key=key, Body=settings("lobby"))


LOGIN_PAGE = b"<html>Welcome to the guests' network</html>"


@pytest.mark.parametrize(
    "first",
    [
        Answer(200, settings("lobby")[:30], length=len(settings("lobby"))),
        Answer(200, LOGIN_PAGE),
        Answer(403, LOGIN_PAGE),
        Answer(404, b""),
        Answer(511, LOGIN_PAGE),
        Answer(503, b"<Error><Code>SlowDown</Code></Error>"),
    ],
    ids=["ends-early", "login-page", "proxy", "proxy-without-page", "must-log-in", "slow-down"],
)
def test_answer_that_is_not_whole_or_not_of_s3_is_waited_for(
    answering: Callable[..., str], environment: dict[str, str], tmp_path: Path, first: Answer
) -> None:
    environment["AWS_ENDPOINT_URL"] = answering(first, Answer(200, settings("lobby")))
    digest = hashlib.sha256(settings("lobby")).hexdigest()
    environment["EDGECAM_SETTINGS"] = f"s3://artifacts/frame-grabber/settings/{digest}"
    fetch_settings(tmp_path, environment, clock=Waits(lambda: None))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [settings("lobby")]


@pytest.fixture
def core(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Passes what a nucleus passes: the service at this address, or nothing where it was started later."""
    monkeypatch.delenv(KEY_VARIABLE)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))

    def passes(uri: str | None) -> None:
        for name, value in {URI_VARIABLE: uri, TOKEN_VARIABLE: "0123456789abcdef"}.items():
            if uri is not None and value is not None:
                monkeypatch.setenv(name, value)
                environment[name] = value

    return passes


UNKNOWN = Answer(404, b"No such svcuid present.")


@pytest.mark.parametrize(
    ("how", "variable"),
    [("refused", URI_VARIABLE), ("unknown", TOKEN_VARIABLE), ("never-passed", URI_VARIABLE)],
)
def test_credentials_that_no_wait_brings_back_end_the_start_soon_then_once_an_hour(
    store: Store,
    environment: dict[str, str],
    core: Callable[..., None],
    answering: Callable[..., str],
    nobody: str,
    tmp_path: Path,
    how: str,
    variable: str,
) -> None:
    """The next start is passed what holds then; both nuclei count starts by the hour."""
    environment["EDGECAM_SETTINGS"] = store(settings("lobby"))
    core({"refused": nobody, "unknown": answering(UNKNOWN), "never-passed": None}[how])
    folder = tmp_path / "settings"
    folder.mkdir(mode=0o755)
    clock = Limited(2 * LASTS_S)
    with pytest.raises(NucleusError, match=f"^{variable}: expected the nucleus"):
        fetch_settings(folder, environment, clock=clock)
    first_s = clock.monotonic_s()
    assert first_s >= LASTS_S
    again = Limited(2 * NEXT_END_S)
    again.advance(first_s)
    with pytest.raises(NucleusError):
        fetch_settings(folder, environment, clock=again)
    assert again.monotonic_s() - first_s >= NEXT_END_S


def test_credentials_that_the_service_has_not_got_yet_are_waited_for(
    store: Store,
    environment: dict[str, str],
    core: Callable[..., None],
    answering: Callable[..., str],
    tmp_path: Path,
) -> None:
    """AWS IoT is away: three tries of botocore, then those that tell a dead token from a live one."""
    environment["EDGECAM_SETTINGS"] = store(settings("lobby"))
    given = {"AccessKeyId": "123456789012", "SecretAccessKey": "test", "Token": "t"}
    given["Expiration"] = "2100-01-01T00:00:00Z"
    away = Answer(500, b"Failed to get connection")
    core(answering(*[away] * 4, Answer(200, json.dumps(given).encode())))
    fetch_settings(tmp_path, environment, clock=Limited(2 * NEXT_END_S))
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [settings("other"), b"", os.urandom(MOST_PACKED_BYTES + 10)])
def test_object_with_other_content_than_its_name_says_is_refused(
    s3: Any, bucket: str, environment: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    digest = hashlib.sha256(settings("lobby")).hexdigest()
    s3.put_object(Bucket=bucket, Key=f"frame-grabber/settings/{digest}", Body=content)
    environment["EDGECAM_SETTINGS"] = f"s3://{bucket}/frame-grabber/settings/{digest}"
    clock = Limited(2 * LASTS_S)
    with pytest.raises(ConfigurationError, match="torn, or replaced"):
        fetch_settings(tmp_path, environment, clock=clock)
    assert clock.monotonic_s() >= LASTS_S
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
    store: Store,
    environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
    missing = f"{name[:-64]}{'0' * 64}"
    for variable, value in {**environment, "EDGECAM_SETTINGS": missing}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(settings_object, "SystemClock", ManualClock)
    assert main(["fetch-settings", str(tmp_path)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"edgecam: {missing}: answered 404 (NoSuchKey)")
