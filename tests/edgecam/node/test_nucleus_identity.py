"""Which nodes are watched, and what the watch makes of what it finds. Real daemons: test_dead_daemons.py."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.credentials.token_exchange import TOKEN_VARIABLE, URI_VARIABLE, TokenExchange
from edgecam.errors import NucleusError
from edgecam.greengrass_ipc import SOCKET_VARIABLE
from edgecam.greengrass_ipc import TOKEN_VARIABLE as SVCUID
from edgecam.node.nucleus_identity import IdentityWatch, Needs, Signs
from edgecam.status.last_run import RunMarker
from edgecam.status.restart_policy import NEXT_END_S
from sandbox.clocks import ManualClock
from sandbox.ports import free_port

CREDENTIALS = {URI_VARIABLE: "http://localhost:1/", TOKEN_VARIABLE: "0123456789abcdef"}
NUCLEUS = {SOCKET_VARIABLE: "/ipc.socket", SVCUID: "0123456789abcdef"} | CREDENTIALS
EXCHANGE = TokenExchange("http://localhost:1/", "0123456789abcdef")
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:door-AbCdEf"
PUBLISHES = Needs(None, token=True)
PROVIDER = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/cores/providers/aws"
FEDERATION = {"google": {"audience": PROVIDER}}


def needs(environment: dict[str, str], camera: dict[str, Any] | None = None, **settings: Any) -> Needs:
    cameras = [{"id": "door", "uri": "rtsp://10.0.0.9/a"} | (camera or {})]
    config = validate(NodeConfig, {"cameras": cameras} | settings, name="test")
    return Needs.of(config, environment)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Needs(None, token=False)),
        ({"aws_iot": {"enabled": True}}, Needs(None, token=True)),
        ({"camera": {"credentials": {"secret": SECRET}}}, Needs(EXCHANGE, token=False)),
        ({"bucket": "s3://recordings"}, Needs(EXCHANGE, token=False)),
        ({"bucket": "gs://recordings"}, Needs(None, token=False)),
        ({"bucket": "gs://recordings"} | FEDERATION, Needs(EXCHANGE, token=False)),
        ({"bucket": "file:///recordings"}, Needs(None, token=False)),
    ],
)
def test_node_is_watched_for_what_it_needs_and_nothing_else(
    settings: dict[str, Any], expected: Needs
) -> None:
    assert needs(NUCLEUS, **settings) == expected
    assert bool(expected) == (expected != Needs(None, token=False))


def test_node_that_was_passed_no_address_of_the_credentials_it_needs_ends_when_something_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    passed = {SOCKET_VARIABLE: "/ipc.socket", SVCUID: "0123456789abcdef"}
    found = needs(passed, bucket="s3://recordings")
    assert found == Needs(None, token=False, lacks_exchange=True)
    for is_failing, ends in ((False, 0), (True, 1)):
        watch = Watch(tmp_path / str(is_failing))
        watch.run(for_s=120, needs=found, is_failing=is_failing)
        assert len(watch.ends) == ends
    (tmp_path / "absent").write_text("[default]\naws_access_key_id = AKID\naws_secret_access_key = x\n")
    watch.run(for_s=2 * NEXT_END_S, needs=found, is_failing=True)
    assert len(watch.ends) == 1


def test_node_that_no_nucleus_has_started_is_not_watched() -> None:
    assert not needs(CREDENTIALS, bucket="s3://recordings", aws_iot={"enabled": True})


class Watched(ManualClock):
    """Time passes while the watch waits, up to `until_s`."""

    until_s = 0.0

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if self.monotonic_s() >= self.until_s:
            return True
        return super().wait(event, timeout_s)


class Watch:
    """A watch over a node whose token is refused, run until it ends."""

    def __init__(self, folder: Path) -> None:
        self.clock: Watched = Watched()
        self.marker = RunMarker(folder / "marker" / "node.json")
        self.is_token_refused = True
        self.ends: list[float] = []

    def run(self, for_s: float, needs: Needs = PUBLISHES, *, is_failing: bool = False) -> IdentityWatch:
        self.marker.begin()
        watch = IdentityWatch(
            needs,
            Signs(is_failing=lambda: is_failing, is_token_refused=lambda: self.is_token_refused),
            marker=self.marker,
            end=self._end,
            clock=self.clock,
            boot_id="b-1",
        )
        self.clock.until_s = self.clock.monotonic_s() + for_s
        watch.start()
        for thread in [each for each in threading.enumerate() if each.name == "nucleus"]:
            thread.join(20)
            assert not thread.is_alive()
        return watch

    def _end(self, fault: NucleusError) -> None:
        assert ": expected the nucleus" in str(fault)
        self.ends.append(self.clock.monotonic_s())


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    return Watch(tmp_path)  # type: ignore[return-value]


def test_end_is_noted_for_the_next_start_which_waits_more_than_an_hour(watch: Watch) -> None:
    watch.run(for_s=600)
    first = watch.ends[0]
    assert first < 60
    again = watch.run(for_s=30)
    assert watch.ends == [first]
    assert again.report().reason == "token"
    assert "The node ends in 36" in str(again.report().message)
    watch.run(for_s=2 * NEXT_END_S)
    assert len(watch.ends) == 2
    assert watch.ends[1] - first >= NEXT_END_S


def test_end_that_cannot_be_noted_waits_until_the_node_is_an_hour_old(
    watch: Watch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "marker").write_bytes(b"no folder")
    watch.run(for_s=2 * NEXT_END_S)
    assert watch.ends[0] >= NEXT_END_S
    warnings = [record for record in caplog.records if "expected to note how" in record.getMessage()]
    assert len(warnings) <= 3


def test_nothing_is_reported_when_all_is_well_again(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch.is_token_refused = False
    well = watch.run(for_s=600)
    assert watch.ends == []
    assert (well.report().is_needed, well.report().reason) == (True, None)
    assert caplog.messages == []


def test_port_that_refuses_is_named_with_its_variable(tmp_path: Path) -> None:
    clock, ends = Watched(), list[str]()
    marker = RunMarker(tmp_path / "node.json")
    marker.begin()
    uri = f"http://localhost:{free_port()}/"
    watch = IdentityWatch(
        Needs(TokenExchange(uri, "0123456789abcdef"), token=False),
        Signs(is_failing=lambda: True, is_token_refused=lambda: False),
        marker=marker,
        end=lambda fault: ends.append(str(fault)),
        clock=clock,
    )
    clock.until_s = 600
    watch.start()
    for thread in [each for each in threading.enumerate() if each.name == "nucleus"]:
        thread.join(20)
    assert len(ends) == 1
    assert ends[0].startswith(f"{URI_VARIABLE}: expected")
    assert uri in ends[0]
    assert watch.report().reason == "credentials-port"


def test_port_that_was_never_open_does_not_end_a_node_of_which_nothing_fails(tmp_path: Path) -> None:
    """A classic core whose node is in a network of its own, and gets its secrets over the socket."""
    watch = Watch(tmp_path)
    watch.is_token_refused = False
    exchange = TokenExchange(f"http://localhost:{free_port()}/", "0123456789abcdef")
    found = watch.run(for_s=2 * NEXT_END_S, needs=Needs(exchange, token=True))
    assert watch.ends == []
    assert found.report().reason is None


class Closing(Watched):
    """The service goes away `after_s`."""

    def __init__(self, service: socket.socket, after_s: float) -> None:
        super().__init__()
        self._service = service
        self._closes_s = self.monotonic_s() + after_s

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        if self.monotonic_s() >= self._closes_s:
            self._service.close()
        return super().wait(event, timeout_s)


@pytest.mark.parametrize("after_s", [0, 60])
def test_port_that_was_open_for_this_start_ends_the_node_before_anything_fails(
    tmp_path: Path, after_s: float
) -> None:
    """AWS credentials are cached for most of an hour; the service may die a second after the node started."""
    watch = Watch(tmp_path)
    watch.is_token_refused = False
    with socket.create_server(("127.0.0.1", 0)) as service:
        watch.clock = Closing(service, after_s)
        uri = f"http://127.0.0.1:{service.getsockname()[1]}/"
        watch.run(for_s=600, needs=Needs(TokenExchange(uri, "0123456789abcdef"), token=False))
    assert len(watch.ends) == 1


def test_node_that_needs_nothing_of_the_nucleus_is_not_looked_at(tmp_path: Path) -> None:
    asked: list[str] = []
    watch = IdentityWatch(
        Needs(None, token=False),
        Signs(is_failing=lambda: bool(asked.append("failing")), is_token_refused=lambda: True),
        marker=RunMarker(tmp_path / "node.json"),
        end=lambda fault: asked.append(str(fault)),
        clock=ManualClock(),
    )
    watch.start()
    assert not [each for each in threading.enumerate() if each.name == "nucleus"]
    assert not watch.report().is_needed
    watch.stop()
    assert asked == []
