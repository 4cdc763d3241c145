"""The scripts of Nucleus Lite, run by the shells that may be behind `/bin/sh`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.core.characters import SHELLS
from sandbox.core.lite.script_text import Places, script_text
from sandbox.core.recipe import Step

SHOW = 'printf %s "$VALUE"'
BOTH_SHELLS = pytest.mark.parametrize("shell", sorted(SHELLS))


def places(value: Any = "") -> Places:
    folder = Path("/greengrass")
    return Places(
        configuration={"value": value, "a": {"b": value}},
        artifacts=folder / "artifacts",
        work=folder / "work",
        root=folder,
        thing_name="core-1",
    )


def arrives(value: Any, shell: str, folder: Path, *, quotes: bool) -> str:
    """What a script gets as VALUE when the configuration has `value`."""
    step = Step(script=SHOW, environment={"VALUE": "{configuration:/value}"})
    return ran(script_text(step, places(value), quotes=quotes), shell, folder)


def ran(text: str, shell: str, folder: Path) -> str:
    script = folder / "script"
    script.write_text(text)
    done = subprocess.run(
        ["/bin/sh", str(script)],
        executable=SHELLS[shell],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout


HOSTILE = [
    "rtsp://camera/s?a=1&b=2",
    "two words",
    "it's",
    "file:///x;>ran",
    "a|b",
    "a(b)",
    "a<b",
    "*",
    "~/x",
    "umläut {a,b}",
    '$(id)`id`\\"',
]


@BOTH_SHELLS
@pytest.mark.parametrize("value", HOSTILE)
def test_newest_source_hands_every_text_on(value: str, shell: str, tmp_path: Path) -> None:
    assert arrives(value, shell, tmp_path, quotes=True) == value


@BOTH_SHELLS
@pytest.mark.parametrize(
    "value", ["rtsp://camera/s?a=1&b=2", "two words", "it's", "a|b", "a(b)", "a<b", "~/x"]
)
def test_release_loses_what_a_shell_reads(value: str, shell: str, tmp_path: Path) -> None:
    assert arrives(value, shell, tmp_path, quotes=False) != value


@BOTH_SHELLS
def test_release_runs_what_stands_behind_a_semicolon(shell: str, tmp_path: Path) -> None:
    arrives("file:///x;>ran", shell, tmp_path, quotes=False)
    assert (tmp_path / "ran").exists()


@BOTH_SHELLS
@pytest.mark.parametrize(
    "value", ['$HOME`\\"', "rtsp://camera/stream1", "umläut", "_-eJyrVkrOSM3JUbJSUirPL8pJAQAs"]
)
def test_release_hands_on_what_it_escapes_and_what_no_shell_reads(
    value: str, shell: str, tmp_path: Path
) -> None:
    assert arrives(value, shell, tmp_path, quotes=False) == value


PLAINEST = {"cameras": [{"id": "door", "uri": "rtsp://camera/stream1"}], "http": {"port": 8642}}


def test_plainest_json_comes_through_dash_and_not_through_bash(tmp_path: Path) -> None:
    plain = json.dumps(PLAINEST, separators=(",", ":"))
    assert arrives(PLAINEST, "dash", tmp_path, quotes=False) == plain
    assert arrives(PLAINEST, "bash", tmp_path, quotes=False) != plain


def test_doubles_have_seventeen_digits(tmp_path: Path) -> None:
    assert arrives({"fps": 0.1, "port": 8642, "half": 2.5}, "dash", tmp_path, quotes=True) == (
        '{"fps":0.10000000000000001,"port":8642,"half":2.5}'
    )


@pytest.mark.parametrize("quotes", [True, False])
def test_places_end_with_a_slash_and_names_are_put_in(quotes: bool) -> None:
    step = Step(script="cat {artifacts:path}/x {work:path} {kernel:rootPath} {iot:thingName}", environment={})
    assert script_text(step, places(), quotes=quotes) == (
        "#!/bin/sh\ncat /greengrass/artifacts//x /greengrass/work/ /greengrass core-1"
    )


@pytest.mark.parametrize("quotes", [True, False])
@pytest.mark.parametrize(
    "variable", ["{configuration:/missing}", "{configuration:}", "{x:y}", "{ true; }", "{a"]
)
def test_variable_that_has_no_value_ends_the_script_which_is_run(
    variable: str, quotes: bool, tmp_path: Path
) -> None:
    step = Step(script=f"echo before; echo {variable} behind; exit 3", environment={})
    assert ran(script_text(step, places(), quotes=quotes), "dash", tmp_path) == "before\n\n"


def test_value_in_a_scripts_own_text_is_escaped_and_not_quoted(tmp_path: Path) -> None:
    step = Step(script='printf %s "{configuration:/value}"', environment={})
    assert ran(script_text(step, places("$HOME"), quotes=True), "dash", tmp_path) == "$HOME"
    assert "'" not in script_text(step, places("x"), quotes=True)


def test_newest_source_refuses_a_name_that_is_none(tmp_path: Path) -> None:
    step = Step(script="echo on", environment={"A;B": "x"})
    assert ran(script_text(step, places(), quotes=True), "dash", tmp_path) == ""
