"""Start and stop the embedded Google Cloud Storage, look into it, and let it fail.

with EmbeddedGcs(folder=tmp_path) as gcs:
    gcs.faults.inject(Fault(Kind.STATUS, every=3, status=503, retry_after="1"))
    …                       # the node, with gcs.environment()
    gcs.down()              # nobody listens; connections are reset; objects stay
    gcs.up()
    gcs.restrictions.hold("status/lobby.json")
    gcs.objects()
    gcs.organisation.locations = frozenset({"eu"})      # what its policies refuse from now on
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sandbox.gcs.bucket_semantics import GcsService
from sandbox.gcs.certificate import Certificate
from sandbox.gcs.faults import Faults
from sandbox.gcs.http_server import GcsHttpServer
from sandbox.gcs.organisation import Organisation
from sandbox.gcs.restrictions import Restrictions
from sandbox.gcs.traffic import Traffic
from sandbox.ports import check_free, free_port
from sandbox.stoppable import Stoppable

BUCKET = "recordings"


@dataclass(frozen=True)
class StoredObject:
    """An object as the store knows it; `crc32c` in 8 lower case hex digits."""

    name: str
    size_bytes: int
    crc32c: str
    generation: str
    content_type: str
    metadata: dict[str, str]

    @classmethod
    def from_resource(cls, resource: dict[str, Any]) -> Self:
        """From what the JSON API says of it."""
        return cls(
            name=resource["name"],
            size_bytes=int(resource["size"]),
            crc32c=base64.b64decode(resource["crc32c"]).hex(),
            generation=str(resource["generation"]),
            content_type=resource["contentType"],
            metadata=dict(resource.get("metadata") or {}),
        )


class EmbeddedGcs(Stoppable):
    """A running embedded GCS; a context manager that stops it. Objects lie below `folder` and outlive it.

    Args:
        folder: Where objects and their index lie.
        port: On 127.0.0.1; 0 for one that is free.
        buckets: Made when they are not there.
        tls: Speak TLS, with a certificate that `certificate` names.
    """

    def __init__(
        self, *, folder: Path, port: int = 0, buckets: tuple[str, ...] = (BUCKET,), tls: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        check_free(self.port, "the embedded GCS", "stop that, or choose another port")
        self.faults = Faults()
        self.restrictions = Restrictions()
        self.traffic = Traffic()
        self.certificate = Certificate.make(folder) if tls else None
        self.organisation = Organisation()
        self._service = GcsService(folder, buckets, self.restrictions, self.organisation)
        self._http_server: GcsHttpServer | None = None
        self.up()

    @property
    def url(self) -> str:
        """What STORAGE_EMULATOR_HOST holds."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """The variables that point clients here."""
        trust = {"SSL_CERT_FILE": str(self.certificate.path)} if self.certificate else {}
        return {"STORAGE_EMULATOR_HOST": self.url, **trust}

    def up(self) -> None:
        """Listen."""
        if self._http_server is None:
            tls = self.certificate.server_context() if self.certificate else None
            self._http_server = GcsHttpServer(self.port, self._service, self.faults, self.traffic, tls)

    def down(self) -> None:
        """Refuse connections, and reset those that are open. Objects and sessions stay."""
        if self._http_server is not None:
            self._http_server.stop()
            self._http_server = None

    def objects(self, prefix: str = "", bucket: str = BUCKET) -> list[StoredObject]:
        """The objects whose names begin with `prefix`, by name."""
        found = [StoredObject.from_resource(resource) for resource in self._service.objects(bucket)]
        return [stored for stored in found if stored.name.startswith(prefix)]

    def content(self, name: str, bucket: str = BUCKET) -> bytes:
        """What an object holds."""
        return self._service.content(bucket, name)

    def stop(self) -> None:
        """Stop for good, with everything on the disk."""
        self.down()
        self._service.save()
