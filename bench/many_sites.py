"""Fleets of any size for measurements and tests: shops of one kind, written as their owner would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

CAMERAS = 4
FILES = 20
"""Into which the sites of a large fleet are divided, as by district."""

HEAD = """\
include: [sites/*.yaml]
aws:
  token_exchange_role: GreengrassV2TokenExchangeRole
  camera_secrets: cameras/{{thing}}/*
{placement}defaults:
  nucleus: lite
  rollout: {{abort: [{{when: failed, percent: 10, at_least: 5}}], timeout_min: 30}}
templates:
  shop:
    thing: "{{site}}-core"
    docker: {{memory: 512m}}
    camera:
      frames: {{max_fps: 2}}
      credentials:
        secret: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cameras/{{site}}-core/login-AbCdEf"
    cameras:
      - {{id: "door-{{n}}", uri: "rtsp://{{net}}.2{{n}}/stream1", for: {{n: "1-{cameras}"}}}}
"""


def shop(number: int) -> str:
    """The name of a site."""
    return f"shop-{number:04}"


def entry(number: int) -> str:
    """A site, as a line of a file."""
    return f"  {shop(number)}: {{template: shop, values: {{net: 10.{number // 250}.{number % 250}}}}}\n"


DEVICES = """\
gcp:
  project: our-project
  registry:
    name: cameras
    region: europe-west1
    provider: clearblade
    secret: arn:aws:secretsmanager:eu-central-1:123456789012:secret:clearblade-AbCdEf
"""
"""What a fleet says in which cameras are devices."""


def write_fleet(
    folder: Path,
    sites: int,
    *,
    site_stacks: int | None = None,
    cameras: int = CAMERAS,
    devices: bool = False,
) -> Path:
    """Write `fleet.yaml` and `sites/*.yaml`; returns the former.

    Args:
        folder: Where; made when it is not there.
        sites: How many.
        site_stacks: The setting of that name; None leaves it out.
        cameras: Of each site.
        devices: Whether each camera is a device.
    """
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    placement = "" if site_stacks is None else f"  site_stacks: {site_stacks}\n"
    path = folder / "fleet.yaml"
    text = HEAD.format(placement=placement, cameras=cameras)
    if devices:
        text = DEVICES + text.replace("    camera:\n", "    devices: true\n    camera:\n")
    path.write_text(text, encoding="utf-8")
    for name, text in _files(sites):
        (folder / "sites" / name).write_text(text, encoding="utf-8")
    return path


def _files(sites: int) -> Iterator[tuple[str, str]]:
    files = min(FILES, sites)
    for index in range(files):
        numbers = range(index, sites, files)
        yield f"district-{index:02}.yaml", "sites:\n" + "".join(map(entry, numbers))
