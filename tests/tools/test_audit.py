"""The audit of the locked packages: what is asked, what is passed over, and for how long."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edgecam.errors import ConfigurationError
from tools.audit import (
    ACCEPTED,
    PROJECT,
    accepted,
    audit,
    ignoring,
    locks,
)

SMALLEST = PROJECT / "sandbox/aws"

ENTRY = """
[[accepted]]
id = "GHSA-test-0001"
package = "six"
reason = "Nothing here calls it."
until = 2027-01-31
"""


class Service(HTTPServer):
    """Answers as OSV does, and knows one vulnerability."""

    def __init__(self, vulnerable: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.vulnerable = vulnerable
        self.asked: dict[str, str] = {}

    @property
    def options(self) -> list[str]:
        url = f"http://127.0.0.1:{self.server_port}/v1/query"
        return ["--vulnerability-service", "osv", "--osv-url", url]


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        self.server.asked[name] = asked["version"]
        found = {"id": "GHSA-test-0001", "summary": "It breaks.", "affected": []}
        body = json.dumps({"vulns": [found]} if name == self.server.vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service("six") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    path = tmp_path / "accepted.toml"
    path.write_text(ENTRY)
    return path


def test_vulnerability_fails_the_audit(service: Service, capfd: pytest.CaptureFixture[str]) -> None:
    assert audit(SMALLEST, service.options) == 1
    assert "GHSA-test-0001" in capfd.readouterr().out
    assert service.asked["ministack"] == "1.5.33"


def test_accepted_vulnerability_is_passed_over(service: Service, entry: Path) -> None:
    options = ignoring(accepted(entry), date(2027, 1, 31))
    assert audit(SMALLEST, [*options, *service.options]) == 0


def test_vulnerability_is_accepted_until_its_day_and_no_longer(
    entry: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert ignoring(accepted(entry), date(2027, 1, 31)) == ["--ignore-vuln", "GHSA-test-0001"]
    assert ignoring(accepted(entry), date(2027, 2, 1)) == []
    assert "GHSA-test-0001 of six was accepted until 2027-01-31: look again" in caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ('reason = "Nothing here calls it."\n', r"accepted\[0\]\.reason: expected a text, found 'nothing'"),
        ("until = 2027-01-31\n", r"accepted\[0\]\.until: expected a date, such as 2027-01-31"),
    ],
)
def test_entry_without_a_reason_or_a_day_is_refused(entry: Path, changed: str, message: str) -> None:
    entry.write_text(ENTRY.replace(changed, ""))
    with pytest.raises(ConfigurationError, match=message):
        accepted(entry)


def test_misspelt_key_is_refused(entry: Path) -> None:
    entry.write_text(ENTRY + "untill = 2027-01-31\n")
    with pytest.raises(ConfigurationError, match=r"accepted\[0\]\.untill"):
        accepted(entry)


def test_what_the_project_accepts_has_a_reason_in_a_sentence() -> None:
    for entry in accepted(ACCEPTED):
        assert entry.reason.endswith("."), f"{entry.id}: a sentence, please"
        assert len(entry.reason.split()) >= 5, f"{entry.id}: say why it does no harm here"


def test_every_lock_of_the_project_is_audited() -> None:
    apart = {".venv", "node_modules", "build", ".git"}
    folders = [path for path in PROJECT.iterdir() if path.is_dir() and path.name not in apart]
    found = {PROJECT / "uv.lock", *(path for folder in folders for path in folder.rglob("uv.lock"))}
    assert set(locks()) == found


@pytest.mark.parametrize("lock", locks(), ids=lambda lock: lock.relative_to(PROJECT).as_posix())
def test_every_lock_can_be_read(lock: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert audit(lock.parent, ["--dry-run"]) == 0
    assert "would have audited" in capfd.readouterr().err
