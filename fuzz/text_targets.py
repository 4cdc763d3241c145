"""Texts: the configuration, what a broker asks, and whatever a camera or a store says."""

from __future__ import annotations

import contextlib
import io
import math
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from edgecam.cli import main as program
from edgecam.cli.arguments import WRONG
from edgecam.config.camera import Camera
from edgecam.config.load import NODE_VARIABLE, load_environment
from edgecam.config.runtime import read_runtime
from edgecam.config.validation import found_text
from edgecam.errors import ConfigurationError
from edgecam.launch.docker_plan import plan_from_environment
from edgecam.launch.settings import DOCKER_VARIABLE, SETTINGS_VARIABLE, unpacked
from edgecam.redaction import SECRETS, one_line
from fuzz.mutations import NUMBERS, documents, edited, edits, mutated, repeated
from fuzz.target import Subject, Target

NODE = {
    "cameras": [
        {
            "id": "lobby",
            "uri": "rtsp://127.0.0.1/stream",
            "credentials": {"username": "viewer", "password_file": "/etc/camera"},
            "transport": "tcp",
            "latency_ms": 200,
            "connect_timeout_s": 10,
            "frames": {
                "path": "/dev/shm/e/a.jpg",
                "max_fps": 2,
                "quality": 80,
                "width": 640,
                "stale_after_s": 5,
            },
            "recording": {"enabled": True, "chunk_s": 10, "format": "mp4", "max_chunk_bytes": 2_000_000},
            "device": {"id": "lobby-1", "key": {"file": "/key.pem"}},
        },
        {"id": "gate", "uri": "rtsps://127.0.0.1/x", "tls": {"verify": False}},
        {"id": "pipe", "uri": "pipe:///run/camera"},
    ],
    "data_dir": "/dev/shm/e",
    "bucket": "gs://recordings/prefix",
    "spool": {"path": "/var/lib/e", "max_bytes": 16_000_000, "keep_free_bytes": 0, "when_full": "stop"},
    "upload": {"max_requests_per_s": 5, "max_bytes_per_s": 4096, "order": "oldest", "part_bytes": 262_144},
    "google": {"credentials_file": "/google.json"},
    "latest": {"enabled": True, "every_s": 5},
    "status": {"enabled": True, "every_s": 60},
    "cloud_iot": {"project": "our-project", "region": "europe-west1", "registry": "cameras", "token_s": 3600},
    "aws_iot": {"enabled": True, "every_s": 60},
    "http": {"enabled": True, "port": 8642},
    "log": {"format": "text", "level": "info"},
}
DOCKER = {"memory": "512m", "mounts": ["/a:/b:ro"], "network": "host"}
CAMERA = Camera.model_validate(
    {"id": "lobby", "uri": "rtsp://127.0.0.1/stream", "recording": {"enabled": True}}
)
DEEP = ("[", "{", "- ", '{"a":', "&a [", "? ", "'", "!x ", "*a ", "a: ", "|\n ", "<<: ", "%", "[]", "\\", '"')
LONG = (
    "a",
    "A:",
    "rtsp://",
    "u:p@",
    "password=",
    "eyJa",
    ".",
    "-----BEGIN PRIVATE KEY-----",
    "/",
    "'",
    "=",
    " ",
)
DEEPEST, LONGEST = 40_000, 60_000
BOMB = "\n".join(
    [
        f"k0: &k0 [{','.join(['lol'] * 9)}]",
        *(f"k{n}: &k{n} [{','.join([f'*k{n - 1}'] * 9)}]" for n in range(1, 12)),
    ]
)
"""A billion words by twelve anchors."""
_DAY_S = 86_400.0
_LONGEST_ANSWER = 100_000
"""Characters: whatever the mistakes are, a person reads them."""


@dataclass
class Reader:
    """A subject that is a function of this process."""

    read: Callable[[bytes], None]
    pid: int = os.getpid()

    def check(self, inputs: Sequence[bytes]) -> None:
        """See `Subject.check`."""
        for each in inputs:
            self.read(each)


@contextmanager
def _configuration(folder: Path) -> Iterator[Subject]:
    """`edgecam check`, the node's own variable, and the recipe's plan: a mistake is reported, nothing else
    happens."""
    path = folder / "node.yaml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        output = io.StringIO()
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(io.StringIO()):
            code = program.main(["check", str(path)])
        assert code in (program.DONE, WRONG), code
        answer = output.getvalue()
        assert len(answer) <= _LONGEST_ANSWER, f"{len(answer)} characters of mistakes"
        assert all(line.startswith("edgecam: ") for line in answer.splitlines()), answer
        text = data.decode(errors="surrogateescape")
        with contextlib.suppress(ConfigurationError):
            load_environment(text)
        for packed in (data, zlib.compress(data)):
            with contextlib.suppress(ConfigurationError):
                unpacked(packed)
        for variables in (
            {NODE_VARIABLE: text},
            {NODE_VARIABLE: _NODE_TEXT, DOCKER_VARIABLE: text},
            {SETTINGS_VARIABLE: text},
        ):
            with contextlib.suppress(ConfigurationError):
                for line in plan_from_environment(variables):
                    assert "\n" not in line, line
                    assert line.startswith(("dir=/", "arg=")), line

    yield Reader(read)


_NODE_TEXT = '{"cameras": [{"id": "lobby", "uri": "rtsp://127.0.0.1/stream"}]}'


@contextmanager
def _message(_folder: Path) -> Iterator[Subject]:
    """A `config` message is refused, or leaves a node that still sends."""

    def read(data: bytes) -> None:
        refusal = ""
        try:
            asked = read_runtime(data, CAMERA, has_bucket=True)
        except ConfigurationError as error:
            refusal = str(error)
        if refusal:
            assert len(refusal) <= _LONGEST_ANSWER
            return
        assert 0.1 <= asked.max_fps_of(CAMERA) <= 30
        assert 2 <= asked.chunk_s_of(CAMERA) <= 3600
        for rate in (asked.upload.max_bytes_per_s, asked.upload.max_requests_per_s):
            assert rate is None or (math.isfinite(float(rate)) and 1 / float(rate) <= _DAY_S), rate

    yield Reader(read)


@contextmanager
def _words(_folder: Path) -> Iterator[Subject]:
    """What others say, on its way into the log and into a mistake."""

    def read(data: bytes) -> None:
        text = data.decode(errors="surrogateescape")
        line = one_line(SECRETS.hide(text))
        assert "\n" not in line
        assert len(found_text((), text)) <= _LONGEST_ANSWER

    yield Reader(read)


def _configurations() -> SearchStrategy[bytes]:
    return st.one_of(
        documents(NODE),
        documents(DOCKER),
        repeated(DEEP, DEEPEST),
        mutated([BOMB.encode(), BOMB.replace("k11:", "cameras:").encode()]),
    )


def _messages() -> SearchStrategy[bytes]:
    number = st.one_of(
        st.sampled_from(NUMBERS), st.integers().map(str), st.floats().map(str), st.floats(1e-9, 1e9).map(str)
    )
    text = st.builds(
        '{{"max_fps": {}, "chunk_s": {}, '
        '"upload": {{"max_bytes_per_s": {}, "max_requests_per_s": {}}}}}'.format,
        *[number] * 4,
    )
    one = st.builds(
        lambda form, value: form % value,
        st.sampled_from(
            (
                *('{"max_fps": %s}', '{"chunk_s": %s}', '{"upload": {"max_bytes_per_s": %s}}'),
                *('{"upload": {"max_requests_per_s": %s}}', '{"upload": %s}', "%s", '{"a": %s}'),
            )
        ),
        number,
    )
    written = st.one_of(text, one).map(str.encode)
    return st.one_of(written, st.builds(edited, written, edits(most=4)), repeated(DEEP, 4000))


def _said() -> SearchStrategy[bytes]:
    return st.one_of(
        repeated(LONG, LONGEST), st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    )


CONFIGURATION = Target(
    "configuration",
    _configurations,
    _configuration,
    known=lambda: (
        b"[" * 30_000,
        b"- " * 30_000,
        b'{"a":' * 20_000,
        BOMB.replace("k11:", "cameras:").encode(),
    ),
)
MESSAGES = Target(
    "config-messages",
    _messages,
    _message,
    known=lambda: (
        b'{"upload": {"max_bytes_per_s": 1%s}}' % (b"0" * 400),
        b'{"upload": {"max_requests_per_s": 1e-300}}',
        b'{"upload": {"max_requests_per_s": 1e-09}}',
    ),
)
WORDS = Target(
    "words",
    _said,
    _words,
    known=lambda: (
        b"A" * 150_000,
        b"rtsp://" + b"a:" * 75_000,
        b"password" * 20_000,
        b"eyJ" + b"a." * 75_000,
    ),
    watchdog_s=10.0,
)
