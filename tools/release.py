"""Make all of a release that needs no forge, and say what was made.

    python -m tools.release 0.2.0 [--base debian:trixie-slim@sha256:…] [--images none|possible|all]

Versions are compared first: in pyproject.toml, in the program, in uv.lock and in CHANGELOG.md. Then wheel,
text and images come into build/release/VERSION, with checksums. Nothing is pushed and no tag is set, which
.github/workflows/release.yml does. Ends with 1 where something is missing that was asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from container.image.build import build
from container.image.docker import BuildError
from container.image.inputs import ARCHITECTURES, DEFAULT_BASE_IMAGE, PROJECT, VARIANTS, expect_pinned
from tools.release_text import release_text, section

_VERSION = re.compile(r"\d+\.\d+\.\d+")
IMAGES = ("none", "possible", "all")
"""Which images are made: none, those that this machine can build, or all, or else it is a failure."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parse(arguments)
    mistakes = list(mistakes_of(options.version, PROJECT))
    if mistakes:
        sys.stderr.writelines(f"release {options.version}: {mistake}\n" for mistake in mistakes)
        return 1
    _say("versions", "pyproject.toml, container/edgecam, uv.lock and CHANGELOG.md agree")
    folder: Path = options.into or PROJECT / "build" / "release" / options.version
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        left.unlink()
    _say("wheel", str(_wheel(folder)))
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    text = folder / "notes.md"
    text.write_text(release_text(changelog, options.version, {}), encoding="utf-8")
    _say("text", str(text))
    missing = 0 if options.images == "none" else _images(folder, options.version, options.base)
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(_sums(folder, text)), encoding="utf-8")
    _say("sums", str(sums))
    return 1 if missing and options.images == "all" else 0


def mistakes_of(version: str, project: Path) -> Iterator[str]:
    """Where another version stands than the one that is to be released, and what to do."""
    for name, found in _found_versions(project):
        if found != version:
            yield f"{name}: expected version {version}, found {found}; write {version} there"
    try:
        section((project / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    except ValueError as error:
        yield str(error)


def _found_versions(project: Path) -> Iterator[tuple[str, str]]:
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    yield "pyproject.toml", settings["project"]["version"]
    program = "container/edgecam/__init__.py"
    found = re.search(
        r'^__version__ = "(.*)"$', (project / program).read_text(encoding="utf-8"), re.MULTILINE
    )
    yield program, found[1] if found else "none"
    locked = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]
    yield "uv.lock", next((each["version"] for each in locked if each["name"] == "edgecam"), "none")


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"the wheel cannot be built:\n{done.stderr}{done.stdout}")
    (wheel,) = folder.glob("*.whl")
    return wheel


def _images(folder: Path, version: str, base: str) -> int:
    """Build what can be built here; returns how many images are missing."""
    try:
        expect_pinned(base)
    except ValueError as error:
        _say("images", f"to try only, not to release: {error} (BASE=…)")
    missing = 0
    for variant in VARIANTS:
        for architecture in ARCHITECTURES:
            output = folder / f"edgecam-{version}-{variant}-{architecture}.tar.gz"
            try:
                build(variant, architecture, base, None, output)
            except BuildError as error:
                missing += 1
                _say("image", f"{variant} for {architecture}: not made. {error}")
            else:
                _say("image", f"{variant} for {architecture}: {output}")
    return missing


def _sums(folder: Path, text: Path) -> Iterator[str]:
    """Lines that `sha256sum --check` reads, of everything that is downloaded."""
    for path in sorted(folder.iterdir()):
        if path != text:
            with path.open("rb") as file:
                yield f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n"


def _say(what: str, said: str) -> None:
    sys.stdout.write(f"{what:<9} {said}\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools.release", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", type=_version)
    parser.add_argument("--base", default=DEFAULT_BASE_IMAGE, help="of the images; default: %(default)s")
    parser.add_argument("--images", choices=IMAGES, default="possible", help="default: %(default)s")
    parser.add_argument("--into", type=Path, help="default: build/release/VERSION")
    return parser.parse_args(arguments)


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"expected three numbers, such as 0.2.0, found {text!r}")
    return text


if __name__ == "__main__":
    sys.exit(main())
