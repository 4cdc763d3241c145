"""What a site configures, on each nucleus with either shell: byte for byte, and nothing is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgecam.launch.settings import expanded
from fleet.load import load_fleet
from fleet.physical_names import names_of
from fleet.site_components import components_of, site_settings
from stacks.greengrass.recipe import RECIPES

PRINT = 'printf "%s\\n" "$EDGECAM_SETTINGS"; while :; do sleep 0.1; done'
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:cameras/{}-AbCdEf"
EVIL = (
    "rtsp://h/s?a=1&b=2;touch run",
    "rtsp://h/a b'c\"d",
    "rtsp://h/$(touch run)`touch run`${HOME}",
    "rtsp://h/{a,b}/[x]*~!=",
    "rtsp://h/äöü€😀",
    "file:///x;>run",
    'pipeline:videotestsrc ! capsfilter caps="video/x-raw, width=320" ! jpegenc name="a;touch run"',
)
NUCLEI = ("lite-2.6.0", "lite-newest", "classic")
SHELLS = ("dash", "bash")


def cameras(count: int) -> list[dict[str, Any]]:
    """Cameras of which no two have anything in common that could be written shorter."""
    return [
        {
            "id": f"camera-{number}",
            "uri": f"rtsp://10.0.0.{number}/stream?channel=1&subtype=0",
            "credentials": {"secret": SECRET.format(hashlib.sha256(str(number).encode()).hexdigest())},
        }
        for number in range(count)
    ]


SITES = {
    "odd": {"cameras": [{"id": f"camera-{number}", "uri": uri} for number, uri in enumerate(EVIL)]},
    "large": {"cameras": cameras(100)},
    "command": {
        "cameras": [{"id": "a", "uri": "test://"}],
        "entrypoint": "gst-launch-1.0",
        "command": [
            "videotestsrc",
            "!",
            "a b",
            "$(touch run)",
            ";",
            "'",
            '"',
            "{a,b}",
            "",
            "\\",
            "a\nb",
            "*?~#!%",
        ],
    },
}


@pytest.fixture(params=[(nucleus, shell) for nucleus in NUCLEI for shell in SHELLS], ids="-".join)
def core(core_as: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
    """A core of each nucleus, with each shell."""
    nucleus, shell = request.param
    return core_as(None, nucleus=nucleus, shell=shell)


@pytest.mark.parametrize("name", SITES)
def test_settings_of_a_site_arrive_as_they_were_written(
    core: Any, component_name: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / "fleet.yaml"
    document = {"sites": {name: {"thing_group": "g", "nucleus": "lite", **SITES[name]}}}
    path.write_text(json.dumps(document, ensure_ascii=False))
    fleet = load_fleet(path)
    settings = site_settings(fleet, name)
    recipe = yaml.safe_load((RECIPES / "frame-grabber.yaml").read_text())
    configured = recipe["ComponentConfiguration"]["DefaultConfiguration"]["settings"]
    variable = recipe["Manifests"][0]["Lifecycle"]["Setenv"]["EDGECAM_SETTINGS"]
    core.register(
        component_name,
        "1.0.0",
        {"Script": PRINT, "Setenv": {"EDGECAM_SETTINGS": variable}},
        ComponentConfiguration={"DefaultConfiguration": {"settings": configured}},
    )
    own = settings.configuration("frame-grabber", "our-artifacts")
    (entry,) = components_of(fleet.sites[name], own, names_of(fleet), "1.0.0").values()
    update = {"merge": json.dumps(entry["merge"]), "reset": entry["reset"]}
    deployment = {component_name: {"componentVersion": "1.0.0", "configurationUpdate": update}}
    assert core.finished(core.deploy(deployment))["coreDeviceExecutionStatus"] == "SUCCEEDED"
    word = core.output(component_name).splitlines()[0]
    if settings.pieces is None:
        assert name == "large"
        (tmp_path / f"settings-{settings.packed.hash}").write_bytes(settings.packed.content)
    environment = expanded({"EDGECAM_SETTINGS": word}, tmp_path)
    assert json.loads(environment["EDGECAM_NODE"]) == settings.readable["node"]
    assert json.loads(environment.get("EDGECAM_COMMAND", "[]")) == settings.readable.get("command", [])
    assert list(core.root.rglob("run*")) == []
