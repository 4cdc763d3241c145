"""AWS IoT Core, by way of a nucleus' socket (the real SDK, the real protocol)."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from nucleus_socket import THING, NucleusSocket
from reporting import ReportedNode, away, report

from edgecam.brokers.aws_iot import AwsIotTransport
from edgecam.brokers.state_document import NodeStates
from edgecam.brokers.topics import topic_of
from edgecam.clock import Clock, SystemClock
from edgecam.greengrass_ipc import (
    ERRORED,
    RUNNING,
    SOCKET_VARIABLE,
    THING_VARIABLE,
    TOKEN_REFUSED,
    TOKEN_VARIABLE,
    report_errored,
)
from edgecam.status.reports import CameraState, LinkReport
from sandbox.clocks import ManualClock

LOBBY, GATE = topic_of(THING, "lobby"), topic_of(THING, "gate")

Eventually = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once: what is tested is that they come, not when."""
    monkeypatch.setattr("edgecam.brokers.aws_iot._FIRST_DELAY_S", 0.05)
    monkeypatch.setattr("edgecam.brokers.aws_iot._LONGEST_DELAY_S", 0.05)
    monkeypatch.setattr("edgecam.brokers.aws_iot._REFUSED_DELAY_S", 0.05)
    monkeypatch.setattr("edgecam.brokers.aws_iot._TOKEN_REFUSED_DELAY_S", 0.05)
    monkeypatch.setattr("edgecam.brokers.aws_iot.LOOK_EVERY_S", 0.05)


@pytest.fixture
def nucleus(tmp_path: Path) -> Iterator[NucleusSocket]:
    started = NucleusSocket(tmp_path / "ipc.socket")
    yield started
    started.close()


class Publishing:
    """A transport, and the node that it tells of."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        every_s: float = 3600,
        clock: Clock = SystemClock(),  # noqa: B008 - holds nothing
    ) -> None:
        self.node = ReportedNode(folder, report("lobby"), away("gate"))
        self.states = NodeStates(self.node.reports, clock=clock)
        self.transport = AwsIotTransport(
            ["lobby", "gate"],
            states=self.states.states_every(every_s),
            every_s=every_s,
            environment=environment,
            clock=clock,
        )

    def link(self, camera_id: str = "lobby") -> LinkReport:
        return self.transport.reports()[camera_id]


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Callable[..., Publishing]]:
    started: list[Publishing] = []

    def start(environment: dict[str, str], **options: Any) -> Publishing:
        publishing = Publishing(tmp_path, environment, **options)
        started.append(publishing)
        publishing.transport.start()
        return publishing

    yield start
    for publishing in started:
        publishing.transport.stop(timeout_s=5)


def test_each_camera_has_a_topic_of_its_own(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: set(nucleus.topics()) == {LOBBY, GATE})
    assert LOBBY == "edgecam/gate-core/lobby/state"
    assert {each.qos for each in nucleus.published} == {"1"}
    published = {each.topic: json.loads(each.payload) for each in nucleus.published}
    assert (published[LOBBY]["state"], published[GATE]["state"]) == ("connected", "disconnected")
    eventually(lambda: publishing.link().sent_total == publishing.link("gate").sent_total == 1)
    assert publishing.link().is_connected
    assert publishing.link().since is not None


def test_nucleus_hears_once_that_the_component_runs(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link().sent_total)
    nucleus.close()
    eventually(lambda: not publishing.link().is_connected)
    nucleus.begin()
    eventually(lambda: publishing.link().is_connected)
    assert nucleus.states == [RUNNING]


def test_change_is_published_at_once_and_nothing_else_before_its_time(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link().sent_total and publishing.link("gate").sent_total)
    publishing.node.current = (report("lobby", state=CameraState.STALLED, reason="silent"), away("gate"))
    eventually(lambda: publishing.link().sent_total == 2)
    assert json.loads(nucleus.published[-1].payload)["reason"] == "silent"
    assert nucleus.topics().count(GATE) == 1


def test_state_is_published_again_before_it_is_too_old(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment, every_s=1)
    eventually(lambda: publishing.link().sent_total >= 3)
    assert publishing.link("gate").sent_total >= 2


def test_state_is_never_older_than_its_period_and_never_published_twice_in_a_second(
    nucleus: NucleusSocket,
    publish: Callable[..., Publishing],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgecam.brokers.aws_iot.LOOK_EVERY_S", 0.5)
    publishing = publish(nucleus.environment, every_s=1.2, clock=ManualClock())  # waiting takes no time
    eventually(lambda: nucleus.topics().count(LOBBY) > 20)
    publishing.transport.stop(timeout_s=5)
    sent = [json.loads(each.payload)["sent_at"] for each in nucleus.published if each.topic == LOBBY][:20]
    moments = [datetime.fromisoformat(each).timestamp() for each in sent]
    assert all(1.0 <= after - before <= 1.2 for before, after in itertools.pairwise(moments))


def test_nucleus_that_is_started_again_has_all_states_again(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link("gate").sent_total)
    nucleus.close()
    eventually(lambda: publishing.link().reason == "no-socket")
    assert f"--volume={nucleus.environment[SOCKET_VARIABLE]}" in (publishing.link().message or "")
    nucleus.published.clear()
    nucleus.begin()
    eventually(lambda: set(nucleus.topics()) == {LOBBY, GATE})
    eventually(lambda: publishing.link().is_connected)
    assert publishing.link().reconnects_total == 1
    assert publishing.link().reason is None


def test_missing_access_control_is_named(
    nucleus: NucleusSocket,
    publish: Callable[..., Publishing],
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nucleus.error = "UnauthorizedError"
    with caplog.at_level(logging.WARNING):
        publishing = publish(nucleus.environment)
        eventually(lambda: publishing.link().reason == "unauthorized")
    message = publishing.link().message or ""
    assert "accessControl" in message
    assert "aws.greengrass.ipc.mqttproxy" in message
    assert "aws.greengrass#PublishToIoTCore" in message
    assert "edgecam/+/+/state" in message
    nucleus.error = None
    eventually(lambda: publishing.link().is_connected)
    assert publishing.link().reconnects_total == 0  # it is the same connection
    assert len([each for each in caplog.records if "takes no states" in each.getMessage()]) == 1


def test_core_without_network_is_asked_again_on_the_same_connection(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    nucleus.error = "ServiceError"
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link().reason == "offline")
    nucleus.error = None
    eventually(lambda: publishing.link().sent_total)
    assert nucleus.connections == 1


def test_nucleus_that_stops_answering_is_left_for_a_new_connection(
    nucleus: NucleusSocket,
    publish: Callable[..., Publishing],
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgecam.greengrass_ipc.TIMEOUT_S", 0.3)
    nucleus.never_answers = True
    publishing = publish(nucleus.environment)
    eventually(lambda: nucleus.connections >= 2)
    nucleus.never_answers = False
    eventually(lambda: publishing.link().is_connected and publishing.link().sent_total)


def test_connection_that_is_closed_on_the_token_is_a_token_that_nobody_knows(
    publish: Callable[..., Publishing], tmp_path: Path, eventually: Eventually
) -> None:
    lite = NucleusSocket(tmp_path / "lite.socket", hangs_up=True)
    publishing = publish(lite.environment)
    eventually(lambda: lite.published)
    lite.forget()
    eventually(lambda: publishing.link().reason == TOKEN_REFUSED)
    assert "a new start of the component" in (publishing.link().message or "")
    lite.close()
    eventually(lambda: publishing.link().reason == "no-socket")


def test_stale_token_of_the_component_is_named_and_not_shown(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment | {TOKEN_VARIABLE: "an-earlier-token"})
    eventually(lambda: publishing.link().reason == "refused")
    assert TOKEN_VARIABLE in (publishing.link().message or "")
    assert "an-earlier-token" not in (publishing.link().message or "")


@pytest.mark.parametrize("missing", [SOCKET_VARIABLE, TOKEN_VARIABLE, THING_VARIABLE])
def test_machine_without_a_nucleus_says_what_is_missing(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually, missing: str
) -> None:
    publishing = publish({name: value for name, value in nucleus.environment.items() if name != missing})
    eventually(lambda: publishing.link().reason == "no-nucleus")
    assert missing in (publishing.link().message or "")


def test_last_words_are_disconnected_for_every_camera(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link().sent_total and publishing.link("gate").sent_total)
    publishing.states.end()
    publishing.transport.stop(timeout_s=10)
    last = {each.topic: json.loads(each.payload)["state"] for each in nucleus.published}
    assert last == {LOBBY: "disconnected", GATE: "disconnected"}
    assert nucleus.topics().count(GATE) == 1  # it was so already


def test_nucleus_that_hangs_does_not_hold_up_the_end(
    nucleus: NucleusSocket, publish: Callable[..., Publishing], eventually: Eventually
) -> None:
    publishing = publish(nucleus.environment)
    eventually(lambda: publishing.link().sent_total)
    nucleus.never_answers = True
    publishing.states.end()
    ended = threading.Event()

    def end() -> None:
        publishing.transport.stop(timeout_s=0.2)
        ended.set()

    threading.Thread(target=end, daemon=True).start()
    assert ended.wait(3)  # the nucleus itself would be given four seconds for each camera


def test_fault_of_the_node_is_reported_to_the_nucleus(nucleus: NucleusSocket) -> None:
    report_errored(nucleus.environment)
    assert nucleus.states == [ERRORED]


def test_fault_of_the_node_is_nobodys_business_where_there_is_no_nucleus(tmp_path: Path) -> None:
    report_errored({})
    report_errored({SOCKET_VARIABLE: str(tmp_path / "none"), TOKEN_VARIABLE: "token-1"})


def test_nucleus_that_hangs_does_not_hold_up_a_fault(nucleus: NucleusSocket) -> None:
    nucleus.never_answers = True
    thread = threading.Thread(target=report_errored, args=(nucleus.environment,), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
