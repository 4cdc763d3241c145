"""Terminals whose encoding has fewer characters than our texts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]

WRITES = """
import sys
from edgecam.cli.terminal import adapt_output
adapt_output()
for stream in (sys.stdout, sys.stderr):
    stream.write("gate → north, 2 … 5 · größer als 日\\n")
"""


def run(*command: str, encoding: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "gate → north, 2 … 5 · größer als 日\n"),
        ("latin-1", "gate -> north, 2 ... 5 · größer als \\u65e5\n"),
        ("ascii", "gate -> north, 2 ... 5 - gr\\u00f6\\u00dfer als \\u65e5\n"),
    ],
)
def test_characters_that_an_encoding_lacks_are_written_in_plain_ones(encoding: str, written: str) -> None:
    done = run("-c", WRITES, encoding=encoding)
    assert done.returncode == 0
    assert (done.stdout.decode(encoding), done.stderr.decode(encoding)) == (written, written)


def test_list_of_a_fleet_whose_file_has_an_umlaut_is_written_in_ascii(tmp_path: Path) -> None:
    fleet = tmp_path / "häuser.yaml"
    fleet.write_text('sites: {lobby: {thing: core, cameras: [{id: a, uri: "test://"}]}}', encoding="utf-8")
    done = run("-m", "fleet.command", "list", "--fleet", str(fleet), encoding="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"h\\u00e4user.yaml" in done.stdout


def test_probe_that_shows_an_umlaut_is_written_in_ascii(tmp_path: Path) -> None:
    done = run("-m", "edgecam", "probe", f"file://{tmp_path}/tür.mp4", encoding="ascii")
    assert done.returncode == 1
    assert b"t\\u00fcr.mp4" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_on_standard_output_is_json_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    uri = f"file://{tmp_path}/tür → 日.mp4"
    done = run("-m", "edgecam", "probe", uri, "--json", encoding=encoding)
    assert done.returncode == 1
    assert json.loads(done.stdout.decode(encoding))["uri"] == uri
    node = tmp_path / "node.yaml"
    node.write_text("cameras: [{id: a, uri: 'test://', tür → 日: 1}]", encoding="utf-8")
    done = run("-m", "edgecam", "check", str(node), "--json", encoding=encoding)
    assert done.returncode == 2
    (mistake,) = json.loads(done.stdout.decode(encoding))["mistakes"]
    assert mistake["path"] == "cameras[0].tür → 日"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_list_of_a_fleet_as_json_is_json_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    fleet = tmp_path / "häuser → 日.yaml"
    fleet.write_text('sites: {lobby: {thing: core, cameras: [{id: a, uri: "test://"}]}}', encoding="utf-8")
    done = run("-m", "fleet.command", "list", "--json", "--fleet", str(fleet), encoding=encoding)
    assert json.loads(done.stdout.decode(encoding))[0]["file"] == fleet.name


def test_lines_of_the_log_as_json_are_json_in_every_encoding() -> None:
    script = """
import logging
from edgecam.cli.terminal import adapt_output
from edgecam.config.node import Log
from edgecam.log import setup
adapt_output()
setup(Log(format="json"))
logging.getLogger("edgecam.test").warning("die Tür 😀")
"""
    done = run("-c", script, encoding="ascii")
    assert json.loads(done.stderr)["message"] == "die Tür 😀"
