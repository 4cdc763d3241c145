"""Terminals whose encoding has fewer characters than our texts."""

from __future__ import annotations

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
        ("ascii", "gate -> north, 2 ... 5 - gr\\xf6\\xdfer als \\u65e5\n"),
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
    assert b"h\\xe4user.yaml" in done.stdout


def test_probe_that_shows_an_umlaut_is_written_in_ascii(tmp_path: Path) -> None:
    done = run("-m", "edgecam", "probe", f"file://{tmp_path}/tür.mp4", encoding="ascii")
    assert done.returncode == 1
    assert b"t\\xfcr.mp4" in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
