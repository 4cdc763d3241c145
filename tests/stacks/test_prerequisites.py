"""A machine on which something is missing, or old: one sentence, before anything else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

FLEET = 'sites: {lobby: {thing: core, cameras: [{id: a, uri: "test://"}]}}'


def app(environment: dict[str, str], python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "app.py"], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )


def test_without_the_environment_synth_names_the_command_that_makes_it(tmp_path: Path) -> None:
    copy = tmp_path / "tree"
    copy.mkdir()
    for part in ("app.py", "cdk.json"):
        shutil.copy2(PROJECT / part, copy / part)
    for part in ("stacks", "fleet", "container"):
        (copy / part).symlink_to(PROJECT / part)
    # As the CDK's command line runs what cdk.json says; -S leaves out every package but Python's own.
    programs = tmp_path / "bin"
    programs.mkdir()
    bare_python = programs / "python3"
    bare_python.write_text(f'#!/bin/sh\nexec {sys.base_prefix}/bin/python3 -S -E "$@"\n')
    bare_python.chmod(0o755)
    command = json.loads((copy / "cdk.json").read_text())["app"]
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=copy,
        env={"PATH": f"{programs}:{os.defpath}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "run tools/install deploy in this folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_packages_without_edgecam_itself_are_not_enough() -> None:
    """As where somebody has installed the locked packages for all, and not the project."""
    # Without `site` a folder's .pth files, the editable installation among them, are not read.
    done = subprocess.run(
        [f"{sys.base_prefix}/bin/python3", "-S", "app.py"],
        cwd=PROJECT,
        env={"PATH": os.defpath, "PYTHONPATH": sysconfig.get_path("purelib")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "found no edgecam with" in done.stderr
    assert "run tools/install deploy in this folder" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("version", "lines"),
    [("v20.20.2", 1), ("v22.12.0", 0), ("v24.1.0", 0)],
)
def test_node_that_is_no_longer_maintained_is_one_line_and_the_stacks_are_there(
    tmp_path: Path, version: str, lines: int
) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(FLEET)
    real = shutil.which("node")
    assert real
    programs = tmp_path / "bin"
    programs.mkdir()
    # Only what it says of itself is another's: jsii runs it as it is.
    node = programs / "node"
    node.write_text(f'#!/bin/sh\n[ "$1" = --version ] && {{ echo {version}; exit; }}\nexec {real} "$@"\n')
    node.chmod(0o755)
    done = app(
        {
            "PATH": f"{programs}:{os.defpath}",
            "HOME": os.environ.get("HOME", "/"),
            "CDK_CONTEXT_JSON": json.dumps({"fleet": str(fleet)}),
            "CDK_OUTDIR": str(tmp_path / "out"),
            "CDK_VALIDATION": "false",
            **({} if lines else {"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20"}),
        }
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == lines, done.stderr
    if lines:
        assert "Node.js 20 is no longer maintained: install 22 or later" in done.stderr
    assert (tmp_path / "out" / "EdgecamFrameGrabber.template.json").exists()


@pytest.mark.parametrize(("version", "lines"), [("v20.20.2", 1), ("v22.12.0", 0), ("v24.1.0", 0)])
def test_only_node_that_is_no_longer_maintained_is_named(tmp_path: Path, version: str, lines: int) -> None:
    node = tmp_path / "node"
    node.write_text(f"#!/bin/sh\necho {version}\n")
    node.chmod(0o755)
    # Without jsii, which would say of this machine's own Node what it thinks of it.
    check = "from stacks.prerequisites import check_prerequisites; check_prerequisites()"
    done = subprocess.run(
        [sys.executable, "-c", check],
        cwd=PROJECT,
        env={"PATH": f"{tmp_path}:{os.defpath}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (0, lines), done.stderr
