"""The folder that is sent to Docker: the image's inputs, and what pip needs here to reach its index.

It is `container/` as a checkout has it, without what others leave there, so `docker build container/` makes
the same image. What pip needs is in the folder `network`, which may be missing; it stays in the build stage
where the Python packages are installed, and nothing of it enters the image.
"""

from __future__ import annotations

import configparser
import os
import shutil
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from container.image.inputs import PROJECT, input_files
from container.image.source_files import source_content

PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "timeout", "retries")
"""What of this machine's pip configuration also holds inside a build."""

CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def write_context(folder: Path, variant: str, project: Path = PROJECT) -> None:
    """Fill `folder`, which must exist, with everything that the Dockerfile copies to make `variant`."""
    for name, source in input_files(variant, project):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source_content(source))
    write_network_settings(folder / "network", os.environ)
    # Docker's cache compares modes too; those of a checkout depend on the umask of who made it.
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def write_network_settings(folder: Path, environment: Mapping[str, str]) -> None:
    """Write `pip.conf`, and `ca.pem` where this machine has a list of authorities of its own.

    An index's URL may hold a password: it travels in this file, not in an argument, which `ps` would show.
    """
    folder.mkdir()
    settings = dict(_configured(environment))
    settings.update(_from_variables(environment))
    bundle = next((environment[name] for name in CA_VARIABLES if environment.get(name)), settings.get("cert"))
    bundle = bundle or ssl.get_default_verify_paths().cafile
    lines = [f"{name} = {_reachable(settings[name])}" for name in PIP_SETTINGS if settings.get(name)]
    if bundle and Path(bundle).is_file():
        shutil.copyfile(bundle, folder / "ca.pem")
        lines.append("cert = /network/ca.pem")
    (folder / "pip.conf").write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")


def _configured(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the settings in pip's configuration files, those of the machine before those of the user."""
    home = Path(environment.get("HOME") or "/")
    configuration = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", configuration / "pip/pip.conf"]
    if environment.get("PIP_CONFIG_FILE"):
        files.append(Path(environment["PIP_CONFIG_FILE"]))
    parser = configparser.RawConfigParser(strict=False)
    parser.read([file for file in files if os.access(file, os.R_OK)], encoding="utf-8")
    for section in ("global", "install"):
        if parser.has_section(section):
            yield from parser.items(section)


def _from_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in PIP_SETTINGS:
        value = environment.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            yield name, value
    if environment.get("PIP_DEFAULT_TIMEOUT"):
        yield "timeout", environment["PIP_DEFAULT_TIMEOUT"]


def _reachable(value: str) -> str:
    """Leave out folders of this machine, which a build cannot see."""
    return " ".join(word for word in value.split() if not word.startswith(("file:", "/")))
