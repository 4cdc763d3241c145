"""Importing a module makes nothing: every worker of a test run imports it, all at the same moment."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tools.source_tree import PROJECT

IMPORTING = """
import importlib, json, os, pkgutil, sys

made = []

def _note(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        made.append(f"writes {arguments[0]}")
    elif event == "open" and str(arguments[0]).startswith(os.path.join(os.getcwd(), "build", "")):
        made.append(f"needs {arguments[0]}, which somebody has to make")
    elif event in ("subprocess.Popen", "socket.connect"):
        made.append(f"{event} {arguments[0]}")

def _raise(name):
    raise

sys.addaudithook(_note)
package = importlib.import_module(sys.argv[1])
names = [each.name for each in pkgutil.walk_packages(package.__path__, f"{sys.argv[1]}.", onerror=_raise)]
for name in names:
    if not name.endswith("__main__") and not name.startswith(tuple(sys.argv[2:])):
        importlib.import_module(name)
print(json.dumps([len(names), made]))
"""

ELSEWHERE = ("sandbox.aws.ministack.", "sandbox.aws.plugin.", "sandbox.iot.")
"""Rooms that run in environments of their own."""


@pytest.mark.parametrize("package", ["edgecam", "fuzz", "sandbox", "bench"])
def test_importing_makes_no_file_no_process_and_no_connection(package: str) -> None:
    command = [sys.executable, "-B", "-c", IMPORTING, package, *ELSEWHERE]
    ran = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True)
    count, made = json.loads(ran.stdout.splitlines()[-1])
    assert count > 3
    assert not made, "\n".join(made)
