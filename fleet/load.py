"""Read, validate and check a fleet file: the one entrance to `fleet`."""

from __future__ import annotations

from pathlib import Path

from edgecam.errors import EdgecamError
from fleet.checks.all import mistakes_of
from fleet.reading.files import FleetDocument, read_fleet
from fleet.settings.fleet import Fleet


def load_fleet(path: Path) -> Fleet:
    """The fleet in the file `path` and those that it includes.

    Raises:
        ConfigurationError: with every mistake, or when a file cannot be read.
    """
    return fleet_of(read_fleet(path))


def fleet_of(document: FleetDocument) -> Fleet:
    """The fleet of a document.

    Raises:
        ConfigurationError: with every mistake.
    """
    fleet = document.validated(Fleet)
    if mistakes := mistakes_of(fleet):
        raise document.error_for(mistakes)
    return fleet


def fleet_path(named: object, *, beside: Path) -> Path:
    """The file that `-c fleet=…` names (relative to the working folder), else `fleet.yaml` in `beside`.

    Raises:
        EdgecamError: when `named` is not a path.
    """
    if named is None:
        return beside / "fleet.yaml"
    if not isinstance(named, str) or not named:
        raise EdgecamError(f"context fleet: expected the path of a file, found {named!r}")
    return Path(named)
