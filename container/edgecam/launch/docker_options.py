"""Options of `docker run` that a recipe can set."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from edgecam.config.forms import Variable, form
from edgecam.config.validation import Model
from edgecam.config.values import AbsolutePath, VisibleText
from edgecam.redaction import HIDDEN, holds_password

_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}

_LEAST_MEMORY = 64 * 1024**2  # one camera decoding 1080p needs about 75 MB; below this not even Python starts


Network = Annotated[
    str, form(r"[a-zA-Z0-9][a-zA-Z0-9_.:-]*", "host, bridge, or the name of another network of Docker's")
]


_OWN_NAMES = ("EDGECAM_", "AWS_", "SVCUID", "GST_", "PYTHON", "LD_")
"""Of what edgecam, the nucleus and the image set: another value would break these, and nobody find it."""
_NOT_OWN = ("AWS_CA_BUNDLE",)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|cred", re.IGNORECASE)


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
    network: Network = Field(
        default="host",
        description="`host`, `bridge` or the name of a network; only with `host` does the core reach the "
        "page and the node the nucleus.",
    )
    mounts: tuple[Mount, ...] = Field(
        default=(), description="Further folders or files: `SOURCE:TARGET`, `SOURCE:TARGET:ro`, or a mapping."
    )

    env: dict[Variable, VisibleText] = Field(
        default={},
        description="Variables of the container, such as a proxy, or `SSL_CERT_FILE` for a CA file that "
        "a mount brings; never a secret. They win over what the nucleus says.",
    )

    @field_validator("env")
    @classmethod
    def _no_secret(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if name.startswith(_OWN_NAMES) and name not in _NOT_OWN:
                raise ValueError(
                    f"expected no variable that begins with {' or '.join(_OWN_NAMES)}, which edgecam and the "
                    f"nucleus set, found {name}"
                )
            is_file = value.startswith("/")
            if (_SECRET_NAME.search(name) and not is_file) or holds_password(value) or "PRIVATE KEY" in value:
                raise ValueError(
                    "expected no secret, which everybody who reads the configuration or may use Docker would "
                    f"see: a camera's belongs into its credentials, found one by its name or look in {name} "
                    f"({HIDDEN})"
                )
        return env

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
