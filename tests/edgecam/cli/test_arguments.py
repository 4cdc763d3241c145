"""What stands on a command line is never repeated, wherever it stands and whatever is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecam.cli.arguments import WRONG
from edgecam.cli.main import main

SECRET = "S3CRET-horse-battery"
KEY = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\nMIGHAgEAMBMGByqGSM49AgEG\n-----END PRIVATE KEY-----\n"
ENTRYPOINT = "import sys; from edgecam.cli.entrypoint import main; sys.exit(main())"
_LIMIT_S = 60.0


def said(*command: str, **variables: str) -> tuple[int, str]:
    """Exit code of a Python program, and everything that it writes."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("EDGECAM")}
    done = subprocess.run(
        [sys.executable, *command],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("secret", [SECRET, KEY, f"--{SECRET}", f"--password={SECRET}", f"-x{SECRET}"])
@pytest.mark.parametrize(
    "before",
    [
        *([], ["run"], ["run", "--config"], ["check"], ["check", "--json", "x"], ["ingest", "/p", "door"]),
        *(["ingest"], ["ingest", "--port"], ["ingest", "--timeout"], ["ingest", "--private-key-file"]),
        *(["ingest", "--video-path", "/p"], ["ingest", "--ca-certs"], ["ingest", "--state-payload"]),
        *(["probe"], ["probe", "test://", "--timeout-s"], ["probe", "test://", "--transport"]),
        *(["probe", "rtsp://127.0.0.1:9/x", "--username", "u", "--password-file"], ["frame", "test://", "-"]),
        *(["probe", "rtsp://127.0.0.1:9/x", "--username", "u", "--password-env"], ["frame"]),
        *(["probe", "rtsps://127.0.0.1:9/x", "--ca-file"], ["launch-plan"], ["own", "/nowhere"], ["exec"]),
        ["start-script"],
    ],
    ids=" ".join,
)
def test_edgecam_repeats_no_argument(
    before: list[str], secret: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("EDGECAM")]:
        monkeypatch.delenv(name)
    try:
        code = main([*before, secret])
    except SystemExit as end:
        code = int(str(end.code))
    written = capsys.readouterr()
    text = written.out + written.err
    assert code != 0
    assert SECRET not in text
    assert "expected" in text or "required" in text


@pytest.mark.parametrize("before", [[], ["check"], ["check", "--fleet"], ["list", "--format"]], ids=" ".join)
def test_the_fleets_command_repeats_no_argument_that_it_does_not_know(before: list[str]) -> None:
    code, text = said("-m", "fleet.command", *before, f"--{SECRET}")
    assert code == WRONG
    assert SECRET not in text


def test_usage_still_says_which_argument_is_wrong() -> None:
    assert (
        "argument --timeout-s: expected a value as --help says"
        in said("-m", "edgecam", "probe", "test://", "--timeout-s", "soon")[1]
    )
    assert "the following arguments are required: FILE" in said("-m", "edgecam", "check")[1]
    both = said("-m", "edgecam", "probe", "rtsps://h/x", "--ca-file", "/x", "--insecure")[1]
    assert "argument --insecure: not allowed with argument --ca-file" in both
    assert "argument --username: expected one argument" in said("-m", "edgecam", "probe", "--username")[1]


@pytest.mark.parametrize(
    "arguments",
    [[KEY, "rtsp://h/x", "door", "DISPENSER"], [SECRET], ["/dev/null"], [f"/{SECRET}"], [""], []],
)
def test_entrypoint_refuses_what_is_no_program_and_repeats_nothing(arguments: list[str]) -> None:
    code, text = said("-c", ENTRYPOINT, *arguments)
    assert code == WRONG
    assert text.startswith("edgecam: expected a program of this image")
    assert SECRET not in text
    assert "PRIVATE KEY-----" not in text
    assert ("PRIVATE_KEY_FILE" in text) == (arguments[:1] == [KEY])


def test_entrypoint_refuses_a_file_that_cannot_be_executed(tmp_path: Path) -> None:
    program = tmp_path / SECRET
    program.write_bytes(b"\x7fELF no program")
    program.chmod(0o755)
    code, text = said("-c", ENTRYPOINT, str(program))
    assert code == WRONG
    assert SECRET not in text


@pytest.mark.parametrize("key", [[KEY], KEY.split(), ["S3CRET-of-no-form"]])
@pytest.mark.parametrize("more", [[], ["hikvision"]])
def test_entrypoint_answers_the_forerunners_arguments_with_the_new_command(
    key: list[str], more: list[str]
) -> None:
    code, text = said("-c", ENTRYPOINT, *key, f"rtsp://admin:{SECRET}@10.0.0.21/stream1", "Door", *more)
    assert code == WRONG
    assert "--env=PRIVATE_KEY_FILE=/device.pem --env=RTSP_SOURCE=RTSP_URL --env=DEVICE_ID=DEVICE_ID" in text
    for given in ("S3CRET", "BEGIN", "10.0.0.21", "Door"):
        assert given not in text


def test_entrypoint_says_what_the_image_has_in_place_of_a_shell() -> None:
    text = said("-c", ENTRYPOINT, "no-such-shell", "-c", "x")[1]
    assert "gst-launch-1.0, gst-inspect-1.0" in text
    assert "docker run" not in text


def test_entrypoint_is_edgecam_and_becomes_other_programs() -> None:
    code, text = said("-c", ENTRYPOINT, "edgecam", "--version")
    assert (code, text.split()[0]) == (0, "edgecam")
    assert said("-c", ENTRYPOINT, "printf", "%s|", "a b", "$HOME") == (0, "a b|$HOME|")
    assert said("-c", ENTRYPOINT, "sh", "-c", "exit 7")[0] == 7
