"""What brokers have of a camera."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reporting import ReportedNode, ReportedStorage, away, recorded, report

from edgecam import __version__
from edgecam.brokers.interface import StateSource
from edgecam.brokers.state_document import NodeStates
from edgecam.redaction import LONGEST_MESSAGE, SECRETS
from edgecam.status.last_run import LastShutdown
from edgecam.status.reports import CameraReport, CameraState, RecordingReport
from sandbox.clocks import ManualClock


class Settings:
    """What is in force, as a test sets it."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {"max_fps": 1.0}
        self.why: str | None = None

    def in_force(self, camera_id: str) -> Mapping[str, Any]:
        assert camera_id == "lobby"
        return self.values

    def refused(self, camera_id: str) -> str | None:
        assert camera_id == "lobby"
        return self.why


@pytest.fixture
def node(tmp_path: Path) -> ReportedNode:
    return ReportedNode(tmp_path, report())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def states_of(node: ReportedNode, clock: ManualClock, **options: Any) -> tuple[NodeStates, StateSource]:
    states = NodeStates(node.reports, clock=clock, **options)
    return states, states.states_every(60.0)


def test_state_of_a_recorded_camera_has_everything_a_program_asks_for(
    tmp_path: Path, clock: ManualClock
) -> None:
    node = ReportedNode(tmp_path, recorded())
    states, published = states_of(node, clock, storage=ReportedStorage(), settings=Settings())
    states.begin(LastShutdown.UNCLEAN)
    states.set_key_versions(lambda _: "3")
    assert json.loads(json.dumps(published.state("lobby").values)) == {
        "id": "lobby",
        "state": "connected",
        "since": "2026-11-21T09:45:35.123Z",
        "reason": None,
        "message": None,
        "frame_age_s": 0.25,
        "chunks_recorded": 12,
        "chunks_stored": 7,
        "chunks_waiting": 3,
        "chunks_lost": 3,
        "newest_chunk": "2026-11-21T09:45:35.123Z",
        "spool_bytes": 15_400_000,
        "spool_limit_bytes": 10_000_000_000,
        "version": __version__,
        "key_version": "3",
        "previous_end": "unclean",
        "config": {"in_force": {"max_fps": 1.0}, "refused": None},
        "sent_at": "2026-03-01T12:00:00.000Z",
        "every_s": 60.0,
    }


def test_state_names_the_fleet_where_it_has_a_name(node: ReportedNode, clock: ManualClock) -> None:
    _, published = states_of(node, clock, fleet="staging")
    assert published.state("lobby").values["fleet"] == "staging"
    _, published = states_of(node, clock)
    assert "fleet" not in published.state("lobby").values


def test_what_is_not_known_is_null(node: ReportedNode, clock: ManualClock) -> None:
    _, published = states_of(node, clock)
    values = published.state("lobby").values
    unknown = [name for name, value in values.items() if value is None and name not in ("reason", "message")]
    assert unknown == [
        "chunks_recorded",
        "chunks_stored",
        "chunks_waiting",
        "chunks_lost",
        "newest_chunk",
        "spool_bytes",
        "spool_limit_bytes",
        "key_version",
        "previous_end",
    ]


@pytest.mark.parametrize("camera", [report(), recorded(), away("lobby")])
def test_every_state_says_what_the_watch_selects_of_it(
    tmp_path: Path, clock: ManualClock, camera: CameraReport
) -> None:
    from stacks.watch.camera_table import SELECTED  # takes seconds, for the CDK

    _, published = states_of(ReportedNode(tmp_path, camera), clock, storage=ReportedStorage())
    # A rule of AWS IoT leaves out what a message does not have, and nobody would hear of it.
    assert set(SELECTED) <= published.state("lobby").values.keys()


def test_recording_without_a_chunk_yet_has_no_newest_one(tmp_path: Path, clock: ManualClock) -> None:
    camera = report(recording=RecordingReport(0, 0, 0, None))
    _, published = states_of(ReportedNode(tmp_path, camera), clock, storage=ReportedStorage())
    values = published.state("lobby").values
    assert (values["chunks_recorded"], values["newest_chunk"]) == (0, None)


def test_state_is_as_old_as_the_asking_and_no_older(node: ReportedNode, clock: ManualClock) -> None:
    _, published = states_of(node, clock)
    assert published.state("lobby").state == "connected"
    node.current = (report(state=CameraState.STALLED),)
    clock.advance(1)
    state = published.state("lobby")
    assert (state.state, state.values["sent_at"]) == ("stalled", "2026-03-01T12:00:01.000Z")


def test_ages_and_counters_make_no_state_worth_sending(node: ReportedNode, clock: ManualClock) -> None:
    _, published = states_of(node, clock)
    before = published.state("lobby")
    clock.advance(1)
    node.current = (report(frame_age_s=1.25, frames_total=8, received_bytes_total=999_999),)
    after = published.state("lobby")
    assert (after.change_key, after.values["frame_age_s"]) == (before.change_key, 1.25)


@pytest.mark.parametrize(
    "changed",
    [
        report(state=CameraState.STALLED),
        report(reason="silent"),
        report(message="rtsp://10.0.0.9/x: expected …"),
        report(frame_age_s=5.5),
        recorded(problem="the disk is full"),
    ],
)
def test_what_a_person_would_act_on_is_worth_sending(
    tmp_path: Path, clock: ManualClock, changed: Any
) -> None:
    node = ReportedNode(tmp_path, recorded() if changed.recording else report())
    _, published = states_of(node, clock)
    before = published.state("lobby").change_key
    clock.advance(1)
    node.current = (changed,)
    assert published.state("lobby").change_key != before


def test_new_settings_a_refusal_and_another_key_are_worth_sending(
    node: ReportedNode, clock: ManualClock
) -> None:
    settings = Settings()
    states, published = states_of(node, clock, settings=settings)
    change_keys = [published.state("lobby").change_key]
    settings.values = {"max_fps": 2.0}
    change_keys.append(published.state("lobby").change_key)
    settings.why = "max_fps: expected a number, found 'many'"
    change_keys.append(published.state("lobby").change_key)
    states.set_key_versions(lambda _: "2")
    change_keys.append(published.state("lobby").change_key)
    assert len(set(change_keys)) == 4
    assert published.state("lobby").values["config"]["refused"] == settings.why


def test_node_that_has_ended_leaves_disconnected_behind_whatever_hangs(
    tmp_path: Path, clock: ManualClock
) -> None:
    node = ReportedNode(tmp_path, report(), away())
    states, published = states_of(node, clock)
    assert published.state("lobby").state == "connected"
    clock.advance(5)
    states.end()
    lobby, gate = published.state("lobby").values, published.state("gate").values
    assert (lobby["state"], lobby["since"]) == ("disconnected", "2026-03-01T12:00:05.000Z")
    assert (gate["state"], gate["reason"]) == ("disconnected", "refused")
    clock.advance(5)
    assert published.state("lobby").values["since"] == lobby["since"]


def test_secret_is_hidden_also_where_the_text_is_cut(node: ReportedNode, clock: ManualClock) -> None:
    secret = "hush-" * 8
    SECRETS.remember(secret)
    node.current = (report(message="x" * (LONGEST_MESSAGE - 20) + secret),)
    _, published = states_of(node, clock)
    message = published.state("lobby").values["message"]
    SECRETS.forget(secret)
    assert "hush" not in message
    assert len(message) <= LONGEST_MESSAGE


def test_longest_state_is_under_what_nucleus_lite_takes(node: ReportedNode, clock: ManualClock) -> None:
    node.current = (report(message="語" * 5000),)
    settings = Settings()
    settings.why = "ä" * 5000
    settings.values |= {"chunk_s": 5.0, "upload": {"max_bytes_per_s": 1e9, "max_requests_per_s": 1000.0}}
    _, published = states_of(node, clock, settings=settings)
    payload = json.dumps(published.state("lobby").values, ensure_ascii=False).encode()
    assert len(payload) * 4 / 3 < 10_000 / 2  # in base64; the rest is for topic, names and their tokens


def test_problem_of_the_recording_is_reported_where_the_camera_has_none(
    tmp_path: Path, clock: ManualClock
) -> None:
    node = ReportedNode(tmp_path, recorded(problem="the disk is full"))
    _, published = states_of(node, clock, storage=ReportedStorage())
    assert published.state("lobby").values["message"] == "the disk is full"
