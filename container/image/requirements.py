"""Locked requirements in pip's form: those of the image, as files beside the Dockerfile, and those of others.

`python -m container.image.requirements`, which `make lock` runs, writes the files again. They lie in the
build context, so that a plain `docker build container/` finds them: the lock does not lie there. With names
of packages it prints those and all that they need.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from container.image.inputs import PROJECT

FOLDER = "container/image/stage"

EXTRAS = {"requirements.txt": "", "requirements-gcs.txt": "gcs"}
"""Each file there, and the extra in pyproject.toml whose packages it has; empty: those always needed."""


def write(project: Path = PROJECT) -> None:
    """Write the files of `EXTRAS` as the lock has them.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    for name, extra in EXTRAS.items():
        text = requirements(extra, project=project)
        (project / FOLDER / name).write_text(text, encoding="utf-8", newline="\n")


def requirements(extra: str = "", *, project: Path = PROJECT) -> str:
    """Return the program's locked requirements in pip's form, each with the hashes it may have.

    Only what the program needs is listed: what the stacks and the tests need must not change the image.

    Args:
        extra: Those that this extra adds, in place of those that the program always needs.
        project: Where the lock is.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    packages = _locked(project)
    markers = _closure(packages, ("edgecam", ""))
    if extra:
        always = markers
        added = _closure(packages, ("edgecam", extra))
        markers = {name: added[name] for name in added if name not in always}
    return "".join(_requirement(_only(packages[name]), markers[name]) for name in sorted(markers))


def requirements_of(*names: str, project: Path = PROJECT) -> str:
    """Return the packages of these names and all that they need, as locked, in pip's form.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    packages = _locked(project)
    needed = [_closure(packages, (name, "")) for name in names]
    # Where two of them need a package under different markers, it is needed under either.
    markers: dict[str, set[str]] = {name: set() for name in names}
    for name, found in ((name, found) for closure in needed for name, found in closure.items()):
        known = markers.setdefault(name, found)
        markers[name] = known | found if known and found else set()
    return "".join(_requirement(_only(packages[name]), markers[name]) for name in sorted(markers))


def _locked(project: Path) -> dict[str, list[dict[str, Any]]]:
    """Every package of the lock, by name."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    return packages


def _closure(packages: dict[str, list[dict[str, Any]]], root: tuple[str, str]) -> dict[str, set[str]]:
    """Map every package that `root`, a package and its extra, needs to the markers under which it is asked
    for (empty: always)."""
    found: dict[str, set[str]] = {}
    seen, waiting = {root}, [root]
    while waiting:
        name, extra = waiting.pop()
        for dependency in _dependencies(_only(packages[name]), extra):
            found.setdefault(dependency["name"], set()).add(dependency.get("marker", ""))
            wanted = {(dependency["name"], each) for each in ("", *dependency.get("extra", ()))}
            waiting += wanted - seen
            seen |= wanted
    return {name: set() if "" in markers else markers for name, markers in found.items()}


def _dependencies(package: dict[str, Any], extra: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (
        package["optional-dependencies"][extra] if extra else package.get("dependencies", [])
    )
    return listed


def _only(versions: list[dict[str, Any]]) -> dict[str, Any]:
    if len(versions) != 1:
        raise ValueError(
            f"uv.lock: expected one version of {versions[0]['name']}, found {len(versions)}; "
            "narrow its bounds in pyproject.toml until one version serves every Python"
        )
    return versions[0]


def _requirement(package: dict[str, Any], markers: set[str]) -> str:
    condition = " or ".join(f"({marker})" for marker in sorted(markers))
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = sorted({file["hash"] for file in files})
    line = f"{package['name']}=={package['version']}" + (f" ; {condition}" if condition else "")
    return " \\\n    ".join([line, *(f"--hash={value}" for value in hashes)]) + "\n"


if __name__ == "__main__":
    if names := sys.argv[1:]:
        sys.stdout.write(requirements_of(*names))
    else:
        write()
