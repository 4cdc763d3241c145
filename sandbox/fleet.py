"""The sandbox's fleet file: sandbox/fleet.yaml with this start's ports and the ARN of the camera's secret."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fleet.settings.names import DEFAULT_COMPONENT_PREFIX

TEMPLATE = Path(__file__).with_name("fleet.yaml")
THING = "edgecam-sandbox"
RECORDER_THING = "edgecam-sandbox-recorder"
BUCKET = "edgecam-sandbox"
"""Of the recordings; the deployed app makes it in the embedded store."""

PROJECT, IOT_REGION, REGISTRY = "edgecam-sandbox", "us-central1", "edgecam"
DEVICES = tuple(
    f"projects/{PROJECT}/locations/{IOT_REGION}/registries/{REGISTRY}/devices/{site}-{camera}"
    for site in ("sandbox", "recorder")
    for camera in ("lobby", "yard")
)
"""What the deployed app makes in the embedded Cloud IoT."""

KEY_VERSION = "1"
"""Of the devices' keys, as they report it."""

COMPONENT_PREFIX = DEFAULT_COMPONENT_PREFIX

UNCHANGED_WIDTH = "null"
"""As the camera sends it."""

CHUNK_S = 4
"""Short, so that there is something to see soon."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What is filled in; the sandbox changes `lobby_width`, pixels or `null`, and those after it."""

    data_dir: Path
    page_port: int
    recorder_data_dir: Path
    recorder_page_port: int
    spool: Path
    gcs_port: int
    cloud_iot_port: int
    mqtt_port: int
    mqtt_ca_file: Path
    cameras_port: int
    yard_secret: str
    component_prefix: str = COMPONENT_PREFIX
    lobby_width: str = UNCHANGED_WIDTH
    chunk_s: int = CHUNK_S
    delivery: str = "s3"
    released: Mapping[str, str] = field(default_factory=dict)
    """Images in place of built ones, by variant."""
    components: str = "{}"
    """Other components on the frame grabber's core, as `components` of its site, as JSON."""
    more_sites: str = ""
    """Further entries of `sites`, as YAML that is indented by two blanks."""


def render(values: Values, target: Path) -> Path:
    """Write the fleet file; returns its path."""
    text = string.Template(TEMPLATE.read_text()).substitute(
        NAME="${NAME}",
        THING=THING,
        DATA_DIR=values.data_dir,
        PAGE_PORT=values.page_port,
        RECORDER_THING=RECORDER_THING,
        RECORDER_DATA_DIR=values.recorder_data_dir,
        RECORDER_PAGE_PORT=values.recorder_page_port,
        SPOOL=values.spool,
        BUCKET=BUCKET,
        PROJECT=PROJECT,
        IOT_REGION=IOT_REGION,
        REGISTRY=REGISTRY,
        GCS_PORT=values.gcs_port,
        CLOUD_IOT_PORT=values.cloud_iot_port,
        MQTT_PORT=values.mqtt_port,
        MQTT_CA_FILE=values.mqtt_ca_file,
        CAMERAS_PORT=values.cameras_port,
        YARD_SECRET=values.yard_secret,
        COMPONENT_PREFIX=values.component_prefix,
        LOBBY_WIDTH=values.lobby_width,
        CHUNK_S=values.chunk_s,
        DELIVERY=values.delivery,
        RELEASED=json.dumps(dict(values.released)),
        COMPONENTS=values.components,
        MORE_SITES=values.more_sites,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target
