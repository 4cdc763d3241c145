"""The wheel: each command that it installs runs where nothing else of the tree is."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed; the libraries are this environment's."""
    folder = tmp_path_factory.mktemp("package")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    uv = PROJECT / ".venv" / "bin" / "uv"
    target = folder / "installed"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--target", target, wheel],
        check=True,
        capture_output=True,
    )
    return target


def test_every_command_of_the_wheel_runs_without_the_tree(installed: Path, tmp_path: Path) -> None:
    commands = sorted((installed / "bin").iterdir())
    assert [command.name for command in commands] == ["edgecam"]
    # Folders on PYTHONPATH, and not this environment: its .pth file would lead back into the tree.
    libraries = sysconfig.get_path("purelib")
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for command in commands:
        done = subprocess.run(
            [base, command, "--help"],
            cwd=tmp_path,
            env={"PATH": os.defpath, "PYTHONPATH": f"{installed}:{libraries}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "usage: edgecam" in done.stdout


def test_fleet_command_runs_from_a_folder_with_a_blank_and_below_links(tmp_path: Path) -> None:
    text = (PROJECT / "tools" / "install").read_text()
    program = text.partition("<<'PROGRAM'\n")[2].partition("PROGRAM\n")[0]
    folder = tmp_path / "our cameras" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").write_text(f'#!/bin/sh\nexec "{PROJECT}/.venv/bin/python" "$@"\n')
    (folder / "edgecam-fleet").write_text(program)
    for path in folder.iterdir():
        path.chmod(0o755)
    (tmp_path / "edgecam-fleet").symlink_to(folder / "edgecam-fleet")
    # What is beside the user is no part of the command.
    (tmp_path / "yaml.py").write_text("raise SystemExit('another yaml')\n")
    done = subprocess.run(
        ["./edgecam-fleet", "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: edgecam-fleet" in done.stdout


def test_fleet_command_of_the_tree_is_installed_beside_it() -> None:
    done = subprocess.run(
        [PROJECT / ".venv" / "bin" / "edgecam-fleet", "--help"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "check" in done.stdout
