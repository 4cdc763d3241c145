"""Fleets of the stacks' tests, and how their templates are read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecam.launch.settings import unpacked

PROJECT = Path(__file__).resolve().parents[3]

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:gate-AbCdEf"

FLEET = f"""
sites:
  lobby:
    thing_group: lobby-cores
    create_thing_group: true
    cameras:
      - {{id: entrance, uri: "rtsp://192.0.2.10/1", frames: {{max_fps: 2}}}}
    rollout: {{per_minute: 50, abort: [{{percent: 10, at_least: 5}}], timeout_min: 30}}
  gate:
    thing: gate-core
    cameras:
      - {{id: gate, uri: "rtsp://192.0.2.20/1", credentials: {{secret: "{SECRET}"}}}}
    docker: {{memory: 512m}}
  yard:
    thing: yard-core
    nucleus: lite
    cameras:
      - {{id: yard, uri: "rtsp://192.0.2.30/1", credentials: {{secret: "{SECRET}"}}}}
image:
  architectures: [amd64, arm64]
"""
"""Three kinds of sites, two architectures, everything made new."""

EXISTING = """
aws: {artifact_bucket: our-artifacts, token_exchange_role: GreengrassV2TokenExchangeRole}
"""
"""Added to a fleet: bucket and role are there already."""

POOL = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/edgecam"
AUDIENCE = f"{POOL}/providers/aws"
WRITER = f"principalSet:{POOL}/attribute.role/GreengrassV2TokenExchangeRole"

RECORDED_SITES = f"""
sites:
  lobby:
    thing_group: lobby-cores
    cameras:
      - {{id: entrance, uri: "rtsp://192.0.2.10/1"}}
  dock:
    variant: gcs-uploader
    thing: dock-core
    bucket: gs://our-recordings/dock
    google: {{audience: "{AUDIENCE}"}}
    cameras:
      - {{id: ramp, uri: "rtsp://192.0.2.40/1", recording: {{enabled: true, chunk_s: 20}}}}
      - {{id: door, uri: "rtsp://192.0.2.41/1"}}
  depot:
    variant: gcs-uploader
    thing_group: depot-cores
    nucleus: lite
    bucket: gs://our-recordings
    spool: {{path: /data/spool}}
    cameras:
      - {{id: yard, uri: "rtsp://192.0.2.50/1", recording: {{enabled: true}}}}
"""
"""One site of the first variant, two of the second, each in its own place in one bucket."""

GCP = f"""
gcp:
  project: our-project
  login: {{audience: "{AUDIENCE}"}}
  bucket: {{name: our-recordings, location: EU, delete_after_days: 90, writers: ["{WRITER}"]}}
"""
"""Added to it: the bucket is made."""

RECORDED = RECORDED_SITES + GCP

DEVICE_SITES = """
sites:
  lobby:
    thing_group: lobby-cores
    cameras:
      - {id: entrance, uri: "rtsp://192.0.2.10/1"}
  gate:
    thing: gate-core
    devices: true
    cameras:
      - {id: gate, uri: "rtsp://192.0.2.20/1"}
      - {id: bell, uri: "rtsp://192.0.2.21/1"}
    device_ids: {bell: front-bell}
"""
"""A site with devices, and one without."""

ACCOUNT_SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:clearblade-AbCdEf"

REGISTRY = f"""
gcp:
  project: our-project
  registry:
    name: cameras
    region: europe-west1
    provider: clearblade
    secret: {ACCOUNT_SECRET}
    token_s: 1800
    event_topic: projects/our-project/topics/events
"""
"""Added to it: the registry is made."""

DEVICES = DEVICE_SITES + REGISTRY

EVERY_STACK = (
    RECORDED.replace("    thing: dock-core\n", "    thing: dock-core\n    devices: true\n")
    + REGISTRY.partition("project: our-project\n")[2]
)
"""RECORDED, and a site of it has devices."""

Templates = dict[str, dict[str, Any]]
Synthesize = Callable[[str], Templates]


def of_type(template: dict[str, Any], resource_type: str) -> list[dict[str, Any]]:
    """The properties of all resources of a type."""
    return [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == resource_type
    ]


def flat(value: Any) -> str:
    """An ARN with references between angle brackets, their hashes cut off."""
    if isinstance(value, list):
        return ".".join(map(flat, value))
    if not isinstance(value, dict):
        return str(value)
    ((function, arguments),) = value.items()
    if function == "Fn::Join":
        return "".join(map(flat, arguments[1]))
    if function == "Fn::Sub":
        return str(arguments)
    text = arguments if isinstance(arguments, str) else flat(arguments)
    return f"<{re.sub(r'[0-9A-F]{8}', '', text)}>"


def settings_in(deployment: dict[str, Any], component: str = "com.edgecam.frame-grabber") -> dict[str, Any]:
    """What the core of a deployment reads of the settings in it; its properties are given."""
    merge = json.loads(deployment["Components"][component]["ConfigurationUpdate"]["Merge"])
    word = "".join(merge["settings"].values())
    return unpacked(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
