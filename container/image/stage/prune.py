"""Pick the image's root out of a build stage where everything is installed whole.

    python3 prune.py --python=/python --root=/image /frame-grabber.toml
    python3 prune.py --python=/python-gcs --root=/uploads --over=/image /gcs-uploader.toml

Runs as root inside the build. What the declaration names is copied, with every library that it loads; then
GStreamer's registry and Python's bytecode are made, and every element and module that was named is tried
within the new root. Whatever is missing is reported at once, and the build fails.

With `--over` it makes a layer: only what a root that is there already lacks, tried in both together.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from new_root import PruneError, Root

LIBRARIES = Path("/usr/lib") / str(sysconfig.get_config_var("MULTIARCH"))
PLUGINS = LIBRARIES / "gstreamer-1.0"
TYPELIBS = (LIBRARIES / "girepository-1.0", Path("/usr/lib/girepository-1.0"))
STDLIB = Path(sysconfig.get_path("stdlib"))
PACKAGES = Path("/usr/lib/python3/dist-packages")
PLACES = {"lib": LIBRARIES, "stdlib": STDLIB, "packages": PACKAGES}

TRIAL = Path(__file__).with_name("trial.py")

UNPRIVILEGED = 65532  # "nonroot" of the distroless images: policies written for those fit ours
GENERATED = {
    "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\n"
    f"edgecam:x:{UNPRIVILEGED}:{UNPRIVILEGED}:edgecam:/:/usr/sbin/nologin\n",
    "etc/group": f"root:x:0:\nedgecam:x:{UNPRIVILEGED}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def main() -> None:
    """Make the root, or exit with what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--python", type=Path, required=True, help="folder with the installed Python packages"
    )
    parser.add_argument("--root", type=Path, required=True, help="folder to make")
    parser.add_argument("--over", type=Path, help="a root that is there: make only a layer for it")
    parser.add_argument("declaration", type=Path, help="frame-grabber.toml")
    arguments = parser.parse_args()
    wanted = tomllib.loads(arguments.declaration.read_text(encoding="utf-8"))
    root = Root(arguments.root)
    try:
        if arguments.over:
            make_layer(root, Root(arguments.over), wanted, arguments.python)
        else:
            make_root(root, wanted, arguments.python)
    except PruneError as error:
        sys.exit(f"The image would lack what {arguments.declaration.name} names:\n{error}")


def make_root(root: Root, wanted: dict[str, Any], installed: Path) -> None:
    """Make a root that can run by itself."""
    root.link_merged_folders()
    say("taking programs, plugins and Python's packages")
    take_named(root, wanted)
    take_python(root, wanted["python"], installed)
    take_libraries(root)
    take_notices(root, wanted["packages"])
    say("compiling Python's modules")
    compile_modules(root.inside(STDLIB), root)
    compile_modules(root.inside(PACKAGES), root)
    say("listing GStreamer's plugins")
    make_registry(root)
    say("trying each module and element")
    try_out(root, wanted)


def make_layer(layer: Root, base: Root, wanted: dict[str, Any], installed: Path) -> None:
    """Make what further Python packages add to a root, and put it there too."""
    say("taking Python's packages")
    take_packages(layer, installed, wanted["python"]["without"])
    take_libraries(layer, base)
    take_notices(layer, ())
    compile_modules(layer.inside(PACKAGES), layer)
    shutil.copytree(layer.folder, base.folder, symlinks=True, dirs_exist_ok=True)
    try_out(base, wanted)


def take_named(root: Root, wanted: dict[str, Any]) -> None:
    """Take programs, files, plugins and typelibs, and write the few files that no package has."""
    paths = [Path(name.format(**PLACES)) for name in (*wanted["programs"], *wanted["files"])]
    paths += [PLUGINS / f"libgst{name}.so" for name in wanted["plugins"]]
    for name in wanted["typelibs"]:
        folder = next((folder for folder in TYPELIBS if (folder / f"{name}.typelib").exists()), TYPELIBS[0])
        paths.append(folder / f"{name}.typelib")
        paths += typelib_libraries(*name.rsplit("-", 1))
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise PruneError("\n".join(missing))
    for path in paths:
        root.take(path)
    for name, content in GENERATED.items():
        (root.folder / name).write_text(content, encoding="ascii")
    (root.folder / "tmp").mkdir(mode=0o1777)
    (root.folder / "tmp").chmod(0o1777)  # mkdir's mode is subject to the umask


def typelib_libraries(namespace: str, version: str) -> Iterator[Path]:
    """Yield the libraries that `gi` opens by name when it imports a typelib."""
    import gi

    gi.require_version("GIRepository", "2.0")
    from gi.repository import GIRepository

    repository = GIRepository.Repository.get_default()
    repository.require(namespace, version, 0)
    for name in (repository.get_shared_library(namespace) or "").split(","):
        if name:
            yield LIBRARIES / name


def take_python(root: Root, wanted: dict[str, Any], installed: Path) -> None:
    """Take the standard library, Debian's packages and the installed ones, less what nobody imports."""
    root.take(STDLIB)
    for pattern in wanted["packages"]:
        for path in PACKAGES.glob(pattern):
            root.take(path)
    take_packages(root, installed, wanted["without"])
    trim_botocore(root.inside(PACKAGES / "botocore"), wanted["aws_services"])


def take_packages(root: Root, installed: Path, without: list[str]) -> None:
    """Take the installed packages, less what nobody imports."""
    root.take(installed, PACKAGES)
    for pattern in without:
        root.remove(pattern.format(**PLACES))
    extensions = [str(path) for path in root.inside(PACKAGES).rglob("*.so")]
    subprocess.run(["strip", "--strip-unneeded", *extensions], check=True)


def trim_botocore(folder: Path, services: list[str]) -> None:
    """Leave these services' descriptions only, and the system's authorities in place of botocore's own."""
    for service in (folder / "data").iterdir():
        if service.is_dir() and service.name not in services:
            shutil.rmtree(service)
    endpoints = json.loads((folder / "data/endpoints.json").read_text(encoding="utf-8"))
    for partition in endpoints["partitions"]:
        partition["services"] = {name: partition["services"].get(name, {}) for name in services}
    (folder / "data/endpoints.json").write_text(json.dumps(endpoints), encoding="utf-8")
    (folder / "cacert.pem").unlink()
    (folder / "cacert.pem").symlink_to("/etc/ssl/certs/ca-certificates.crt")


def take_libraries(root: Root, base: Root | None = None) -> None:
    """Take every library that what is already there links to, unless `base` has it."""
    lines = libraries_of(root)
    if missing_in(lines):
        # debian-packages.txt is Debian 13's, and what its packages need may differ between processors.
        say("installing what debian-packages.txt leaves out: " + ", ".join(sorted(missing_in(lines))))
        subprocess.run(
            ["apt-get", "install", "-q", "-y", "--no-install-recommends", "--fix-broken"], check=True
        )
        lines = libraries_of(root)
    if missing := missing_in(lines):
        raise PruneError("\n".join(sorted(missing)))
    for library in {match[1] for line in lines if (match := re.search(r"(/\S+) \(0x[0-9a-f]+\)$", line))}:
        known = base is not None and base.inside(Path(library).resolve()).exists()
        if not known and not Path(library).is_relative_to(root.folder):
            root.take(Path(library))


def libraries_of(root: Root) -> list[str]:
    """Return what ldd says of every program and library in the root."""
    binaries = [str(path) for path in root.files() if is_elf(path)]
    # ldd fails for a file without libraries (the loader itself), which is no fault; its output says what is.
    return subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout.splitlines()


def missing_in(lines: Iterable[str]) -> set[str]:
    """Return the lines in which ldd misses a library."""
    return {line.strip() for line in lines if "not found" in line}


def is_elf(path: Path) -> bool:
    """Return whether a file is a program or a library."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def take_notices(root: Root, also: Iterable[str]) -> None:
    """Take each package's licence, and its entry in the package database, where scanners look for it."""
    files = [f"/{path.relative_to(root.folder)}" for path in root.files()]
    # Files that were generated belong to no package: dpkg-query says so and fails, which is no fault.
    command = ["dpkg-query", "-S", *files]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    owners = {line.split(":")[0] for line in found if not line.startswith("diversion")} | set(also)
    database = root.folder / "var/lib/dpkg/status.d"
    database.mkdir(parents=True)
    for owner in sorted(owners):
        entry = subprocess.run(["dpkg-query", "-s", owner], capture_output=True, text=True, check=True).stdout
        # Scanners pass over a package whose status is another, as it is of those that were unpacked only.
        entry = entry.replace("Status: install ok unpacked", "Status: install ok installed")
        (database / owner).write_text(entry, encoding="utf-8")
        notice = Path("/usr/share/doc") / owner / "copyright"
        target = root.inside(notice.with_name("copyright.gz"))
        target.parent.mkdir(parents=True)
        target.write_bytes(gzip.compress(notice.read_bytes(), mtime=0))


def compile_modules(folder: Path, root: Root) -> None:
    """Leave Python's bytecode only, since it cannot be written at run time."""
    # Bytecode without docstrings in the source's place (-b): 18 MB less, for lines that only a traceback
    # through other people's code would show. Never checked against a source: nothing to look up at start.
    compiler = [sys.executable, "-m", "compileall", "-q", "-b", "-o", "2"]
    places = ["-s", str(root.folder), "-p", "/", str(folder)]
    subprocess.run([*compiler, "--invalidation-mode", "unchecked-hash", *places], check=True)
    for source in folder.rglob("*.py"):
        source.unlink()


def make_registry(root: Root) -> None:
    """Make GStreamer's list of its plugins, since it cannot be written at run time.

    GStreamer lists them as the file system happens to order them, each with its time. So they come into their
    folder one by one, with the time that they have in the layer.
    """
    registry = Path(os.environ["GST_REGISTRY"])
    root.inside(registry).parent.mkdir(parents=True, exist_ok=True)
    time_s = int(os.environ["SOURCE_DATE_EPOCH"])
    plugins, all_plugins = root.inside(PLUGINS), root.folder / "plugins"
    plugins.rename(all_plugins)
    plugins.mkdir()
    for plugin in sorted(all_plugins.iterdir()):
        os.utime(plugin, (time_s, time_s))
        plugin.rename(plugins / plugin.name)
        root.run("/usr/bin/gst-inspect-1.0", "--version", env=os.environ)
    all_plugins.rmdir()
    if not root.inside(registry).exists():
        raise PruneError(f"{registry}: GStreamer did not write its registry")


def try_out(root: Root, wanted: dict[str, Any]) -> None:
    """Import, load and make everything that was named, within the new root and as it will run."""
    plugins = wanted.get("plugins", {})
    names = {
        "imports": wanted["python"]["imports"],
        "services": wanted["python"].get("aws_services", []),
        "typelibs": [name.rsplit("-", 1) for name in wanted.get("typelibs", [])],
        "plugins": list(plugins),
        "elements": [element for elements in plugins.values() for element in elements],
    }
    frozen = {**os.environ, "GST_REGISTRY_UPDATE": "no"}
    root.run("/usr/bin/python3", "-W", "error", "-c", TRIAL.read_text(), env=frozen, stdin=json.dumps(names))


def say(what: str) -> None:
    """Show in the build what comes next."""
    print(f"== {what}")  # noqa: T201 - the build's own output


if __name__ == "__main__":
    main()
