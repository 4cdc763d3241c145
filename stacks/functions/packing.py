"""Pack a function that works at Google or ClearBlade: our modules, and their library as a uv.lock has it.

    stacks/gcp/build [--function NAME] [--python VERSION] [--tag TAG] [--output FILE.zip]

Synth only hashes what goes in; the CDK runs this when it publishes, and only when the asset bucket has no zip
of that hash. Needs uv or pip, and their package index; no Docker, no CDK. Prints the path of the zip, and
nothing else on stdout.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from container.image.requirements import requirements_of
from container.image.source_files import source_content
from stacks.functions.code import FunctionCode
from stacks.functions.runtime import PROTOBUF_4_PYTHON, PYTHON_VERSION

PROJECT = Path(__file__).resolve().parents[2]
CLOUD_IOT = PROJECT / "stacks" / "gcp" / "iot"
"""Project and lock of the Cloud IoT libraries, which need another protobuf than everything else."""

PLATFORM = "x86_64-manylinux_2_28"
"""uv's name of what Lambda's Amazon Linux 2023 runs on its default processor."""

PACKED_FOLDER = "build/handlers"
"""Where zips are made, below the folder in which the CDK command line runs."""

TAG_DIGITS = 12
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: no clock may enter it


class PackingError(Exception):
    """Why there is no zip, and what to do about it."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """What a function is made of.

    Attributes:
        name: What it is for, as the zip is called.
        code: Our modules.
        libraries: The packages that it needs, with all that they need; the first one is what it is about.
        lock: The project whose uv.lock has their versions.
        python: The Python that it runs on.
    """

    name: str
    code: FunctionCode
    libraries: tuple[str, ...]
    lock: Path = PROJECT
    python: str = PYTHON_VERSION

    def requirements(self) -> str:
        """The locked packages, in pip's form, each once."""
        return requirements_of(*self.libraries, project=self.lock)


GCS_BUCKET = Function(
    name="gcs-bucket",
    code=FunctionCode(module="gcs.bucket"),
    libraries=("google-cloud-storage",),
)
_CLOUD_IOT_CODE = FunctionCode(module="cloud_iot.resources")
CLOUD_IOT_AT_GOOGLE = Function(
    name="cloud-iot-google",
    code=_CLOUD_IOT_CODE,
    libraries=("google-cloud-iot", "cryptography"),
    lock=CLOUD_IOT,
    python=PROTOBUF_4_PYTHON,
)
CLOUD_IOT_AT_CLEARBLADE = Function(
    name="cloud-iot-clearblade",
    code=_CLOUD_IOT_CODE,
    libraries=("clearblade-cloud-iot", "cryptography"),
    lock=CLOUD_IOT,
    python=PROTOBUF_4_PYTHON,
)
FUNCTIONS = {
    function.name: function for function in (GCS_BUCKET, CLOUD_IOT_AT_GOOGLE, CLOUD_IOT_AT_CLEARBLADE)
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="stacks/gcp/build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--function", choices=FUNCTIONS, default=GCS_BUCKET.name, help="default: %(default)s")
    parser.add_argument("--python", help="the Python that it runs on, in place of Lambda's")
    parser.add_argument("--tag", help="refuse to pack unless this is the beginning of the content's hash")
    parser.add_argument("--output", type=Path, help="default: build/handlers/NAME-TAG.zip")
    options = parser.parse_args(arguments)
    try:
        function = FUNCTIONS[options.function]
        if options.python:
            function = replace(function, python=options.python)
        output = pack(options.tag, options.output, function=function)
    except PackingError as error:
        sys.stderr.write(f"stacks/gcp/build: {error}\n")
        return 1
    sys.stdout.write(f"{output}\n")
    return 0


def content_hash(function: Function = GCS_BUCKET) -> str:
    """SHA-256, in hex, over everything that decides what is in the zip; the same on every machine."""
    digest = hashlib.sha256()
    for part in (function.python, PLATFORM, function.requirements()):
        digest.update(f"{len(part)}:{part}".encode())
    for name, path in function.code.files():
        content = source_content(path)
        digest.update(f"{len(name)}:{name}{len(content)}:".encode() + content)
    return digest.hexdigest()


def command(function: Function, content: str) -> list[str]:
    """What the CDK is to run for the zip with this hash, below the folder in which it runs."""
    tag = content[:TAG_DIGITS]
    packed = f"{PACKED_FOLDER}/{function.name}-{tag}.zip"
    return [
        *("stacks/gcp/build", "--function", function.name, "--python", function.python),
        *("--tag", tag, "--output", packed),
    ]


def pack(tag: str | None = None, output: Path | None = None, *, function: Function = GCS_BUCKET) -> Path:
    """Make the zip, unless it is there, and return its absolute path.

    Raises:
        PackingError: the files are not those of `tag`, or the library cannot be had.
    """
    found = content_hash(function)[:TAG_DIGITS]
    if tag not in (None, found):
        raise PackingError(
            f"expected tag {found}, which is what the present files make, found {tag}: they have changed "
            "since the stacks were synthesized. Synthesize again."
        )
    target = (output or PROJECT / PACKED_FOLDER / f"{function.name}-{found}.zip").absolute()
    if zipfile.is_zipfile(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgecam-handler-") as folder:
        content = Path(folder) / "content"
        _install(function, content, Path(folder) / "requirements.txt")
        function.code.write(content)
        _zip(content, target)
    return target


def _install(function: Function, target: Path, requirements: Path) -> None:
    requirements.write_text(function.requirements(), encoding="utf-8")
    command = [*_installer(), "--target", str(target), "--python-version", function.python]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        raise PackingError(
            f"{Path(command[0]).name} could not get {function.libraries[0]} for Lambda. It says:\n{output}"
        )


def _installer() -> list[str]:
    """The beginning of a command that installs for Lambda: the project's own uv, another one, or pip."""
    for uv in (PROJECT / ".venv" / "bin" / "uv", shutil.which("uv")):
        if uv is not None and os.access(uv, os.X_OK):
            return [str(uv), "pip", "install", "--quiet", "--python-platform", PLATFORM]
    if importlib.util.find_spec("pip") is None:
        raise PackingError("expected uv or pip to get the library, found neither: install one of them")
    # pip wants every tag that will do, where uv derives the older ones.
    tags = ("manylinux_2_28_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
    quiet = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    return [
        *(sys.executable, "-m", "pip", "install", *quiet),
        *(f"--platform={tag}" for tag in tags),
    ]


def _zip(folder: Path, target: Path) -> None:
    """Whole or not at all, and the same bytes for the same files."""
    handle, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if path.is_file() and "__pycache__" not in name and not name.startswith((".", "bin/")):
                    entry = zipfile.ZipInfo(name, _LONG_AGO)
                    entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
                    packed.writestr(entry, path.read_bytes())
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
