"""`edgecam ingest`: one camera into one bucket, configured as GCStreamer was, by arguments and environment.

    edgecam ingest --video-path /run/camera door --bucket gs://my-films
    RTSP_SOURCE=rtsp://10.0.0.21/stream1 DEVICE_ID=door BUCKET=my-films edgecam run

GCStreamer read PIPE_NAME, TIMEOUT, RTSP_SOURCE and GOOGLE_APPLICATION_CREDENTIALS, took pipe and camera as
its two arguments, and had the bucket as a constant, DESTINATION_BUCKET, which is a variable here. What it had
for the status is in `ingest_status`.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.cli.ingest_status import IngestStatus, add_status_arguments, is_private_key
from edgecam.cli.option import Option, first_set, is_argument
from edgecam.config.brokers import is_device_id
from edgecam.config.node import NodeConfig
from edgecam.config.schemes import PIPE, RTSP, RTSPS
from edgecam.config.validation import found_text, validate
from edgecam.credentials.login import split_login
from edgecam.errors import ConfigurationError, Mistake
from edgecam.redaction import SECRETS, passwords_in

PIPE_VARIABLE = "PIPE_NAME"
RTSP_VARIABLE = "RTSP_SOURCE"
CAMERA_VARIABLE = "DEVICE_ID"
TIMEOUT_VARIABLE = "TIMEOUT"
KEY_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
BUCKET_VARIABLES = ("EDGECAM_BUCKET", "DESTINATION_BUCKET", "BUCKET")
SPOOL_FOLDER = "/var/lib/edgecam/ingest"
"""Each camera's spool is a folder in here: a spool has one node, and on a machine several may ingest."""
_STATE_FOLDER = "edgecam/ingest"
"""Of a user who may not write there: below $XDG_STATE_HOME (XDG Base Directory Specification, 0.8)."""
_PASSWORD_VARIABLE = "EDGECAM_INGEST_PASSWORD"  # noqa: S105 - the name of a variable, not its value


@dataclass(frozen=True)
class Ingest:
    """What is to run.

    Attributes:
        config: As `edgecam run` would be given it.
        timeout_s: After how many seconds it ends; None never.
    """

    config: NodeConfig
    timeout_s: float | None

    @classmethod
    def from_options(cls, options: argparse.Namespace, environment: MutableMapping[str, str]) -> Self:
        """What arguments and variables ask for; arguments win.

        The password of a camera is taken out of the RTSP_SOURCE in `environment` and kept in a variable of
        its own, from which it goes to the camera and nowhere else. The device's key stays in PRIVATE_KEY.

        Raises:
            ConfigurationError: with every mistake, by the name of the argument or variable.
        """
        given = _Given(options, environment)
        names = {
            "cameras[0].id": given.camera.name,
            "cameras[0].uri": given.source.name,
            "bucket": given.bucket.name,
            "spool.path": "--spool",
            "data_dir": "--data-dir",
            "http.port": "--port",
            "cameras[0].recording.chunk_s": "--chunk-s",
            "cameras[0]": given.camera.name,
            **given.status.names,
        }
        mistakes = [*given.mistakes, *given.status.mistakes]
        config = None
        try:
            config = validate(NodeConfig, given.document())
        except ConfigurationError as error:
            known = {mistake.path for mistake in mistakes}
            renamed = (_renamed(mistake, names) for mistake in error.mistakes)
            mistakes += [mistake for mistake in renamed if mistake.path not in known]
        if config is None or mistakes:
            raise ConfigurationError(mistakes)
        given.keep_password()
        return cls(config, given.timeout_s)


def is_asked_for(environment: Mapping[str, str]) -> bool:
    """Whether the forerunner's variables are set, for a start without a configuration."""
    return any(environment.get(name) for name in (PIPE_VARIABLE, RTSP_VARIABLE))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `edgecam ingest`."""
    parser.add_argument(
        "names", nargs="*", metavar="[PIPE] CAMERA_ID", help=f"else {PIPE_VARIABLE} and {CAMERA_VARIABLE}"
    )
    parser.add_argument(
        "--video-path",
        "--video_path",
        metavar="PIPE",
        help=f"named pipe, made if there is none; else {PIPE_VARIABLE}, else the camera at {RTSP_VARIABLE}",
    )
    parser.add_argument(
        "--bucket", metavar="URI", help=f"gs:// s3:// or file:///; else {' or '.join(BUCKET_VARIABLES)}"
    )
    parser.add_argument(
        "--spool",
        metavar="DIR",
        help=f"where chunks wait; default {SPOOL_FOLDER}/CAMERA_ID, and "
        f"$XDG_STATE_HOME/{_STATE_FOLDER}/CAMERA_ID where that cannot be written",
    )
    parser.add_argument(
        "--device-id",
        "--device_id",
        metavar="NAME",
        help="the device's name, if it is not "
        "that of the camera; capitals and . _ + ~ % are for it alone, and are not in the camera's id",
    )
    parser.add_argument("--chunk-s", metavar="SECONDS", help="length of a chunk (default: 10)")
    parser.add_argument("--timeout", metavar="SECONDS", help=f"end after this long; else {TIMEOUT_VARIABLE}")
    parser.add_argument("--no-frames", action="store_true", help="only record, make no pictures")
    parser.add_argument("--data-dir", metavar="DIR", help="folder of the pictures")
    parser.add_argument("--port", metavar="PORT", help="show page, health and metrics there; default nowhere")
    add_status_arguments(parser)


class _Given:
    """Arguments and variables, sorted out. `mistakes` has those that no configuration would show."""

    def __init__(self, options: argparse.Namespace, environment: MutableMapping[str, str]) -> None:
        self._options = options
        self._environment = environment
        self._login: tuple[str, str] | None = None
        self.mistakes: list[Mistake] = []
        self.camera, self.source = self._names()
        self.bucket = self._bucket()
        self.timeout_s = self._timeout_s()
        self.status = IngestStatus(options, environment, self._device(self.camera))
        self._look_at_key()

    def document(self) -> dict[str, Any]:
        """As a node configuration."""
        options = self._options
        camera: dict[str, Any] = {
            "id": self._camera_id,
            "uri": self.source.value,
            "recording": {"enabled": True} | ({"chunk_s": options.chunk_s} if options.chunk_s else {}),
            "frames": {"enabled": not options.no_frames},
            **self.status.camera_document(self._camera_id),
        }
        if self._login is not None:
            camera["credentials"] = {"username": self._login[0], "password_env": _PASSWORD_VARIABLE}
        data_dir = options.data_dir or self._environment.get("EDGECAM_DATA_DIR")
        return {
            "cameras": [camera],
            "bucket": self.bucket.value,
            "spool": {"path": options.spool or f"{spool_folder(self._environment)}/{self._camera_id}"},
            "http": {"port": options.port} if options.port else {"enabled": False},
            **self.status.node_document(),
        } | ({"data_dir": data_dir} if data_dir else {})

    @property
    def _camera_id(self) -> str:
        """The camera's name as edgecam takes it: of a device's name in lower case, with hyphens."""
        name = self.camera.value
        return re.sub(r"[^a-z0-9-]", "-", name.lower()) if is_device_id(name) else name

    def _device(self, camera: Option) -> Option:
        given = self._options.device_id
        return Option("--device-id", given) if given else camera

    def keep_password(self) -> None:
        """Where the camera's worker will look for it, and no longer in the source's own variable."""
        if self._login is not None:
            self._environment[_PASSWORD_VARIABLE] = self._login[1]
            self._environment[RTSP_VARIABLE] = self.source.value

    def _names(self) -> tuple[Option, Option]:
        """Camera and source."""
        options, environment = self._options, self._environment
        names = [name for name in options.names if not is_private_key(name)]
        if len(names) < len(options.names):
            expected = "--private-key-file FILE, or PRIVATE_KEY: everybody on the machine can read arguments"
            self.mistakes.append(Mistake("command line", expected, "a private key"))
        pipe = options.video_path and Option("--video-path", options.video_path)
        if len(names) > (1 if pipe else 2):
            self.mistakes.append(
                Mistake(
                    "command line", "[PIPE] CAMERA_ID, or --video-path PIPE CAMERA_ID", f"{len(names)} names"
                )
            )
        if not pipe and len(names) > 1:
            pipe = Option("PIPE", names.pop(0))
        camera = Option("CAMERA_ID", names[0]) if names else None
        named = first_set((CAMERA_VARIABLE, environment.get(CAMERA_VARIABLE)))
        camera = camera or (named if named.value or not options.device_id else self._device(named))
        if not camera.value:
            self.mistakes.append(
                Mistake(camera.name, "the camera's id (or CAMERA_ID as an argument)", "nothing")
            )
        if not pipe and environment.get(PIPE_VARIABLE):
            pipe = Option(PIPE_VARIABLE, environment[PIPE_VARIABLE])
        return camera, self._pipe(pipe) if pipe else self._rtsp()

    def _pipe(self, pipe: Option) -> Option:
        if not pipe.value.startswith("/"):
            # As the forerunner did it: from the folder that it is started in.
            pipe = Option(pipe.name, str(Path.cwd() / pipe.value))
        return Option(pipe.name, f"{PIPE.prefix}{quote(pipe.value)}")

    def _rtsp(self) -> Option:
        uri = self._environment.get(RTSP_VARIABLE, "")
        for password in passwords_in(uri):
            SECRETS.remember(password)
        without_login, login = split_login(uri)
        if login is not None:
            self._login = (login.username, login.password)
        if not uri:
            self.mistakes.append(
                Mistake(
                    PIPE_VARIABLE,
                    f"a named pipe (or --video-path), or a camera in {RTSP_VARIABLE}",
                    "neither",
                )
            )
        elif not uri.startswith((RTSP.prefix, RTSPS.prefix)):
            expected = " or ".join(f"{each.name}:{each.form}" for each in (RTSP, RTSPS))
            self.mistakes.append(Mistake(RTSP_VARIABLE, expected, found_text((), uri)))
        return Option(RTSP_VARIABLE if uri else PIPE_VARIABLE, without_login)

    def _bucket(self) -> Option:
        variables = ((name, self._environment.get(name)) for name in BUCKET_VARIABLES)
        bucket = first_set(("--bucket", self._options.bucket), *variables)
        if not bucket.value:
            bucket = Option("--bucket", "")
            where = " or ".join(BUCKET_VARIABLES)
            self.mistakes.append(Mistake("--bucket", f"gs://BUCKET (or its name in {where})", "nothing"))
        # GCStreamer knew one kind of bucket, by its name alone.
        return (
            bucket
            if "://" in bucket.value or not bucket.value
            else Option(bucket.name, f"gs://{bucket.value}")
        )

    def _timeout_s(self) -> float | None:
        in_environment = self._environment.get(TIMEOUT_VARIABLE)
        timeout = first_set(("--timeout", self._options.timeout), (TIMEOUT_VARIABLE, in_environment))
        if not timeout.value:
            return None
        try:
            timeout_s = float(timeout.value)
        except ValueError:
            timeout_s = math.nan
        if not 0 < timeout_s < math.inf:
            self.mistakes.append(Mistake(timeout.name, "seconds, more than 0", timeout.found))
        return timeout_s

    def _look_at_key(self) -> None:
        """Google's own library reads the variable; a missing file is reported now rather than later."""
        path = self._environment.get(KEY_VARIABLE)
        if not path or not self.bucket.value.startswith("gs://"):
            return
        try:
            Path(path).open("rb").close()
        except OSError as error:
            found = f"{path}: {error.strerror}"
            self.mistakes.append(Mistake(KEY_VARIABLE, "a key file that this user can read", found))


def spool_folder(environment: Mapping[str, str]) -> Path:
    """Where this user may keep what waits for the cloud: with the system's state, else with his own."""
    systems = Path(SPOOL_FOLDER)
    state, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if not state.startswith("/"):  # a relative one is to be ignored
        state = f"{home}/.local/state"
    own = Path(state) / _STATE_FOLDER
    return own if not _may_be_made(systems) and own.is_absolute() and _may_be_made(own) else systems


def _may_be_made(folder: Path) -> bool:
    """Whether this user may write `folder`, or make it where it is missing."""
    nearest = next(
        each
        for each in (folder, *folder.parents)
        if os.path.exists(each)  # noqa: PTH110 - raises nothing where a folder above may not be entered
    )
    return os.access(nearest, os.W_OK | os.X_OK)


def _renamed(mistake: Mistake, names: Mapping[str, str]) -> Mistake:
    """By the name of its argument or variable."""
    name, found = names.get(mistake.path, mistake.path), mistake.found
    if is_argument(name) and found != "nothing":
        found = NOT_REPEATED
    return Mistake(name, mistake.expected, found)
