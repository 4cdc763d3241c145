"""Copy an image from one repository of Amazon ECR to another, byte for byte.

    SOURCE=REPOSITORY:TAG TARGET=REPOSITORY:TAG python3 copy_image.py

No Docker, hence no privileged machine, and the digest stays what it was: manifests and layers pass through
as they are, by the OCI distribution specification that ECR speaks on /v2. What the target has already is not
sent again. Python and boto3, which CodeBuild's images have, are enough; nothing of the project is imported.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

import boto3

_LOG = logging.getLogger(__name__)

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TIMEOUT_S = 60
ATTEMPTS = 3


class Registry:
    """The registry of this account and Region."""

    def __init__(self, ecr: Any) -> None:
        (access,) = ecr.get_authorization_token()["authorizationData"]
        self._url = access["proxyEndpoint"]
        self._login = f"Basic {access['authorizationToken']}"

    def manifest(self, repository: str, reference: str) -> tuple[bytes, str]:
        """A manifest, named by tag or digest, and its media type."""
        with self._ask(
            "GET", f"/v2/{repository}/manifests/{reference}", {"Accept": ", ".join(MANIFESTS)}
        ) as answer:
            content: bytes = answer.read()
            return content, answer.headers["Content-Type"]

    def put_manifest(self, repository: str, reference: str, content: bytes, media_type: str) -> None:
        """Store a manifest whose layers are there."""
        self._ask(
            "PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": media_type}, content
        ).close()

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a layer is there."""
        try:
            self._ask("HEAD", f"/v2/{repository}/blobs/{digest}").close()
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return False
            raise
        return True

    def copy_blob(self, source: str, target: str, digest: str, size: int) -> None:
        """Stream a layer from one repository to the other; the registry checks its digest."""
        with self._ask("GET", f"/v2/{source}/blobs/{digest}") as content:
            with self._ask("POST", f"/v2/{target}/blobs/uploads/", body=b"") as upload:
                place = urljoin(upload.url, upload.headers["Location"])
            place += f"{'&' if '?' in place else '?'}digest={digest}"
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            self._ask("PUT", place, headers, content).close()

    def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the registry's own address
            urljoin(self._url, path), data=body, headers=dict(headers or {}), method=method
        )
        # Layers are handed out by S3, which refuses a second login beside the one in the address.
        request.add_unredirected_header("Authorization", self._login)
        return urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310


def copy(registry: Registry, source: str, target: str) -> str:
    """Copy the image and return its digest; both are REPOSITORY:TAG."""
    source_repository, source_tag = source.rsplit(":", 1)
    target_repository, target_tag = target.rsplit(":", 1)
    return _copy_manifest(registry, source_repository, source_tag, target_repository, target_tag)


def _copy_manifest(registry: Registry, source: str, reference: str, target: str, name: str | None) -> str:
    content, media_type = registry.manifest(source, reference)
    manifest = json.loads(content)
    for child in manifest.get("manifests", ()):
        _copy_manifest(registry, source, child["digest"], target, None)
    for blob in (*manifest.get("layers", ()), *filter(None, [manifest.get("config")])):
        _copy_blob(registry, source, target, blob)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    # Last, so that an image that is there is whole.
    registry.put_manifest(target, name or digest, content, media_type)
    return digest


def _copy_blob(registry: Registry, source: str, target: str, blob: Mapping[str, Any]) -> None:
    digest, size = blob["digest"], blob["size"]
    if registry.has_blob(target, digest):
        _LOG.info("%s is there already", digest)
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            registry.copy_blob(source, target, digest, size)
        except OSError as error:
            if attempt == ATTEMPTS:
                raise
            _LOG.warning("%s: %s, trying again", digest, error)
            time.sleep(attempt)
        else:
            _LOG.info("%s copied, %d bytes", digest, size)
            return


def main() -> int:
    """Copy what the environment names."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    source, target = os.environ["SOURCE"], os.environ["TARGET"]
    try:
        digest = copy(Registry(boto3.client("ecr")), source, target)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(1000).decode(errors="replace")
        _LOG.error("%s to %s: the registry answers %d: %s", source, target, error.code, said)
        return 1
    _LOG.info("%s is %s", target, digest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
