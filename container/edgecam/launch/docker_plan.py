"""How a core starts the container: a plan that a plain POSIX shell can read, made inside the image.

A core has no JSON parser, so the start script first runs `edgecam launch-plan`, which turns the component
configuration into lines: `dir=/path`, a folder to be made, `arg=…`, one argument of `docker run`, and
`program=exec` where another program is to run in place of the node. A file named by the configuration is
mounted at the same path, so that a configuration works inside the container as it was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from edgecam.config.load import NODE_VARIABLE, load_environment
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError, Mistake
from edgecam.launch.command_override import (
    COMMAND_VARIABLE,
    ENTRYPOINT_VARIABLE,
    _json,
    command_from_environment,
)
from edgecam.launch.container_memory import MIB, default_limit_bytes
from edgecam.launch.docker_options import DockerOptions, Mount
from edgecam.launch.paths import made_for_mounts, mistakes_on_core, read_only_mounts, writable_folders
from edgecam.launch.settings import DATA_DIR_VARIABLE, DOCKER_VARIABLE, SETTINGS_VARIABLE, expanded

PASSED_ON = (
    SETTINGS_VARIABLE,
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
"""Environment variables that the container gets, by name only: no value is in a process list."""

_NO_NETWORK = "none"


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
    folders = sorted({folder for _, folder in writable_folders(config)})
    # Later ones win: what the user mounts, then what is written, then what is only read.
    mounts = {path: Mount(source=path, target=path, read_only=True) for path in read_only_mounts(config)}
    mounts |= {path: Mount(source=path, target=path) for path in folders}
    mounts |= {mount.target: mount for mount in docker.mounts}
    arguments = [f"--network={docker.network}"]
    if docker.root:
        arguments.append("--user=0:0")
    core_bytes = core_bytes or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    memory = docker.memory or f"{default_limit_bytes(config.cameras, core_bytes) // MIB}m"
    # The same with swap: on an SD card a node that swaps would be slower than one that is restarted.
    arguments += [f"--memory={memory}", f"--memory-swap={memory}"]
    if docker.cpus is not None:
        arguments.append(f"--cpus={docker.cpus:g}")
    arguments += [mounts[target].argument() for target in sorted(mounts)]
    # A group by number needs no entry in the image; without it the node could not give pictures to the group.
    groups = {camera.frames.group for camera in config.cameras if camera.frames.group is not None}
    arguments += [f"--group-add={group}" for group in sorted(groups)]
    arguments += [f"--env={name}" for name in PASSED_ON]
    # The later one of a name wins. These are no secrets, so a list of processes may show them.
    arguments += [f"--env={name}={value}" for name, value in sorted(docker.env.items())]
    folders = sorted({*folders, *made_for_mounts(docker.mounts)})
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
    environment = expanded(environment)
    mistakes: list[Mistake] = []
    node, data_dir = environment.get(NODE_VARIABLE), environment.get(DATA_DIR_VARIABLE)
    config = _collect(mistakes, lambda: load_environment(node, data_dir))
    docker = _collect(mistakes, lambda: docker_options(environment.get(DOCKER_VARIABLE, "")))
    command = _collect(mistakes, lambda: command_from_environment(environment))
    if config is None or docker is None or mistakes:
        raise ConfigurationError(mistakes, document="component configuration")
    return [*plan(config, docker), *(["program=exec"] if command else [])]


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
