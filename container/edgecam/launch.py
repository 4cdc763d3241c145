"""How a core starts the container: a plan that a plain POSIX shell can read, made inside the image.

A core has no JSON parser, so the recipe's script first runs `edgecam launch-plan`, which turns the component
configuration into lines: `dir=/path`, a folder to be made, and `arg=…`, one argument of `docker run`. A file
named by the configuration is mounted at the same path, so that a configuration works inside the container as
it was written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, TypeVar

from pydantic import Field, field_validator, model_validator

from edgecam.config import NODE_VARIABLE, NodeConfig, load_environment
from edgecam.config_types import AbsolutePath
from edgecam.container_memory import MIB, default_limit_bytes
from edgecam.core_paths import mistakes_on_core, read_only, written
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import parse_json
from edgecam.validation import Model, found_text, validate

DATA_DIR_VARIABLE = "EDGECAM_DATA_DIR"
DOCKER_VARIABLE = "EDGECAM_DOCKER"
ENTRYPOINT_VARIABLE = "EDGECAM_ENTRYPOINT"
COMMAND_VARIABLE = "EDGECAM_COMMAND"

PASSED_ON = (
    NODE_VARIABLE,
    DATA_DIR_VARIABLE,
    ENTRYPOINT_VARIABLE,
    COMMAND_VARIABLE,
    # What a nucleus says to its components; docker leaves out those that are not set.
    "AWS_REGION",
    "AWS_IOT_THING_NAME",
    "SVCUID",
    "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_ENDPOINT_URL",
    "TZ",
    # The way to the internet, as a nucleus with a proxy tells its components; both spellings are in use.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    # An embedded Google Cloud Storage in Google's place, by the name that Google's own libraries read.
    "STORAGE_EMULATOR_HOST",
)
"""Environment variables that the container gets, by name only: no value stands in a process list."""

_NO_NETWORK = "none"
_UNSET = ("", "null", '""', "[]")  # what a nucleus may make of nothing

_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_LEAST_MEMORY = 64 * 1024**2  # one camera decoding 1080p needs about 75 MB; below this not even Python starts


class Mount(Model):
    """A folder or file of the core that the container sees; also written `SOURCE:TARGET` or `…:ro`."""

    source: AbsolutePath = Field(description="Path on the core.")
    target: AbsolutePath = Field(description="Path in the container.")
    read_only: bool = Field(default=False, description="Whether the container may only read it.")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        parts = value.split(":")
        if len(parts) not in (2, 3) or parts[2:] not in ([], ["ro"], ["rw"]):
            raise ValueError("expected SOURCE:TARGET or SOURCE:TARGET:ro")
        return {"source": parts[0], "target": parts[1], "read_only": parts[2:] == ["ro"]}

    @field_validator("source", "target")
    @classmethod
    def _no_colon(cls, path: str) -> str:
        if ":" in path:
            raise ValueError("expected a path without a colon: docker separates with it")
        return path

    @field_validator("target")
    @classmethod
    def _not_the_root(cls, path: str) -> str:
        if str(PurePosixPath(path)) == "/":
            raise ValueError("expected a path below /")
        return path

    def argument(self) -> str:
        """The argument of `docker run`."""
        # --volume, not --mount: a missing folder must fail its camera, not keep the whole node from starting.
        return f"--volume={self.source}:{self.target}{':ro' if self.read_only else ''}"


class DockerOptions(Model):
    """How the container runs."""

    root: bool = Field(default=False, description="true runs the node as root; never needed for cameras.")
    memory: str | None = Field(
        default=None,
        description='Most memory it may take, such as `"512m"` or `"1g"`; default 256 MiB, and 320 for each '
        "camera with pictures and 32 for each without, but at most three quarters of the core's.",
    )
    cpus: float | None = Field(
        default=None, gt=0, le=1024, description="Most processor time, in cores; default no limit."
    )
    network: str = Field(
        default="host",
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.:-]*$",
        description="`host`, `bridge` or the name of a network; only with `host` does the core reach the "
        "page and the node the nucleus.",
    )
    mounts: tuple[Mount, ...] = Field(
        default=(), description="Further folders or files: `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a mapping."
    )

    @field_validator("memory", mode="before")
    @classmethod
    def _memory(cls, value: Any) -> Any:
        if value is None or value == "":
            return None  # a nucleus has no way to say null for every key
        match = re.fullmatch(r"(\d+)([bkmg]?)", value.lower()) if isinstance(value, str) else None
        if match is None:
            raise ValueError('expected a text such as "512m" or "1g"')
        if int(match.group(1)) * _UNITS[match.group(2)] < _LEAST_MEMORY:
            raise ValueError("expected at least 64m")
        return value

    @field_validator("mounts")
    @classmethod
    def _targets_differ(cls, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
        targets = [mount.target for mount in mounts]
        for target in targets:
            if targets.count(target) > 1:
                raise ValueError(f"expected a different target for every mount, found {target} twice")
        return mounts


def plan(config: NodeConfig, docker: DockerOptions, *, core_bytes: int | None = None) -> list[str]:
    """The lines for the core's shell.

    Args:
        config: What the container looks after.
        docker: How it is to run.
        core_bytes: The memory of the core; default of this machine, which a container sees whole.

    Raises:
        ConfigurationError: when the configuration is right, but cannot work in a container.
    """
    if mistakes := [*mistakes_on_core(config), *_mistakes_of_network(config, docker)]:
        raise ConfigurationError(mistakes, document="component configuration")
    folders = sorted({folder for _, folder in written(config)})
    # Later ones win: what the user mounts, then what is written, then what is only read.
    mounts = {path: Mount(source=path, target=path, read_only=True) for path in read_only(config)}
    mounts |= {path: Mount(source=path, target=path) for path in folders}
    mounts |= {mount.target: mount for mount in docker.mounts}
    arguments = [f"--network={docker.network}"]
    if docker.root:
        arguments.append("--user=0:0")
    core_bytes = core_bytes or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = docker.memory or f"{default_limit_bytes(config.cameras, core_bytes) // MIB}m"
    # The same with swap: on an SD card a node that swaps would be slower than one that starts anew.
    arguments += [f"--memory={memory}", f"--memory-swap={memory}"]
    if docker.cpus is not None:
        arguments.append(f"--cpus={docker.cpus:g}")
    arguments += [mounts[target].argument() for target in sorted(mounts)]
    # A group by number needs no entry in the image; without it the node could not give pictures to the group.
    groups = {camera.frames.group for camera in config.cameras if camera.frames.group is not None}
    arguments += [f"--group-add={group}" for group in sorted(groups)]
    arguments += [f"--env={name}" for name in PASSED_ON]
    return [f"dir={path}" for path in folders] + [f"arg={argument}" for argument in arguments]


def _mistakes_of_network(config: NodeConfig, docker: DockerOptions) -> Iterator[Mistake]:
    """Any network but one leads to a broker, and the nucleus' socket is a file."""
    if config.cloud_iot is not None and docker.network == _NO_NETWORK:
        expected = f"a network that leads to {config.cloud_iot.host}, since there is cloud_iot"
        yield Mistake("docker.network", expected, f'"{_NO_NETWORK}"')


def plan_from_environment(environment: Mapping[str, str]) -> list[str]:
    """The plan for what the recipe's script passes on.

    Raises:
        ConfigurationError: with every mistake of every variable.
    """
    mistakes: list[Mistake] = []
    node, data_dir = environment.get(NODE_VARIABLE), environment.get(DATA_DIR_VARIABLE)
    config = _collect(mistakes, lambda: load_environment(node, data_dir))
    docker = _collect(mistakes, lambda: docker_options(environment.get(DOCKER_VARIABLE, "")))
    _collect(mistakes, lambda: command_from_environment(environment))
    if config is None or docker is None or mistakes:
        raise ConfigurationError(mistakes, document="component configuration")
    return plan(config, docker)


_T = TypeVar("_T")


def _collect(mistakes: list[Mistake], read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except ConfigurationError as error:
        mistakes += error.mistakes
        return None


def docker_options(text: str) -> DockerOptions:
    """The JSON in `EDGECAM_DOCKER`; empty means the defaults.

    Raises:
        ConfigurationError: with every mistake.
    """
    document = _json(text, "docker", "a JSON object") if text.strip() else {}
    return validate(DockerOptions, document, at=("docker",))


def command_from_environment(environment: Mapping[str, str]) -> list[str]:
    """The program and its arguments that replace the node; empty when none is asked for.

    Raises:
        ConfigurationError: when one of the two variables is neither a text nor a JSON list of texts.
    """
    entrypoint = environment.get(ENTRYPOINT_VARIABLE, "").strip()
    command = environment.get(COMMAND_VARIABLE, "").strip()
    arguments: list[str] = []
    if entrypoint not in _UNSET:
        is_json = entrypoint.startswith(("[", '"'))
        arguments = _texts(entrypoint, "entrypoint") if is_json else [entrypoint]
    if command not in _UNSET:
        arguments += _texts(command, "command")
    return arguments


def _texts(text: str, key: str) -> list[str]:
    expected = 'a JSON list of texts, such as ["gst-inspect-1.0", "rtspsrc"]'
    document = _json(text, key, expected)
    parts = [document] if isinstance(document, str) else document
    if not isinstance(parts, list):
        raise ConfigurationError([Mistake(key, expected, found_text((), parts))])
    return [_text(part, f"{key}[{index}]") for index, part in enumerate(parts)]


def _text(part: object, path: str) -> str:
    # A nucleus may deliver the 5 of ["-n", 5] as 5.0; gst-launch and its like expect 5.
    if isinstance(part, float) and part.is_integer():
        part = int(part)
    if isinstance(part, bool) or not isinstance(part, (str, int, float)) or "\0" in str(part):
        raise ConfigurationError([Mistake(path, "a text", found_text((), part))])
    return str(part)


def _json(text: str, key: str, expected: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise ConfigurationError([Mistake(key, expected, "text that is not JSON")]) from None
