"""The packages that are unpacked without what they depend on: all are needed, and recorded as any other."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from container.image.contents import read_contents
from container.image.inputs import PROJECT

Run = Callable[..., subprocess.CompletedProcess[str]]

LIST = PROJECT / "container/image/stage/debian-packages.txt"


@pytest.fixture(scope="module")
def listed() -> list[str]:
    return [line for line in LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_list_is_one_of_names_in_their_order(listed: list[str]) -> None:
    assert listed == sorted(set(listed))
    assert [name for name in listed if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", name)] == []


def test_image_takes_files_of_each_and_their_records(tarball: Path, listed: list[str]) -> None:
    taken = {package.name for package in read_contents(tarball).debian}
    assert set(listed) - taken == set()


def test_packages_are_recorded_as_installed_so_that_scanners_look_at_them(run: Run) -> None:
    program = (
        "import pathlib; folder = pathlib.Path('/var/lib/dpkg/status.d');"
        "lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()];"
        "states = [line for line in lines if line.startswith('Status')]; print(len(states), set(states))"
    )
    asked = run("python3", "-c", program)
    number, _, states = asked.stdout.partition(" ")
    assert int(number) > 40, asked.stderr
    assert states == "{'Status: install ok installed'}\n"
