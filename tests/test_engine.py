"""A run is held to what it leaves on the engine itself, and to nothing of others."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import engine
import pytest
from engine import Ledger
from tiny_image import docker, tiny_image


@pytest.fixture
def ledger(docker_engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """Of a run within this one."""
    assert docker_engine
    folder = tmp_path / "bin"
    folder.mkdir()
    found = Ledger(folder)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return found


@pytest.fixture
def other(ledger: Ledger, tmp_path: Path) -> Ledger:
    """Of a run beside that one, which does nothing."""
    assert ledger
    folder = tmp_path / "other"
    folder.mkdir()
    return Ledger(folder)


def test_what_a_run_leaves_is_named_and_not_taken_for_anothers(ledger: Ledger, other: Ledger) -> None:
    before = engine.contents()
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}"
    with tiny_image() as image:
        docker("create", f"--name={name}", image)
        docker("volume", "create", name)
        docker("network", "create", name)
        try:
            assert ledger.left(before) == [
                f"container {name} of {image}",
                f"image {image}:latest",
                f"network {name}",
                f"volume {name}",
            ]
            assert other.left(before) == []
        finally:
            for kind in ("container", "network", "volume"):
                subprocess.run(["docker", kind, "rm", name], capture_output=True, check=False)
    assert ledger.left(before) == []
