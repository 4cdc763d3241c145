"""Which path of the page has which answer.

/                           the page
/cameras                    every camera's report as JSON, and which brokers take it
/cameras/<id>/frame.jpg     the newest picture; 503 and why, when there is none
/healthz                    200 when every camera delivers, is recorded where it is to be, and no chunk is
                            in danger, else 503 with the reasons; brokers that are away are named and change
                            nothing, since no restart of the node could repair that. A token or credentials
                            that the nucleus no longer accepts are a reason: the node ends for them
/metrics                    for Prometheus
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

from edgecam import __version__
from edgecam.clock import Clock, utc_text
from edgecam.codecs.jpeg import LONGEST_BYTES
from edgecam.folder import read_file
from edgecam.log import hide_values
from edgecam.status import metrics
from edgecam.status.reports import CameraReport, IdentityReport, Links, StorageReporter
from edgecam.status.serialize import (
    broker_values,
    brokers_away,
    camera_values,
    identity_values,
    recordings_in_trouble,
    storage_values,
    trouble_of,
)
from edgecam.web.location import Location

_PAGE = Path(__file__).parent
_SCRIPTS = ("page", "cards", "elements", "notices", "words")
_STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in _SCRIPTS},
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_FRAME = re.compile(r"/cameras/([a-z0-9][a-z0-9-]{0,62})/frame\.jpg")


class Reporter(Protocol):
    """What the page needs of a node."""

    def reports(self) -> tuple[CameraReport, ...]:
        """Every camera as it is now."""

    def frame_path(self, camera_id: str) -> Path:
        """Where the picture of a camera is."""


@dataclass(frozen=True)
class Response:
    """What is sent back."""

    status: HTTPStatus
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Routes:
    """Which path has which answer. Called from many threads; holds nothing that changes."""

    def __init__(
        self,
        node: Reporter,
        clock: Clock,
        storage: StorageReporter | None = None,
        links: Callable[[], Links] | None = None,
        identity: Callable[[], IdentityReport] | None = None,
        location: Location | None = None,
    ) -> None:
        self._node = node
        self._clock = clock
        self._storage = storage
        self._links = links or _nobody
        self._identity = identity or _unneeded
        self._location = location or Location()
        self._registry = metrics.registry(node.reports, storage, self._links, self._identity)
        self._static = {path: _static(name, kind) for path, (name, kind) in _STATIC.items()}

    def response(self, path: str) -> Response:
        """The answer to GET `path`."""
        if path in self._static:
            return self._static[path]
        if path == "/cameras":
            return self._cameras()
        if path == "/healthz":
            return self._health()
        if path == "/metrics":
            return Response(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.text(self._registry))
        if frame := _FRAME.fullmatch(path):
            return self._frame(frame.group(1))
        return failure(HTTPStatus.NOT_FOUND, "no such page")

    def _cameras(self) -> Response:
        reports = self._node.reports()
        storage = self._storage
        spool = storage.spool_report() if storage is not None else None
        upload = storage.upload_report() if storage is not None else None
        links = self._links()
        document = {
            "version": __version__,
            "time": utc_text(self._clock.now()),
            "node": {name: getattr(self._location, name) for name in ("core", "site", "bucket")},
            "cameras": [
                self._camera(report, camera_values(report, spool, upload))
                | {"brokers": broker_values(report.camera_id, links)}
                for report in reports
            ],
            "storage": storage_values(spool, upload) if spool and upload else None,
            "identity": identity_values(self._identity()),
        }
        return _json(HTTPStatus.OK, document)

    def _camera(self, report: CameraReport, values: dict[str, Any]) -> dict[str, Any]:
        """`values` with what only a person wants to know."""
        if values["recording"] is not None:
            values["recording"]["url"] = self._location.recordings_url(report.camera_id)
        return values | {
            "address": report.address,
            "condition": str(report.condition),
            "pictures": report.makes_frames,
        }

    def _health(self) -> Response:
        reports = self._node.reports()
        reasons = [_why(report) for report in reports if not report.is_delivering]
        reasons += recordings_in_trouble(reports)
        if self._storage is not None:
            reasons += trouble_of(self._storage.spool_report(), self._storage.upload_report())
        if identity := identity_values(self._identity()):
            reasons.append(identity)
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons or not reports else HTTPStatus.OK
        healthy = status is HTTPStatus.OK
        away = brokers_away(self._links())
        document = {"healthy": healthy, "cameras": len(reports), "reasons": reasons, "brokers_away": away}
        return _json(status, document)

    def _frame(self, camera_id: str) -> Response:
        report = next((each for each in self._node.reports() if each.camera_id == camera_id), None)
        if report is None:
            return failure(HTTPStatus.NOT_FOUND, f"no camera {camera_id} in this node")
        try:
            if report.frame is None:  # what lies there is from an earlier run
                raise FileNotFoundError
            # Of one open file: it is replaced by rename, so these bytes and this time belong together.
            picture, facts = read_file(self._node.frame_path(camera_id), limit_bytes=LONGEST_BYTES)
        except OSError:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, _why(report), {"Retry-After": "1"})
        headers = {
            "ETag": f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
            "Last-Modified": formatdate(facts.st_mtime, usegmt=True),
            "Edgecam-State": str(report.state),
            # A browser that shows a picture alone puts it into a document with a style of its own.
            "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
        }
        return Response(HTTPStatus.OK, "image/jpeg", picture, headers)


def _nobody() -> Links:
    return {}


def _unneeded() -> IdentityReport:
    return IdentityReport(is_needed=False)


def failure(status: HTTPStatus, text: str) -> Response:
    """A refusal that says why."""
    return _json(status, {"error": text})


def _why(report: CameraReport) -> dict[str, Any]:
    """Why a camera has no fresh picture."""
    reason = report.reason or ("stale" if report.frame is not None else "no-picture-yet")
    return {
        "camera": report.camera_id,
        "state": str(report.state),
        "reason": reason,
        "message": report.message,
        "frame_age_s": None if report.frame_age_s is None else round(report.frame_age_s, 3),
    }


def _json(status: HTTPStatus, document: object, headers: Mapping[str, str] | None = None) -> Response:
    body = json.dumps(hide_values(document), ensure_ascii=False, indent=1).encode() + b"\n"
    return Response(status, "application/json", body, headers or {})


def _static(name: str, content_type: str) -> Response:
    body = (_PAGE / name).read_bytes()
    return Response(HTTPStatus.OK, content_type, body, {"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'})
