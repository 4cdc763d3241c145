"""IoT role aliases: the API, AWS::IoT::RoleAlias, and the credentials that a core gets by one.

The role must trust credentials.iot.amazonaws.com, as on AWS, and its policies know the thing's name as
`${credentials-iot:ThingName}`. Who may ask at all is seen to in `device_https.py`.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from sandbox.aws.ministack import cloudformation, host, iam, iot
from sandbox.aws.ministack.cloudformation import Properties
from sandbox.aws.plugin.failures import (
    AlreadyExistsError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ServiceError,
)
from sandbox.aws.plugin.trust import trusts

PREFIX = "/role-aliases"
PROVIDER = "credentials.iot.amazonaws.com"
THING_NAME_KEY = "credentials-iot:ThingName"
CERTIFICATE_KEY = "credentials-iot:AwsCertificateId"
DEFAULT_DURATION_S = 3600
MIN_DURATION_S, MAX_DURATION_S = 900, 43_200

_aliases = host.scoped_store()


def _arn(name: str) -> str:
    return host.arn("iot", f"rolealias/{name}")


def _names(name: str) -> dict[str, str]:
    return {"roleAlias": name, "roleAliasArn": _arn(name)}


def create(name: str, role_arn: str, duration_s: int) -> dict[str, str]:
    """A new alias; AlreadyExistsError."""
    if name in _aliases:
        raise AlreadyExistsError(f"Role alias {name} already exists", resourceId=name, resourceArn=_arn(name))
    _check(role_arn, duration_s)
    _aliases[name] = {
        **_names(name),
        "roleArn": role_arn,
        "owner": host.account_id(),
        "credentialDurationSeconds": duration_s,
        "creationDate": time.time(),
        "lastModifiedDate": time.time(),
    }
    return _names(name)


def update(name: str, role_arn: str | None, duration_s: int | None) -> dict[str, str]:
    """Change what is given."""
    alias = describe(name)
    _check(role_arn or alias["roleArn"], duration_s or alias["credentialDurationSeconds"])
    alias["roleArn"] = role_arn or alias["roleArn"]
    alias["credentialDurationSeconds"] = duration_s or alias["credentialDurationSeconds"]
    alias["lastModifiedDate"] = time.time()
    return _names(name)


def describe(name: str) -> dict[str, Any]:
    """The alias as stored; NotFoundError."""
    if name not in _aliases:
        raise NotFoundError(f"Role alias {name} does not exist")
    alias: dict[str, Any] = _aliases[name]
    return alias


def credentials(name: str, certificate_id: str, thing_name: str | None) -> dict[str, str]:
    """Credentials of the alias' role for a certificate; ForbiddenError when the role does not trust AWS IoT.

    The session bears the certificate's id. Without a thing's name its policies know none.
    """
    alias = describe(name)
    keys = {CERTIFICATE_KEY: certificate_id} | ({THING_NAME_KEY: thing_name} if thing_name else {})
    if not trusts(alias["roleArn"], PROVIDER):
        raise ForbiddenError(f"{alias['roleArn']} does not exist or does not trust {PROVIDER}")
    duration_s = alias["credentialDurationSeconds"]
    expiration = datetime.now(UTC) + timedelta(seconds=duration_s)
    return {
        **iam.role_session(alias["roleArn"], certificate_id, duration_s, keys),
        "expiration": expiration.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def delete(name: str) -> None:
    """Remove an alias; NotFoundError."""
    describe(name)
    del _aliases[name]


def _check(role_arn: str, duration_s: int) -> None:
    if not role_arn.startswith("arn:aws:iam::"):
        raise InvalidError(f"roleArn must be the ARN of an IAM role, found {role_arn!r}")
    if not MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
        raise InvalidError(
            f"credentialDurationSeconds must be {MIN_DURATION_S} to {MAX_DURATION_S}, found {duration_s}"
        )


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> host.Answer:
    """Answer one request below /role-aliases."""
    del headers, query
    name = unquote(path.removeprefix(PREFIX)).lstrip("/")
    try:
        return host.answer_json(_dispatch(method, name, json.loads(body) if body else {}))
    except ServiceError as error:
        return error.answer()
    except ValueError as error:
        return InvalidError(f"The request's body is not JSON: {error}").answer()


def _dispatch(method: str, name: str, request: dict[str, Any]) -> dict[str, Any]:
    if not name:
        return {"roleAliases": list(_aliases)}
    if method == "POST":
        duration_s = int(request.get("credentialDurationSeconds") or DEFAULT_DURATION_S)
        return create(name, str(request.get("roleArn", "")), duration_s)
    if method == "PUT":
        return update(name, request.get("roleArn"), request.get("credentialDurationSeconds"))
    if method == "DELETE":
        delete(name)
        return {}
    return {"roleAliasDescription": describe(name)}


def _duration_s(properties: Properties) -> int:
    return int(properties.get("CredentialDurationSeconds") or DEFAULT_DURATION_S)


def _provision(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
    name = properties.get("RoleAlias") or cloudformation.generated_name(stack_name, logical_id)
    try:
        create(name, properties["RoleArn"], _duration_s(properties))
    except AlreadyExistsError as error:
        raise ValueError(
            f"Resource of type 'AWS::IoT::RoleAlias' with identifier '{name}' already exists."
        ) from error
    except ServiceError as error:
        raise ValueError(str(error)) from error
    return name, {"RoleAliasArn": _arn(name)}


def _reprovision(
    physical_id: str, old: Properties, new: Properties, stack_name: str
) -> tuple[str, dict[str, Any]]:
    del old, stack_name
    try:
        update(physical_id, new["RoleArn"], _duration_s(new))
    except ServiceError as error:
        raise ValueError(str(error)) from error
    return physical_id, {"RoleAliasArn": _arn(physical_id)}


def _unprovision(physical_id: str, properties: Properties) -> None:
    del properties
    _aliases.pop(physical_id, None)


def install() -> None:
    """Offer the API and the resource type."""
    iot.extend(PREFIX, handle)
    cloudformation.add_resource_type(
        cloudformation.ResourceType(
            name="AWS::IoT::RoleAlias",
            create=_provision,
            update=_reprovision,
            delete=_unprovision,
            create_only=("RoleAlias",),
        )
    )
