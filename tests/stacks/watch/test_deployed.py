"""The watch as deployed: states by AWS IoT into the table, looks by the function, metrics and alarms."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from deployed_stacks import DeployedStack

from sandbox.aws.server import EmbeddedAws
from sandbox.core.cloud import Cloud
from sandbox.ports import free_port

DAY_S = 86_400


class Watched:
    """An embedded AWS with the watch in it."""

    def __init__(self, aws: EmbeddedAws, stack: DeployedStack) -> None:
        self.aws = aws
        self.stack = stack
        self.table = stack.output("CameraTableName")
        self.function = stack.physical_id("AWS::Lambda::Function")
        self.dynamodb = aws.client("dynamodb")

    def publish(self, core: str, camera: str, /, **values: Any) -> None:
        """Publish a state as a core does."""
        payload = json.dumps(state(camera) | values)
        self.aws.client("iot-data").publish(topic=f"edgecam/{core}/{camera}/state", payload=payload, qos=1)

    def row(self, core: str, camera: str) -> dict[str, Any]:
        key = {"thing": {"S": core}, "camera": {"S": camera}}
        found: dict[str, Any] = self.dynamodb.get_item(TableName=self.table, Key=key).get("Item", {})
        return found

    def age(self, core: str, camera: str, seconds: float) -> None:
        """As if its last state had come `seconds` ago."""
        row = self.row(core, camera)
        received_ms = int(row["received_ms"]["N"]) - int(1000 * seconds)
        self.dynamodb.put_item(TableName=self.table, Item=row | {"received_ms": {"N": str(received_ms)}})

    def look(self) -> dict[str, float]:
        """Run the function as the schedule does; its answer."""
        answer = self.aws.client("lambda").invoke(FunctionName=self.function)
        text = answer["Payload"].read().decode()
        assert "FunctionError" not in answer, text
        metrics: dict[str, float] = json.loads(text)
        return metrics

    def alarm(self, name: str) -> str:
        (alarm,) = self.aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return str(alarm["StateValue"])


def state(camera: str) -> dict[str, Any]:
    """A message of edgecam's state document."""
    return {
        "id": camera,
        "state": "connected",
        "since": "2026-01-01T12:00:00.000Z",
        "reason": None,
        "message": None,
        "frame_age_s": 0.4,
        "chunks_recorded": None,
        "chunks_stored": None,
        "chunks_waiting": None,
        "chunks_lost": None,
        "spool_bytes": None,
        "version": "0.1.0",
        "key_version": None,
        "previous_end": "clean",
        "config": {"in_force": {}, "refused": None},
        "sent_at": "2026-01-01T12:20:00.000Z",
        "every_s": 60.0,
    }


@pytest.fixture(scope="module")
def watched(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watch")
    with EmbeddedAws(port=free_port(), folder=folder) as aws:
        yield Watched(aws, DeployedStack(aws.client, assembly, "EdgecamWatch"))


@pytest.fixture
def core(watched: Watched) -> Iterator[str]:
    """A new core, whose states are removed afterwards."""
    name = f"core-{uuid.uuid4().hex[:8]}"
    yield name
    for item in watched.dynamodb.scan(TableName=watched.table)["Items"]:
        key = {"thing": item["thing"], "camera": item["camera"]}
        watched.dynamodb.delete_item(TableName=watched.table, Key=key)


def test_last_state_of_a_camera_is_its_row_with_the_time_of_its_arrival(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    before_ms = 1000 * time.time()
    watched.publish(core, "ramp", state="stalled", chunks_recorded=3, spool_bytes=512)
    row = eventually(lambda: watched.row(core, "ramp"))
    assert row["state"] == {"S": "stalled"}
    assert (row["chunks_recorded"], row["spool_bytes"]) == ({"N": "3"}, {"N": "512"})
    assert float(row["received_ms"]["N"]) >= before_ms - 1
    watched.publish(core, "ramp")
    assert eventually(lambda: watched.row(core, "ramp")["state"] == {"S": "connected"})


def test_row_keeps_nothing_that_the_watch_does_not_read(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "ramp", message="a long sentence for a person")
    row = eventually(lambda: watched.row(core, "ramp"))
    assert "message" not in row
    assert "config" not in row


def test_states_of_another_fleets_cores_are_not_watched(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "theirs", fleet="staging")
    watched.publish(core, "ours")
    assert eventually(lambda: watched.row(core, "ours"))
    assert watched.row(core, "theirs") == {}


def test_message_says_nothing_about_whose_row_it_is(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    claims = {
        "thing": "other-core",
        "camera": "other",
        "received_ms": 1,
        "topic": "edgecam/other-core/ramp/state",
    }
    watched.publish(core, "ramp", **claims)
    row = eventually(lambda: watched.row(core, "ramp"))
    assert int(float(row["received_ms"]["N"])) > 1
    assert watched.row("other-core", "ramp") == watched.row("other-core", "other") == {}


def test_odd_state_blinds_the_watch_for_no_other_camera(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "well")
    watched.publish(core, "stalled", state="stalled", reason="silent")
    watched.publish(core, "odd", every_s="often", since="2026-01-01T12:00:00", chunks_waiting=[1])
    for camera in ("well", "stalled", "odd"):
        eventually(lambda camera=camera: watched.row(core, camera))
    metrics = watched.look()
    assert (metrics["Cameras"], metrics["StalledCameras"], metrics["OddStates"]) == (3, 1, 1)
    assert eventually(lambda: watched.alarm("edgecam odd states") == "ALARM")


def test_look_counts_cameras_in_trouble_and_alarms_tell_of_them(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "well")
    watched.publish(core, "stalled", state="stalled", reason="silent")
    watched.publish(core, "disconnected", state="disconnected", reason="refused")
    watched.publish(core, "quiet")
    for camera in ("well", "stalled", "disconnected", "quiet"):
        eventually(lambda camera=camera: watched.row(core, camera))
    watched.age(core, "quiet", 3600)
    metrics = watched.look()
    assert metrics["Cameras"] == 4
    assert metrics["ConnectedCameras"] == 1
    assert [metrics[f"{kind}Cameras"] for kind in ("Stalled", "Disconnected", "Silent")] == [1, 1, 1]
    for kind in ("stalled", "disconnected", "silent"):
        assert eventually(lambda kind=kind: watched.alarm(f"edgecam {kind} cameras") == "ALARM")
    assert watched.alarm("edgecam lost chunks") != "ALARM"


def test_look_remembers_how_far_recordings_were(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "ramp", chunks_recorded=5, chunks_lost=1)
    eventually(lambda: watched.row(core, "ramp"))
    assert watched.look()["RecordedChunks"] == 0
    watched.publish(core, "ramp", chunks_recorded=9, chunks_lost=3)
    assert eventually(lambda: watched.row(core, "ramp")["chunks_recorded"] == {"N": "9"})
    metrics = watched.look()
    assert (metrics["RecordedChunks"], metrics["LostChunks"]) == (4, 2)


def test_camera_that_was_silent_for_long_is_forgotten(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "gone")
    eventually(lambda: watched.row(core, "gone"))
    watched.age(core, "gone", 8 * DAY_S)
    assert watched.look()["Cameras"] == 0
    assert watched.row(core, "gone") == {}


def test_core_with_a_broken_component_is_counted_until_it_is_well_again(watched: Watched, core: str) -> None:
    report(watched, core, "BROKEN")
    assert watched.look()["UnhealthyCores"] == 1
    report(watched, core, "RUNNING")
    assert watched.look()["UnhealthyCores"] == 0


def test_function_names_what_is_in_trouble_in_its_log(
    watched: Watched, core: str, eventually: Callable[..., Any]
) -> None:
    watched.publish(core, "ramp", state="stalled", reason="silent")
    eventually(lambda: watched.row(core, "ramp"))
    watched.look()
    logs = watched.aws.client("logs")
    group = watched.stack.physical_id("AWS::Logs::LogGroup", "WatchServiceLog")

    def lines() -> list[dict[str, Any]]:
        found = logs.filter_log_events(logGroupName=group)["events"]
        texts = [line for event in found for line in event["message"].splitlines()]
        return [json.loads(text) for text in texts if text.startswith("{") and core in text]

    (line,) = eventually(lines)
    assert line["name"] == f"{core}/ramp"
    assert (line["trouble"], line["reason"]) == ("stalled", "silent")
    assert line["for_s"] >= 1200


def test_events_of_cores_are_kept_when_a_component_breaks_or_a_deployment_fails(watched: Watched) -> None:
    events = watched.aws.client("events")

    def matches(construct: str, change: str, detail: dict[str, Any]) -> bool:
        rule = watched.stack.physical_id("AWS::Events::Rule", construct)
        event = {
            "id": "1",
            "account": "123456789012",
            "region": "us-east-1",
            "time": "2026-01-01T12:00:00Z",
            "resources": ["arn:aws:greengrass:us-east-1:123456789012:coreDevices:core"],
            "source": "aws.greengrass",
            "detail-type": change,
            "detail": detail,
        }
        found: bool = events.test_event_pattern(
            EventPattern=events.describe_rule(Name=rule)["EventPattern"], Event=json.dumps(event)
        )["Result"]
        return found

    components = "Greengrass V2 Installed Component Status Change"
    ours = {"componentName": "com.edgecam.frame-grabber", "lifecycleState": "BROKEN"}
    others = {"componentName": "com.example.other", "lifecycleState": "BROKEN"}
    assert matches("CoresComponents", components, {"components": [others, ours]})
    assert not matches("CoresComponents", components, {"components": [others]})
    assert not matches("CoresComponents", components, {"components": [ours | {"lifecycleState": "RUNNING"}]})
    deployments = "Greengrass V2 Effective Deployment Status Change"
    assert matches("CoresDeployments", deployments, {"coreDeviceExecutionStatus": "FAILED"})
    assert not matches("CoresDeployments", deployments, {"coreDeviceExecutionStatus": "SUCCEEDED"})


def report(watched: Watched, core: str, lifecycle: str) -> None:
    """What a core reports to Greengrass; over HTTP in the embedded one."""
    component = {"componentName": "com.edgecam.frame-grabber", "lifecycleState": lifecycle}
    cloud = Cloud(url=watched.aws.url, thing_name=core)
    cloud.report({"os": "linux", "architecture": "amd64"}, [component], [])
