"""Devices at the embedded Cloud IoT: a real MQTT bridge over TLS that enforces the service's rules."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from edgecam.cloud_iot.connection import Limits
from edgecam.status.reports import LinkReport
from edgecam.status.schedule import LEAST_EVERY_S
from sandbox.clocks import SteppingClock
from sandbox.faults.token_renewal import greatest_age_s
from sandbox.iot.device_harness import (
    REGISTRY,
    DeviceHarness,
    KeyPair,
    made_pair,
)
from sandbox.iot.server import EmbeddedCloudIot
from sandbox.ports import free_port

Eventually = Callable[..., Any]

HASTY = Limits(connect_s=1.0, answer_s=0.8, keepalive_s=1)
"""Notices a frozen bridge within the time of a test."""
ARRIVAL_TOLERANCE_S = 0.05
"""The bridge dates a state when it has read it, which a busy machine may do late for one of two."""
CURIOUS = Limits(key_s=0)
"""Looks for another key before every token."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloudIot]:
    with EmbeddedCloudIot(tmp_path_factory.mktemp("cloud")) as running:
        running.make_registry(REGISTRY)
        yield running


@pytest.fixture(autouse=True)
def bridge_is_back(cloud: EmbeddedCloudIot) -> Iterator[None]:
    yield
    cloud.bridge_up()


@pytest.fixture(scope="module")
def pair() -> KeyPair:
    return made_pair()


@pytest.fixture(scope="module")
def renewing(tmp_path_factory: pytest.TempPathFactory, pair: KeyPair) -> Iterator[DeviceHarness]:
    """A device whose tokens run out soon, undisturbed while the other tests run."""
    with EmbeddedCloudIot(tmp_path_factory.mktemp("quiet-cloud")) as quiet:
        quiet.make_registry(REGISTRY)
        with DeviceHarness(quiet, "renewing", pair=pair, config={"token_s": 5, "every_s": 3}) as harness:
            yield harness


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A camera of this test's own."""
    return "c" + str(abs(hash((request.node.name, time.monotonic_ns()))))


def harness_at(cloud: EmbeddedCloudIot, *ids: str, end_s: float = 0.1, **options: Any) -> DeviceHarness:
    """Devices whose last words are not waited for unless the test is about them."""
    return DeviceHarness(cloud, *ids, end_s=end_s, **options)


def report(harness: DeviceHarness, camera_id: str) -> LinkReport:
    return harness.transport.reports()[camera_id]


def words(cloud: EmbeddedCloudIot, camera_id: str) -> list[str]:
    """The states that the bridge has got, oldest first."""
    return [
        json.loads(state.data)["state"] for state in reversed(cloud.states(DeviceHarness.device(camera_id)))
    ]


def events(cloud: EmbeddedCloudIot, camera_id: str) -> list[Any]:
    return [json.loads(event.data) for event in cloud.events(DeviceHarness.device(camera_id))]


@pytest.mark.usefixtures("renewing")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_state_is_published_at_once_and_at_most_once_a_second(
    cloud: EmbeddedCloudIot, name: str, algorithm: str, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=made_pair(algorithm)) as harness:
        eventually(lambda: words(cloud, name) == ["connected"])
        for word in ("stalled", "connecting", "connected", "stalled"):
            harness.states.say(word)
            time.sleep(0.3)  # changes faster than they may be published
        eventually(lambda: words(cloud, name)[-1] == "stalled")
        eventually(lambda: report(harness, name).sent_total == len(words(cloud, name)))
        published = cloud.states(harness.device(name))
        assert report(harness, name).is_connected
    gaps = [(after.time - before.time).total_seconds() for after, before in pairwise(published)]
    assert min(gaps) >= LEAST_EVERY_S - ARRIVAL_TOLERANCE_S
    assert cloud.connections(harness.device(name)).refused == ()


def test_word_alone_is_sent_where_the_forerunner_s_form_is_wanted(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair, config={"payload": "word"}) as harness:
        assert eventually(lambda: cloud.states(harness.device(name)))[0].data == b"connected"


def test_renewal_does_not_wait_for_a_secret_that_does_not_come(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair, limits=CURIOUS, config={"token_s": 5, "every_s": 3}) as harness:
        eventually(lambda: report(harness, name).is_connected)
        hangs, released, fetch = threading.Event(), threading.Event(), harness.secrets.fetch

        def hang(arn: str, *, latest: bool = False) -> str:
            hangs.set()
            released.wait(30)
            return fetch(arn, latest=latest)

        harness.secrets.fetch = hang  # type: ignore[method-assign]
        eventually(lambda: report(harness, name).reconnects_total >= 1)
        before = report(harness, name).sent_total
        eventually(lambda: report(harness, name).sent_total > before)
        assert hangs.is_set()
        released.set()
    assert greatest_age_s(cloud.states(harness.device(name))) <= 3
    assert "token-expired" not in cloud.connections(harness.device(name)).endings


def test_rotated_key_is_taken_up_without_a_gap(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    newer = made_pair("ES256")
    with harness_at(cloud, name, pair=pair, limits=CURIOUS, config={"token_s": 5, "every_s": 3}) as harness:
        eventually(lambda: harness.transport.key_version(name) == "1")
        harness.keep(name, newer, version="2")  # the core hears of it before the registry does
        eventually(lambda: "signature" in cloud.connections(harness.device(name)).refusals)
        eventually(lambda: cloud.connections(harness.device(name)).accepted == 2)
        assert harness.transport.key_version(name) == "1"
        cloud.set_keys(harness.device(name), pair.public, newer.public)
        eventually(lambda: harness.transport.key_version(name) == "2")
    assert greatest_age_s(cloud.states(harness.device(name))) <= 3
    assert set(cloud.connections(harness.device(name)).refusals) == {"signature"}


def test_devices_come_back_when_the_bridge_does(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    ids = [f"{name}-{number}" for number in range(5)]
    with harness_at(cloud, *ids, pair=pair) as harness:
        eventually(lambda: all(each.sent_total for each in harness.transport.reports().values()))
        cloud.bridge_down()
        eventually(lambda: {each.reason for each in harness.transport.reports().values()} == {"refused"})
        assert "expected a bridge to listen there" in str(report(harness, ids[0]).message)
        cloud.bridge_up()
        eventually(lambda: all(each.sent_total >= 2 for each in harness.transport.reports().values()))
        eventually(lambda: {each.reason for each in harness.transport.reports().values()} == {None})


def test_unconfirmed_state_is_published_again_after_the_bridge_fell_silent(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    limits = HASTY._replace(keepalive_s=60)  # before which the state itself shows that nobody answers
    with harness_at(cloud, name, pair=pair, limits=limits) as harness:
        eventually(lambda: report(harness, name).sent_total == 1)
        cloud.bridge_silent()
        harness.states.say("stalled")
        eventually(lambda: report(harness, name).reason == "silent")
        assert not report(harness, name).is_connected
        assert "expected" in str(report(harness, name).message)
        cloud.bridge_up()
        eventually(lambda: words(cloud, name)[-1] == "stalled")
        eventually(lambda: report(harness, name).reason is None)


def test_frozen_bridge_is_noticed_though_no_state_is_due(
    tmp_path: Path, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with EmbeddedCloudIot(tmp_path) as cloud:
        cloud.make_registry(REGISTRY)
        with harness_at(cloud, name, pair=pair, limits=HASTY, config={"every_s": 3600}) as harness:
            eventually(lambda: report(harness, name).sent_total == 1)
            os.kill(cloud.pid, signal.SIGSTOP)
            try:
                eventually(lambda: not report(harness, name).is_connected)
                eventually(lambda: report(harness, name).reason == "unreachable")
            finally:
                os.kill(cloud.pid, signal.SIGCONT)
            eventually(lambda: report(harness, name).is_connected)


def test_wrong_key_is_reported_asked_for_again_and_recovered_from(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with harness_at(cloud, name, pair=made_pair(), registered=pair, limits=CURIOUS) as harness:
        eventually(lambda: [each.levelno for each in caplog.records].count(logging.ERROR) == 1)
        found = report(harness, name)
        assert found.reason == "unauthorized"
        assert f"refuses the token of {harness.device(name)} (ES256 key, version 1;" in str(found.message)
        assert "public key is not registered" in str(found.message)
        assert (
            len(harness.secrets.fetched)
            <= cloud.connections(harness.device(name)).refusals.count("signature") + 1
        )
        harness.keep(name, pair, version="2")
        eventually(lambda: words(cloud, name) == ["connected"], within_s=30)
        assert harness.transport.key_version(name) == "2"
    assert "its state is published again" in caplog.text


def test_wrong_clock_is_said_and_put_right_without_waiting(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    clock = SteppingClock()
    clock.step(-2 * 3600)
    with harness_at(cloud, name, pair=pair, clock=clock) as harness:
        eventually(lambda: len(cloud.connections(harness.device(name)).refusals) >= 2)
        assert set(cloud.connections(harness.device(name)).refusals) == {"token-expired"}
        message = str(report(harness, name).message)
        assert "this core's clock is wrong (it says " + clock.now().isoformat()[:13] in message
        clock.step(2 * 3600)
        eventually(lambda: words(cloud, name) == ["connected"])


@pytest.mark.parametrize("error_s", [-300, 300])
def test_clock_a_few_minutes_off_is_no_trouble(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, error_s: float, eventually: Eventually
) -> None:
    clock = SteppingClock()
    clock.step(error_s)
    with harness_at(cloud, name, pair=pair, clock=clock) as harness:
        eventually(lambda: words(cloud, name) == ["connected"])
    assert cloud.connections(harness.device(name)).refused == ()


def test_commands_are_done_and_what_came_of_them_is_published(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair) as harness:
        eventually(lambda: report(harness, name).sent_total == 1)
        cloud.send_command(harness.device(name), b"", "snapshot")
        cloud.send_command(harness.device(name), b"restart\n")
        cloud.send_command(harness.device(name), b"", "explode")
        eventually(lambda: len(events(cloud, name)) == 3)
    assert harness.control.commands == [(name, "snapshot"), (name, "restart"), (name, "explode")]
    assert events(cloud, name) == [
        {"command": "snapshot", "done": True},
        {"command": "restart", "done": True},
        {"command": "explode", "error": "expected one of restart, snapshot, found explode"},
    ]


def test_event_is_given_up_where_the_registry_takes_none(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    registry = f"{REGISTRY}-mute"
    cloud.make_registry(registry, event_topic=False)
    device = cloud.make_device(f"{registry}/devices/{name}", pair.public)
    harness = harness_at(cloud, name, pair=pair, config={"registry": registry.rpartition("/")[2]})
    harness.secrets.values[harness.arn(name)] = pair.private
    with harness:
        eventually(lambda: report(harness, name).sent_total == 1)
        cloud.send_command(device, b"", "snapshot")
        eventually(lambda: "gave up reporting the result of a command" in caplog.text)
        eventually(lambda: report(harness, name).is_connected)
        assert cloud.connections(device).refusals == ["no-event-topic"] * 2


def test_config_is_handed_on_when_it_changes_and_not_with_every_connection(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair) as harness:
        eventually(lambda: harness.control.configs == [(name, b"")])
        cloud.set_config(harness.device(name), b'{"max_fps": 2}')
        eventually(lambda: harness.control.configs[1:] == [(name, b'{"max_fps": 2}')])
        cloud.bridge_down()
        cloud.bridge_up()
        eventually(lambda: report(harness, name).reconnects_total >= 1)
        cloud.set_config(harness.device(name), b"")
        eventually(lambda: len(harness.control.configs) == 3)
    assert harness.control.configs[2] == (name, b"")


def test_last_words_of_all_devices_arrive_within_the_time(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    ids = [f"{name}-{number}" for number in range(5)]
    harness = harness_at(cloud, *ids, pair=pair)
    harness.transport.start()
    eventually(lambda: all(each.sent_total for each in harness.transport.reports().values()))
    harness.states.say("disconnected")
    harness.transport.stop(3.0)
    assert "without the final state" not in caplog.text
    assert {words(cloud, each)[-1] for each in ids} == {"disconnected"}
    assert {ending for each in ids for ending in cloud.connections(harness.device(each)).endings} == {
        "by-client"
    }
    assert not any(thread.name.startswith(f"device-{name}") for thread in threading.enumerate())


def test_end_does_not_wait_for_a_bridge_that_is_away(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    harness = harness_at(cloud, name, pair=pair, config={"port": free_port()})
    harness.transport.start()
    eventually(lambda: report(harness, name).reason == "refused")
    harness.transport.stop(3.0)
    assert f"left the bridge without the final state of {name}" in caplog.text
    assert not any(thread.name == f"device-{name}" for thread in threading.enumerate())


def test_transport_that_was_never_started_ends_at_once(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair
) -> None:
    harness_at(cloud, name, pair=pair).transport.stop(1.0)


@pytest.mark.parametrize(
    ("config", "reason", "said"),
    [
        ({"host": "bridge.invalid"}, "unreachable", "address cannot be found"),
        ({"ca_file": None}, "untrusted", "certificate cannot be verified"),
        ({"ca_file": "/nowhere/ca.pem"}, "untrusted", "ca_file /nowhere/ca.pem: expected a PEM file"),
        ({"project": "another-project"}, "unauthorized", "refuses the token of projects/another-project/"),
        ({"registry": "another-registry"}, "unauthorized", "the device does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    config: dict[str, Any],
    reason: str,
    said: str,
    eventually: Eventually,
) -> None:
    harness = harness_at(cloud, name, pair=pair, config=config)
    harness.secrets.values[harness.arn(name)] = pair.private
    with harness:
        eventually(lambda: report(harness, name).reason == reason)
        assert said in str(report(harness, name).message)


def test_port_that_speaks_no_tls_is_said(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair, config={"port": cloud.api_port}) as harness:
        eventually(lambda: report(harness, name).reason == "tls")


def test_device_whose_key_cannot_be_had_says_so_and_takes_nothing_from_the_others(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    other = f"{name}-other"
    harness = harness_at(cloud, name, other, pair=pair)
    kept = harness.secrets.values.pop(harness.arn(name))
    with harness:
        eventually(lambda: report(harness, other).sent_total == 1)
        eventually(lambda: report(harness, name).reason == "key")
        harness.secrets.values[harness.arn(name)] = kept
        eventually(lambda: words(cloud, name) == ["connected"], within_s=30)


def test_blocked_device_is_named_as_what_it_may_be(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    with harness_at(cloud, name, pair=pair) as harness:
        eventually(lambda: report(harness, name).is_connected)
        cloud.block(harness.device(name))
        eventually(lambda: report(harness, name).reason == "unauthorized")
        assert "is blocked" in str(report(harness, name).message)


def test_twenty_devices_report_from_one_process(
    cloud: EmbeddedCloudIot, name: str, pair: KeyPair, eventually: Eventually
) -> None:
    ids = [f"{name}-{number:02}" for number in range(20)]
    with harness_at(cloud, f"{name}-first", pair=pair) as first:  # what is loaded once is loaded
        eventually(lambda: report(first, f"{name}-first").is_connected)
        process = psutil.Process()
        threads, before_mb = process.num_threads(), process.memory_info().rss / 1e6
        with harness_at(cloud, *ids, pair=pair, config={"every_s": 2}, end_s=5.0) as harness:
            eventually(lambda: all(each.sent_total >= 2 for each in harness.transport.reports().values()))
            assert process.num_threads() - threads == len(ids)
            assert process.memory_info().rss / 1e6 - before_mb < 20
    assert {words(cloud, each)[-1] for each in ids} == {"disconnected"}
    assert not any(cloud.connections(harness.device(each)).refused for each in ids)


def test_no_key_and_no_token_stands_in_any_record(
    cloud: EmbeddedCloudIot,
    name: str,
    pair: KeyPair,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    tokens: list[str] = []
    from edgecam.cloud_iot.connection import BridgeConnection

    opened = BridgeConnection.open

    def noted(self: BridgeConnection, token: str, key_name: str, timeout_s: float) -> None:
        tokens.append(token)
        opened(self, token, key_name, timeout_s)

    monkeypatch.setattr(BridgeConnection, "open", noted)
    with harness_at(cloud, name, pair=pair) as harness:
        eventually(lambda: report(harness, name).sent_total == 1)
        cloud.block(harness.device(name))
        eventually(lambda: report(harness, name).reason == "unauthorized")
        reported = repr(harness.transport.reports())
    hidden = [*tokens, *(line for line in pair.private.splitlines() if len(line) > 30)]
    assert len(tokens) >= 2
    text = reported + "".join(repr(record.__dict__) for record in caplog.records) + cloud.log.read_text()
    assert not [secret for secret in hidden if secret in text or secret.rpartition(".")[2] in text]


def test_token_is_renewed_again_and_again_and_the_state_stays_young(
    renewing: DeviceHarness, eventually: Eventually
) -> None:
    eventually(lambda: report(renewing, "renewing").reconnects_total >= 3)
    device = renewing.device("renewing")
    states, connections = renewing.cloud.states(device), renewing.cloud.connections(device)
    assert greatest_age_s(states) <= 3
    assert connections.refused == ()
    assert set(connections.endings) <= {"by-client", "taken-over"}
