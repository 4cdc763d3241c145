"""What a core exchanges with the cloud: its deployments, recipes, artifacts, credentials, reports.

A real core receives deployments as IoT Jobs and reports over MQTT, authenticated by its certificate. Here it
asks the embedded AWS' API for both, with the rights of the account; what its components need, artifacts and
credentials, it gets with its certificate and the role of its role alias, as a real core does.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import botocore.exceptions
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningKey

from sandbox.aws.clients import ACCOUNT, ACCOUNT_CREDENTIALS, REGION, Credentials, client
from sandbox.aws.thing import Device
from sandbox.core import images
from sandbox.core.recipe import Artifact
from sandbox.errors import ArtifactError, CloudError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One component of a deployment: version, and how its configuration changes."""

    version: str
    reset: tuple[str, ...]
    merge: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as a core sees it."""

    deployment_id: str
    name: str
    components: Mapping[str, Wanted]
    rolls_back: bool
    canceled: bool


@dataclass(frozen=True, kw_only=True)
class EffectiveDeployment:
    """The newest deployment of one target of a core, and what that core did with it."""

    deployment_id: str
    target_arn: str
    status: str
    created: datetime


def version_arn(name: str, version: str) -> str:
    """The ARN of a component version."""
    return f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}"


class Cloud:
    """The embedded AWS at `url`, seen by the core of one thing."""

    def __init__(
        self, *, url: str, thing_name: str, device: Device | None = None, role_alias: str = ""
    ) -> None:
        """Nothing is asked yet: the role alias may come into being with the first deployment.

        Without a device it can report, and look, but has no credentials.
        """
        self.thing_name = thing_name
        self._url = url
        self._device = device
        self._role_alias = role_alias
        self._greengrass = client("greengrassv2", url)

    def deployments(self) -> list[Deployment]:
        """The deployments that this core is to run together, newest first."""
        found = [self._deployment(entry.deployment_id) for entry in self.effective()]
        return [deployment for deployment in found if not deployment.canceled]

    def effective(self) -> list[EffectiveDeployment]:
        """The newest deployment of each of this core's targets, newest first."""
        with _answered("list this core's deployments"):
            pages = self._greengrass.get_paginator("list_effective_deployments").paginate(
                coreDeviceThingName=self.thing_name
            )
            return [
                EffectiveDeployment(
                    deployment_id=entry["deploymentId"],
                    target_arn=entry["targetArn"],
                    status=entry["coreDeviceExecutionStatus"],
                    created=entry["creationTimestamp"],
                )
                for page in pages
                for entry in page["effectiveDeployments"]
            ]

    def described(self, deployment_id: str) -> dict[str, Any]:
        """The answer of GetDeployment."""
        with _answered(f"get the deployment {deployment_id}"):
            answer: dict[str, Any] = self._greengrass.get_deployment(deploymentId=deployment_id)
            return answer

    def recipe(self, name: str, version: str) -> dict[str, Any]:
        """The recipe of a component version, with the image registry's name as it is on this machine."""
        return self.readable(self.recipe_text(name, version))

    def recipe_text(self, name: str, version: str) -> str:
        """The recipe as the service has it, as compact JSON."""
        with _answered(f"get the recipe of {name} {version}"):
            answer = self._greengrass.get_component(arn=version_arn(name, version), recipeOutputFormat="JSON")
        return json.dumps(json.loads(answer["recipe"]), ensure_ascii=False, separators=(",", ":"))

    def readable(self, recipe_text: str) -> dict[str, Any]:
        """A recipe as an object, with the image registry's name as it is on this machine."""
        recipe: dict[str, Any] = json.loads(images.reachable(recipe_text, self._url))
        return recipe

    def credentials(self) -> Credentials:
        """Credentials of the role that the role alias names, as long-lived as the alias says."""
        if self._device is None:
            raise CloudError(f"The core of {self.thing_name} has no certificate to get credentials with")
        return self._device.credentials(self._role_alias)

    def fetch(self, artifact: Artifact, folder: Path) -> None:
        """Have the artifact here, as a file in `folder` or as an image in Docker; ArtifactError."""
        if artifact.pulled:
            images.pull(artifact.uri.removeprefix("docker:"), self._url, self.credentials())
        else:
            self._download(artifact, folder)

    def _download(self, artifact: Artifact, folder: Path) -> Path:
        """The artifact as a file in `folder`, at once when it is there already."""
        address = urlsplit(artifact.uri)
        if address.scheme != "s3":
            raise ArtifactError(f"{artifact.uri}: this core fetches s3:// and docker: artifacts only")
        target = folder / Path(address.path).name
        if target.exists() and artifact.digest and _digest(target) == artifact.digest:
            return target
        folder.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        try:
            s3 = client("s3", self._url, self.credentials())
            s3.download_file(address.netloc, address.path.lstrip("/"), str(partial))
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise ArtifactError(f"{artifact.uri} cannot be fetched with the core's role: {error}") from error
        if artifact.digest and (found := _digest(partial)) != artifact.digest:
            partial.unlink()
            raise ArtifactError(
                f"{artifact.uri}: the recipe promises SHA-256 {artifact.digest}, found {found}"
            )
        return partial.replace(target)

    def report(
        self,
        platform: Mapping[str, str],
        components: Sequence[Mapping[str, str]],
        outcomes: Sequence[Mapping[str, str]],
    ) -> None:
        """Report the core's status; a report that gets lost is logged, no more."""
        body = {
            "platform": platform["os"],
            "architecture": platform["architecture"],
            "coreVersion": "sandbox",
            "components": list(components),
            "deployments": list(outcomes),
        }
        path = f"/greengrass/v2/coreDevices/{self.thing_name}/report"
        try:
            self._signed("greengrass", "PUT", path, json.dumps(body).encode())
        except (urllib.error.URLError, OSError) as error:
            log.warning("the report to the cloud got lost: %s", error)

    def _signed(
        self,
        service: str,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The answer to a request that no SDK makes."""
        request = AWSRequest(method=method, url=f"{self._url}{path}", data=body, headers=dict(headers or {}))
        key = SigningKey(ACCOUNT_CREDENTIALS.access_key_id, ACCOUNT_CREDENTIALS.secret_access_key)
        SigV4Auth(key, service, REGION).add_auth(request)
        signed = urllib.request.Request(request.url, data=body, headers=dict(request.headers), method=method)
        with urllib.request.urlopen(signed, timeout=REQUEST_TIMEOUT_S) as answer:
            content: bytes = answer.read()
            return content

    def _deployment(self, deployment_id: str) -> Deployment:
        answer = self.described(deployment_id)
        policies = answer.get("deploymentPolicies") or {}
        return Deployment(
            deployment_id=deployment_id,
            name=answer.get("deploymentName", ""),
            components={name: _wanted(entry) for name, entry in (answer.get("components") or {}).items()},
            rolls_back=policies.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK",
            canceled=answer["deploymentStatus"] == "CANCELED",
        )


def _wanted(entry: Mapping[str, Any]) -> Wanted:
    update = entry.get("configurationUpdate") or {}
    return Wanted(
        version=entry["componentVersion"],
        reset=tuple(update.get("reset") or ()),
        merge=json.loads(update.get("merge") or "{}"),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return base64.b64encode(hashlib.file_digest(content, "sha256").digest()).decode()


@contextmanager
def _answered(action: str) -> Iterator[None]:
    try:
        yield
    except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
        raise CloudError(f"The core cannot {action}: {error}") from error
