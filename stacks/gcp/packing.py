"""Pack the function that makes buckets: our modules, and Google's library as uv.lock has it.

    stacks/gcp/build [--tag TAG] [--output FILE.zip]

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
from collections.abc import Iterator, Sequence
from pathlib import Path

from container.image_inputs import requirements_of
from stacks.runtime import PYTHON_VERSION

PROJECT = Path(__file__).resolve().parents[2]
MODULES = PROJECT / "stacks" / "handlers" / "custom_resources"
MODULE_NAMES = ("__init__", "answer", "gcs_bucket", "gcs_login", "gcs_settings", "gcs_writers")
"""What of the handlers' folder the function is made of."""

LIBRARY = "google-cloud-storage"
PLATFORM = "x86_64-manylinux_2_28"
"""uv's name of what Lambda's Amazon Linux 2023 runs on its default processor."""

TAG_DIGITS = 12
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: no clock may enter it


class PackingError(Exception):
    """What is in the way, and what to do about it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="stacks/gcp/build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tag", help="refuse to pack unless this is the beginning of the content's hash")
    parser.add_argument("--output", type=Path, help="default: build/handlers/gcs-bucket-TAG.zip")
    options = parser.parse_args(arguments)
    try:
        output = pack(options.tag, options.output)
    except PackingError as error:
        sys.stderr.write(f"stacks/gcp/build: {error}\n")
        return 1
    sys.stdout.write(f"{output}\n")
    return 0


def content_hash() -> str:
    """SHA-256, in hex, over everything that decides what is in the zip; the same on every machine."""
    digest = hashlib.sha256()
    for part in (PYTHON_VERSION, PLATFORM, requirements_of(LIBRARY)):
        digest.update(f"{len(part)}:{part}".encode())
    for name, path in _modules():
        content = path.read_bytes()
        digest.update(f"{len(name)}:{name}{len(content)}:".encode() + content)
    return digest.hexdigest()


def pack(tag: str | None = None, output: Path | None = None) -> Path:
    """Make the zip, unless it is there, and return its absolute path.

    Raises:
        PackingError: the files are not those of `tag`, or the library cannot be had.
    """
    found = content_hash()[:TAG_DIGITS]
    if tag not in (None, found):
        raise PackingError(
            f"expected tag {found}, which is what the present files make, found {tag}: they have changed "
            "since the stacks were synthesized. Synthesize again."
        )
    target = (output or PROJECT / "build" / "handlers" / f"gcs-bucket-{found}.zip").absolute()
    if zipfile.is_zipfile(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgecam-handler-") as folder:
        content = Path(folder) / "content"
        _install(content, Path(folder) / "requirements.txt")
        for name, path in _modules():
            (content / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, content / name)
        _zip(content, target)
    return target


def _modules() -> Iterator[tuple[str, Path]]:
    for name in MODULE_NAMES:
        yield f"{MODULES.name}/{name}.py", MODULES / f"{name}.py"


def _install(target: Path, requirements: Path) -> None:
    requirements.write_text(requirements_of(LIBRARY), encoding="utf-8")
    command = [*_installer(), "--target", str(target), "--python-version", PYTHON_VERSION]
    command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise PackingError(f"{Path(command[0]).name} could not get {LIBRARY} for Lambda. It says:\n{said}")


def _installer() -> list[str]:
    """The beginning of a command that installs for Lambda: the project's own uv, another one, or pip."""
    for uv in (PROJECT / ".venv" / "bin" / "uv", shutil.which("uv")):
        if uv is not None and os.access(uv, os.X_OK):
            return [str(uv), "pip", "install", "--quiet", "--python-platform", PLATFORM]
    if importlib.util.find_spec("pip") is None:
        raise PackingError("expected uv or pip to get Google's library, found neither: install one of them")
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
