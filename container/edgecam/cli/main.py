"""The command line. Heavy modules are imported only by the command that needs them: `check` starts in 0.2 s.

Exit codes: 0 done; 1 the source or the run failed; 2 the configuration, the command line or the installation
is wrong; 130 interrupted before it ran.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecam import __version__
from edgecam.cli.arguments import NOT_REPEATED, WRONG, ArgumentParser
from edgecam.cli.ingest import add_arguments, is_asked_for
from edgecam.cli.terminal import adapt_output
from edgecam.config.camera import Receiver
from edgecam.config.load import NODE_VARIABLE, load_environment, load_file
from edgecam.config.node import Log, NodeConfig
from edgecam.config.schemes import SCHEMES
from edgecam.config.validation import validate
from edgecam.errors import (
    ConfigurationError,
    EdgecamError,
    InstallationError,
    Mistake,
)
from edgecam.launch.settings import DATA_DIR_VARIABLE, expanded
from edgecam.log import setup
from edgecam.redaction import SECRETS

DONE, FAILED, INTERRUPTED = 0, 1, 130

_EPILOG = """\
exit codes: 0 done; 1 the source or the run failed; 2 the configuration, the command line or the
installation is wrong. A configuration is read from --config FILE (YAML or JSON), else from the
environment variable EDGECAM_NODE (JSON); where there is neither, `run` does what `ingest` does if
PIPE_NAME or RTSP_SOURCE is set, and shows a test picture if not."""

_LOGIN_HINT = (
    "note: a password in the URI can be seen by every user of this machine while the command runs; "
    "better: --username USER --password-file FILE, or --password-env VARIABLE"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    adapt_output()
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except (ConfigurationError, InstallationError) as error:
        _complain(error)
        return WRONG
    except EdgecamError as error:
        _complain(error)
        return FAILED
    except BrokenPipeError:
        # Who read our output has gone; the interpreter must not complain about it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _complain(error: Exception) -> None:
    for line in SECRETS.hide(str(error)).splitlines():
        sys.stderr.write(f"edgecam: {line}\n")


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="edgecam",
        description="The newest picture of every camera on this machine, as a file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgecam {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="look after the cameras until SIGTERM or SIGINT")
    run.add_argument("--config", type=Path, metavar="FILE", help=f"YAML or JSON; else {NODE_VARIABLE}")
    run.add_argument("--data-dir", metavar="DIR", help="folder of the pictures; else as configured")
    run.set_defaults(command=_run)

    ingest = commands.add_parser("ingest", help="record one camera or named pipe into a bucket")
    add_arguments(ingest)
    ingest.set_defaults(command=_ingest)

    check = commands.add_parser("check", help="validate a node configuration, every mistake on a line")
    check.add_argument("file", type=Path, metavar="FILE", help="YAML or JSON")
    check.add_argument("--json", action="store_true", help="the verdict as JSON on standard output")
    check.set_defaults(command=_check)

    probe = commands.add_parser("probe", help="show what a source delivers, or in plain words why not")
    _add_source(probe)
    probe.add_argument("--json", action="store_true", help="the findings as JSON on standard output")
    probe.set_defaults(command=_probe)

    frame = commands.add_parser("frame", help="take one picture from a source")
    _add_source(frame)
    frame.add_argument("output", metavar="OUT.jpg", help="where the picture goes; - is standard output")
    frame.set_defaults(command=_frame)

    start = commands.add_parser("start-script", help="for the recipe: the shell script that starts the node")
    start.set_defaults(command=_start_script)
    plan = commands.add_parser("launch-plan", help="for the start script: how docker has to run this image")
    plan.set_defaults(command=_launch_plan)
    own = commands.add_parser("own", help="for the start script: give a folder to the node's user")
    own.add_argument("folder", type=Path, metavar="DIR")
    own.add_argument("user", metavar="UID:GID")
    own.set_defaults(command=_own)
    execute = commands.add_parser("exec", help="become the program in EDGECAM_ENTRYPOINT and EDGECAM_COMMAND")
    execute.set_defaults(command=_exec)
    fetch = commands.add_parser("fetch-settings", help="for the recipe: fetch what EDGECAM_SETTINGS names")
    fetch.add_argument("folder", type=Path, metavar="DIR", help="where it is kept on the core")
    fetch.set_defaults(command=_fetch_settings)
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", metavar="URI", help=" ".join(scheme.prefix for scheme in SCHEMES))
    parser.add_argument("--username", metavar="USER")
    password = parser.add_mutually_exclusive_group()
    password.add_argument("--password-file", metavar="FILE", help="its first line is the password")
    password.add_argument("--password-env", metavar="VARIABLE", help="environment variable that holds it")
    parser.add_argument("--transport", choices=("tcp", "udp"), default="tcp", help="of RTSP (default: tcp)")
    parser.add_argument(
        "--receiver",
        choices=tuple(Receiver),
        default=Receiver.AUTO,
        help="who receives RTSP: edgecam where it can, or always GStreamer (default: auto)",
    )
    trust = parser.add_mutually_exclusive_group()
    trust.add_argument("--ca-file", metavar="FILE", help="PEM file with the authority of an rtsps camera")
    trust.add_argument("--insecure", action="store_true", help="accept any certificate of an rtsps camera")
    parser.add_argument(
        "--timeout-s", type=float, default=15.0, metavar="SECONDS", help="for the whole (default: 15)"
    )


def _run(options: argparse.Namespace) -> int:
    from edgecam.node.process import run

    environment = expanded(os.environ)
    data_dir = options.data_dir or environment.get(DATA_DIR_VARIABLE) or None
    if options.config is None:
        node = environment.get(NODE_VARIABLE)
        if not node and is_asked_for(os.environ):
            return _ingest(_parser().parse_args(["ingest", *(["--data-dir", data_dir] if data_dir else [])]))
        if node is None:
            return _first_start(data_dir)
        return run(load_environment(node, data_dir))
    config = _loaded(options.config, "--config")
    if data_dir is not None:
        config = validate(NodeConfig, config.model_dump() | {"data_dir": data_dir}, name="--data-dir")
    return run(config)


def _first_start(data_dir: str | None) -> int:
    from edgecam.cli.first_start import FIRST_NODE, message, page_address
    from edgecam.node.process import run

    config = validate(NodeConfig, FIRST_NODE | ({"data_dir": data_dir} if data_dir else {}))
    address = page_address()
    sys.stderr.write(f"edgecam: {message(address, config.http.port)}\n")
    return run(config, page_address=address)


def _ingest(options: argparse.Namespace) -> int:
    from edgecam.cli.ingest import Ingest
    from edgecam.node.process import run

    ingest = Ingest.from_options(options, os.environ)
    return run(ingest.config, timeout_s=ingest.timeout_s)


def _check(options: argparse.Namespace) -> int:
    mistakes: tuple[Mistake, ...] = ()
    try:
        config = _loaded(options.file, "FILE")
    except ConfigurationError as error:
        if not options.json:
            raise
        mistakes = error.mistakes
    if options.json:
        found = [{"path": each.path, "expected": each.expected, "found": each.found} for each in mistakes]
        _write(json.dumps({"valid": not mistakes, "mistakes": found}, indent=1))
        return WRONG if mistakes else DONE
    cameras = ", ".join(camera.id for camera in config.cameras)
    _write(f"{options.file}: valid, cameras: {cameras}")
    return DONE


def _probe(options: argparse.Namespace) -> int:
    from edgecam.cli.probe import probe
    from edgecam.cli.probe_target import Target

    setup(Log(level="error"))
    result = probe(Target.from_options(options))
    _write(result.json_text() if options.json else result.text())
    _hint(options)
    return DONE if result.failure is None else FAILED


def _frame(options: argparse.Namespace) -> int:
    from edgecam.cli.probe import take_picture
    from edgecam.cli.probe_target import Target

    setup(Log(level="error"))
    picture = take_picture(Target.from_options(options))
    _hint(options)
    if options.output == "-":
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
        return DONE
    try:
        Path(options.output).write_bytes(picture)
    except OSError as error:
        raise InstallationError(
            f"OUT.jpg: expected a file that can be written, found: {error.strerror}"
        ) from None
    return DONE


def _start_script(_: argparse.Namespace) -> int:
    from edgecam.launch.start_script import start_script

    # As it is: what evaluates it must get the text of the image, and no secret is in it.
    sys.stdout.write(start_script())
    return DONE


def _launch_plan(_: argparse.Namespace) -> int:
    from edgecam.launch.docker_plan import plan_from_environment

    _write("\n".join(plan_from_environment(os.environ)))
    return DONE


def _own(options: argparse.Namespace) -> int:
    from edgecam.folder import give

    uid, colon, gid = options.user.partition(":")
    if not colon or not (uid + gid).isdecimal():
        raise ConfigurationError([Mistake("", "UID:GID", NOT_REPEATED)], document="user")
    try:
        give(options.folder, int(uid), int(gid))
    except OSError as error:
        raise InstallationError(
            f"folder: expected one that can be given to the user, found: {error.strerror}"
        ) from None
    return DONE


def _fetch_settings(options: argparse.Namespace) -> int:
    from edgecam.launch.settings_object import fetch_settings

    setup(Log())
    fetch_settings(options.folder, os.environ)
    return DONE


def _exec(_: argparse.Namespace) -> int:
    from edgecam.launch.command_override import EXPECTED_PROGRAM, command_from_environment

    command = command_from_environment(expanded(os.environ))
    if not command:
        raise ConfigurationError([Mistake("entrypoint", "a program, or command with one", "nothing")])
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell: the arguments arrive as they were typed
    except OSError as error:
        raise ConfigurationError(
            [Mistake("entrypoint", EXPECTED_PROGRAM, f"{NOT_REPEATED}: {error.strerror}")]
        ) from None


def _hint(options: argparse.Namespace) -> None:
    from edgecam.redaction import holds_password

    if holds_password(options.uri):
        sys.stderr.write(f"edgecam: {_LOGIN_HINT}\n")


def _write(text: str) -> None:
    sys.stdout.write(f"{SECRETS.hide(text)}\n")
    sys.stdout.flush()


def _loaded(path: Path, argument: str) -> NodeConfig:
    try:
        path.open("rb").close()
    except (OSError, ValueError) as error:  # its name is shown once it is known to be one
        problem = getattr(error, "strerror", None) or "no name of a file"
        raise ConfigurationError([Mistake("", "a readable file", problem)], document=argument) from None
    return load_file(path)
