"""Sites that Nucleus Lite has to be given whole: texts that a shell would read, and a hundred cameras."""

from __future__ import annotations

import json
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sandbox.settings import CoreSpec
from sandbox.system import System

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:cameras/lobby-AbCdEf"
RAN = "ran-by-a-shell"
"""The name of a file that must never be there."""

TEXTS = {
    "query": f"rtsp://127.0.0.1:1/s?a=1&b=2;touch%20{RAN};c='x'&d=\"y\"&e={{1,2}}|cat<in>{RAN}",
    "redirection": f"file:///x;>{RAN}",
    "words": 'file:///two words/it\'s "quoted" ünd {a,b} *',
    "commands": f"file:///$(touch {RAN})`touch {RAN}`$HOME&(touch {RAN})|touch {RAN}",
    "picture": "pipeline:videotestsrc pattern=ball ! video/x-raw,width=320,height=240",
}
"""By camera: its `uri`."""

SITES: dict[str, list[dict[str, Any]]] = {
    "texts": [{"id": name, "uri": uri} for name, uri in TEXTS.items()],
    "hundred": [
        *({"id": name, "uri": uri} for name, uri in TEXTS.items()),
        *(
            {
                "id": f"door-{number}",
                "uri": f"rtsp://127.0.0.1:1/{number}?channel=1&subtype={number}",
                "credentials": {"secret": SECRET},
            }
            for number in range(1, 96)
        ),
    ],
}
"""By site: its cameras."""

READ = """
import json, os
from edgecam.launch.settings import expanded
print(json.dumps(json.loads(expanded(os.environ)["EDGECAM_NODE"])["cameras"]))
"""


def group(site: str) -> str:
    """The thing group that a site is deployed to."""
    return f"edgecam-sandbox-{site}"


def as_yaml(port: int, data_dir: Path) -> str:
    """The sites as `System.deploy(more_sites=…)` takes them."""
    sites = {
        site: {
            "thing_group": group(site),
            "create_thing_group": True,
            "nucleus": "lite",
            "http": {"port": port},
            "data_dir": str(data_dir / site),
            "cameras": cameras,
        }
        for site, cameras in SITES.items()
    }
    text = yaml.safe_dump(sites, sort_keys=False, allow_unicode=True, width=1000)
    return "".join(f"  {line}\n" for line in text.splitlines())


def new_core(system: System, site: str) -> CoreSpec:
    """A core of its own in a site's group; its container has the frame grabber's name."""
    assert system.aws is not None
    thing = f"edgecam-{site}-{uuid.uuid4().hex[:8]}"
    iot = system.aws.client("iot")
    iot.create_thing(thingName=thing)
    iot.add_thing_to_thing_group(thingGroupName=group(site), thingName=thing)
    return replace(system.settings.grabber, name=thing, thing=thing, root=system.settings.folder / thing)


def cameras_within(container: str) -> list[dict[str, Any]]:
    """The cameras of the node that runs in a container, as its settings have them; none before it runs."""
    command = ["docker", "exec", container, "python3", "-c", READ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        assert "is not running" in done.stderr or "No such container" in done.stderr, done.stderr
        return []
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def uris(cameras: list[dict[str, Any]]) -> dict[str, str]:
    """By camera: where its pictures come from."""
    return {camera["id"]: camera["uri"] for camera in cameras}
