"""Ask what is known against every locked Python package.

    python -m tools.audit [options of pip-audit]

Ends with 1 where something is known that `accepted.toml` does not name, or names for a time that is over.
Nothing is installed: the locks have the versions, and a public service what is known of them.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from edgecam.errors import ConfigurationError, Mistake

_LOG = logging.getLogger(__name__)

PROJECT = Path(__file__).resolve().parents[1]
ACCEPTED = Path(__file__).with_name("accepted_vulnerabilities.toml")

PROGRAMS = Path(sys.executable).parent
"""Where the environment's uv and pip-audit are."""

_KEYS = {"id": str, "package": str, "reason": str, "until": date}


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A vulnerability that was examined.

    Attributes:
        id: As pip-audit prints it.
        package: Which package has it.
        reason: Why it does no harm here.
        until: The last day on which that was to hold.
    """

    id: str
    package: str
    reason: str
    until: date


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="audit: %(message)s", stream=sys.stderr)
    try:
        entries = accepted(ACCEPTED)
    except ConfigurationError as error:
        _LOG.error("%s", error)
        return 2
    options = ignoring(entries, datetime.now(UTC).date())
    options += sys.argv[1:] if arguments is None else arguments
    return max(audit(lock.parent, options) for lock in locks())


def locks(project: Path = PROJECT) -> list[Path]:
    """The locks of the project, of the environments that it keeps apart as well."""
    return [
        project / "uv.lock",
        *(project / folder / "uv.lock" for folder in ("sandbox/aws", "stacks/gcp/iot")),
    ]


def accepted(path: Path) -> list[Accepted]:
    """What the file accepts.

    Raises:
        ConfigurationError: with every entry that is not whole.
    """
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    mistakes = [mistake for index, entry in enumerate(entries) for mistake in _mistakes(index, entry)]
    if mistakes:
        raise ConfigurationError(mistakes, document=path.name)
    return [Accepted(**entry) for entry in entries]


def ignoring(entries: Sequence[Accepted], today: date) -> list[str]:
    """The options for pip-audit; an entry whose time is over is none."""
    options = []
    for entry in entries:
        if today > entry.until:
            _LOG.warning("%s of %s was accepted until %s: look again", entry.id, entry.package, entry.until)
        else:
            _LOG.info("%s of %s is accepted: %s", entry.id, entry.package, entry.reason)
            options += ["--ignore-vuln", entry.id]
    return options


def audit(folder: Path, options: Sequence[str]) -> int:
    """Audit the lock in `folder`; 0 when nothing is known against its packages."""
    _LOG.info("the packages of %s", (folder / "uv.lock").relative_to(PROJECT))
    with tempfile.TemporaryDirectory(prefix="edgecam-audit-") as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(_exported(folder), encoding="utf-8")
        # The versions are locked, hashes and all: nothing to resolve, so pip has nothing to do.
        command = [str(PROGRAMS / "pip-audit"), "--disable-pip", "--require-hashes", "--strict"]
        quiet = ["--progress-spinner", "off", "--requirement", str(requirements)]
        return subprocess.run([*command, *quiet, *options], check=False).returncode


def _exported(folder: Path) -> str:
    command = [str(PROGRAMS / "uv"), "export", "--quiet", "--frozen", "--no-emit-project"]
    scope = ["--all-groups", "--all-extras", "--project", str(folder)]
    return subprocess.run([*command, *scope], capture_output=True, text=True, check=True).stdout


def _mistakes(index: int, entry: dict[str, object]) -> Iterator[Mistake]:
    for key, kind in _KEYS.items():
        if not isinstance(entry.get(key), kind) or not entry[key]:
            expected = "a date, such as 2027-01-31" if kind is date else "a text"
            yield Mistake(f"accepted[{index}].{key}", expected, repr(entry.get(key, "nothing")))
    for key in entry.keys() - _KEYS.keys():
        yield Mistake(f"accepted[{index}].{key}", f"one of {', '.join(_KEYS)}", "another key")


if __name__ == "__main__":
    sys.exit(main())
