"""The command line, as a process: exit codes, what goes where, and how a run ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgecam import __version__
from edgecam.cli.arguments import NOT_REPEATED
from edgecam.launch.command_override import EXPECTED_PROGRAM
from sandbox.ports import free_port

LIMIT_S = 30
PASSWORD = "hush-9/ä@:x"


def edgecam(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m edgecam` without any of our own variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EDGECAM_")}
    return subprocess.run(
        [sys.executable, "-m", "edgecam", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env=inherited | environment,
        check=False,
    )


def document(folder: Path, **settings: Any) -> dict[str, Any]:
    return {
        "cameras": [{"id": "ball", "uri": "test://?pattern=ball&fps=10", "frames": {"max_fps": 5}}],
        "data_dir": str(folder / "frames"),
        "http": {"port": free_port()},
    } | settings


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `edgecam run` and takes down what a test has left."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        log = (tmp_path / "run.log").open("w")
        process = subprocess.Popen(
            [sys.executable, "-m", "edgecam", "run", *arguments],
            stderr=log,
            text=True,
            env=dict(os.environ) | environment,
        )
        log.close()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)


def test_version_is_printed() -> None:
    assert edgecam("--version").stdout == f"edgecam {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["check"],
        ["probe"],
        ["probe", "test://", "--timeout-s", "soon"],
        ["probe", "test://", "--timeout-s", "0"],
        ["probe", "rtsp://h/x", "--username", "u"],
        ["probe", "rtsp://h/x", "--password-env", "HOME"],
        ["probe", "test://", "--username", "u", "--password-env", "HOME"],
        ["probe", "ftp://h/x"],
        ["probe", "rtsp://fd00::21:554/s"],
        ["probe", "rtsp://h:70000/x"],
        ["probe", "rtsps://h:abc/x"],
        ["probe", "test://?patern=ball"],
        ["frame", "rtsp://h:70000/x", "-"],
        ["probe", "rtsp://h/x", "--ca-file", "/x", "--insecure"],
        ["frame", "test://"],
    ],
)
def test_wrong_usage_is_code_2_and_said_on_standard_error(arguments: list[str]) -> None:
    done = edgecam(*arguments)
    assert done.returncode == 2, done.stderr
    assert "expected" in done.stderr or "usage" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_valid_configuration_is_code_0(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("cameras:\n  - {id: a, uri: 'test://'}\n  - {id: b, uri: 'test://'}\n")
    done = edgecam("check", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: valid, cameras: a, b\n", "")
    assert json.loads(edgecam("check", str(file), "--json").stdout) == {"valid": True, "mistakes": []}


@pytest.mark.parametrize("command", ["check", "run"])
def test_invalid_configuration_is_code_2_and_every_mistake_on_a_line(tmp_path: Path, command: str) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("cameras:\n  - {id: A, uri: 'rtsp://u:hushhush@h/x', fps: 3}\nhttp: {port: 0}\n")
    done = edgecam("check", str(file)) if command == "check" else edgecam("run", "--config", str(file))
    lines = done.stderr.splitlines()
    assert done.returncode == 2
    assert [line.split(": ")[2] for line in lines] == [
        "cameras[0].id",
        "cameras[0].uri",
        "cameras[0].fps",
        "http.port",
    ]
    assert all(f"edgecam: {file}: " in line and "expected" in line and "found" in line for line in lines)
    assert "hushhush" not in done.stderr


def test_mistakes_as_json_have_path_expected_and_found(tmp_path: Path) -> None:
    file = tmp_path / "node.json"
    file.write_text('{"cameras": [], "http": {"port": "x"}}')
    done = edgecam("check", str(file), "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, done.stderr, shown["valid"]) == (2, "", False)
    assert [mistake["path"] for mistake in shown["mistakes"]] == ["cameras", "http.port"]
    assert shown["mistakes"][0] == {"path": "cameras", "expected": "at least one camera", "found": "none"}


def test_configuration_that_is_set_and_empty_is_a_mistake() -> None:
    done = edgecam("run", EDGECAM_NODE="")
    assert done.returncode == 2
    assert (
        "EDGECAM_NODE: expected the node configuration as JSON (or --config FILE), found nothing"
        in done.stderr
    )


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(json.load(answer)["healthy"])
    except urllib.error.HTTPError:
        return False


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_run_delivers_and_ends_with_code_0_within_five_seconds(
    tmp_path: Path,
    run: Callable[..., subprocess.Popen[str]],
    sent: signal.Signals,
    eventually: Callable[..., Any],
) -> None:
    settings = document(tmp_path)
    process = run(EDGECAM_NODE=json.dumps(settings))
    frame = tmp_path / "frames/ball/frame.jpg"
    wait_for(frame)
    assert frame.read_bytes().startswith(b"\xff\xd8")
    # The camera's own thread says that it is connected, once it has been woken by the first picture.
    eventually(lambda: is_healthy(settings["http"]["port"]))
    process.send_signal(sent)
    assert process.wait(5) == 0
    assert json.loads((tmp_path / "frames/ball/frame.json").read_text())["status"] == "disconnected"
    log = (tmp_path / "run.log").read_text()
    assert f"{sent.name}: ending" in log
    assert "Traceback" not in log


def test_data_folder_of_the_environment_wins_over_the_configuration(
    tmp_path: Path, run: Callable[..., subprocess.Popen[str]]
) -> None:
    file = tmp_path / "node.json"
    file.write_text(json.dumps(document(tmp_path)))
    run("--config", str(file), EDGECAM_DATA_DIR=str(tmp_path / "elsewhere"))
    wait_for(tmp_path / "elsewhere/ball/frame.jpg")
    assert not (tmp_path / "frames").exists()


def test_port_in_use_is_code_2_and_no_camera_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = edgecam("run", EDGECAM_NODE=json.dumps(document(tmp_path, http={"port": port})))
    assert done.returncode == 2
    assert f"http.port: expected port {port} of 127.0.0.1 to be free" in done.stderr
    assert not (tmp_path / "frames").exists()


def test_page_that_is_off_opens_no_port(tmp_path: Path, run: Callable[..., subprocess.Popen[str]]) -> None:
    port = free_port()
    http = {"enabled": False, "port": port}
    process = run(EDGECAM_NODE=json.dumps(document(tmp_path, http=http)))
    wait_for(tmp_path / "frames/ball/frame.jpg")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    process.terminate()
    assert process.wait(5) == 0


def test_password_of_a_camera_shows_in_no_log_however_much_is_logged(
    tmp_path: Path, run: Callable[..., subprocess.Popen[str]], eventually: Callable[..., Any]
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    camera = {
        "id": "gate",
        "uri": f"rtsp://127.0.0.1:{free_port()}/x",
        "credentials": {"username": "guard", "password_file": str(file)},
    }
    settings = document(tmp_path, log={"level": "debug", "format": "json"})
    settings["cameras"].append(camera)
    process = run(EDGECAM_NODE=json.dumps(settings))
    wait_for(tmp_path / "frames/ball/frame.jpg")
    eventually(lambda: '"refused"' in (tmp_path / "run.log").read_text())
    process.terminate()
    assert process.wait(5) == 0
    log = (tmp_path / "run.log").read_text()
    events = [json.loads(line) for line in log.splitlines()]
    assert any(event.get("camera") == "gate" and event.get("reason") == "refused" for event in events)
    assert PASSWORD not in log
    assert "hush-9" not in log


def test_password_in_a_uri_is_hidden_and_a_better_way_is_named() -> None:
    uri = f"rtsp://guard:{PASSWORD}@127.0.0.1:{free_port()}/x"
    for arguments in (["probe", uri], ["probe", uri, "--json"], ["frame", uri, "/nowhere/x.jpg"]):
        done = edgecam(*arguments)
        assert done.returncode == 1
        assert "hush-9" not in done.stdout + done.stderr
        assert "refused" in done.stdout + done.stderr
    assert "--password-file" in edgecam("probe", uri).stderr


def test_password_is_hidden_wherever_else_it_stands_on_the_command_line() -> None:
    done = edgecam("probe", "rtsps://guard:hush-9zz@h/x", "--ca-file", "hush-9zz.pem")
    assert done.returncode == 2
    assert f"tls.ca_file: expected an absolute path without .., found {NOT_REPEATED}" in done.stderr
    assert "hush-9zz" not in done.stderr


def test_password_file_that_is_missing_is_code_1_and_said(tmp_path: Path) -> None:
    done = edgecam(
        "probe", "rtsp://127.0.0.1:9/x", "--username", "u", "--password-file", str(tmp_path / "none")
    )
    assert done.returncode == 1
    assert "expected a file that the user" in done.stderr


def test_picture_goes_to_a_file_or_to_standard_output(tmp_path: Path) -> None:
    output = tmp_path / "x.jpg"
    assert edgecam("frame", "test://?width=320&height=240", str(output)).returncode == 0
    assert output.read_bytes()[:2] == b"\xff\xd8"
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "frame", "test://", "-"],
        capture_output=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout[:2] == b"\xff\xd8"
    assert done.stdout[-2:] == b"\xff\xd9"
    assert edgecam("frame", "test://", str(tmp_path / "none/x.jpg")).returncode == 2


def test_exec_becomes_the_program_without_any_shell() -> None:
    done = edgecam(
        "exec", EDGECAM_ENTRYPOINT="printf", EDGECAM_COMMAND='["%s|", "a b", "$HOME", "`id`", "c\\"d"]'
    )
    assert (done.returncode, done.stdout) == (0, 'a b|$HOME|`id`|c"d|')


def test_exec_without_a_program_is_code_2() -> None:
    assert edgecam("exec").returncode == 2
    missing = edgecam("exec", EDGECAM_ENTRYPOINT="no-such-program")
    assert missing.returncode == 2
    assert f"entrypoint: expected {EXPECTED_PROGRAM}, found {NOT_REPEATED}: No such file" in missing.stderr
    assert "no-such-program" not in missing.stderr


def test_launch_plan_prints_nothing_when_the_configuration_is_wrong() -> None:
    done = edgecam("launch-plan", EDGECAM_NODE='{"cameras": []}', EDGECAM_DOCKER='{"memory": "1"}')
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2


def test_start_script_is_the_file_that_one_reads_whatever_is_configured() -> None:
    done = edgecam("start-script", EDGECAM_NODE="$(reboot)", EDGECAM_SETTINGS="; reboot")
    assert done.returncode == 0
    tree = Path(__file__).resolve().parents[3]
    assert done.stdout == (tree / "container/edgecam/launch/start.sh").read_text()


def test_launch_plan_goes_to_standard_output() -> None:
    node = json.dumps({"cameras": [{"id": "a", "uri": "test://"}]})
    done = edgecam("launch-plan", EDGECAM_NODE=node, EDGECAM_DATA_DIR="/srv/frames")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "dir=/srv/frames"


def test_checking_needs_no_gstreamer(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("cameras: [{id: a, uri: 'test://'}]")
    code = (
        "import sys; sys.modules['gi'] = None; from edgecam.__main__ import main;"
        f"sys.exit(main(['check', {str(file)!r}]))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_reader_that_goes_away_leaves_no_traceback(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("cameras: [{id: a, uri: 'test://'}]")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "check", str(file)],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 1


def test_a_folder_is_given_to_who_is_named(tmp_path: Path) -> None:
    assert edgecam("own", str(tmp_path), f"{os.getuid()}:{os.getgid()}").returncode == 0


@pytest.mark.parametrize(
    ("folder", "user", "complaint"),
    [
        ("here", "edgecam", f"user: expected UID:GID, found {NOT_REPEATED}"),
        ("nowhere", "1:1", "folder: expected one that can be given to the user, found: No such file"),
    ],
)
def test_a_folder_that_cannot_be_given_is_named(
    folder: str, user: str, complaint: str, tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    done = edgecam("own", str(tmp_path / folder), user)
    assert done.returncode == 2
    assert complaint in done.stderr
