"""The sandbox's fleet file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import fleet
from stacks.settings import load_fleet

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:edgecam/sandbox/yard-AbCdEf"


@pytest.mark.parametrize(("width", "expected"), [(fleet.UNCHANGED_WIDTH, None), ("640", 640)])
def test_rendered_fleet_is_what_the_stacks_take(tmp_path: Path, width: str, expected: int | None) -> None:
    values = fleet.Values(
        data_dir=tmp_path, page_port=8001, cameras_port=8002, yard_secret=SECRET, lobby_width=width
    )
    site = load_fleet(fleet.render(values, tmp_path / "fleet.yaml")).sites["sandbox"]
    assert site.thing == fleet.THING
    assert site.data_dir == str(tmp_path)
    assert site.http.port == 8001
    lobby, yard = site.cameras
    assert (lobby.uri, lobby.frames.width) == ("rtsp://127.0.0.1:8002/lobby", expected)
    assert yard.credentials is not None
    assert yard.credentials.secret == SECRET
    assert not site.uses_secret_manager
