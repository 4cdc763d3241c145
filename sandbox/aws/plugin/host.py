"""The one module that touches ministack: everything private that the plug-in relies on is named here.

The names are those of the pinned version; another version is refused at import, because a changed private
name would show up much later as a strange answer of a strange service.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import hashlib
import importlib.metadata
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

# The project's own environment, where types are checked, has no ministack.
import ministack.app as ministack_app  # type: ignore[import-not-found]
from ministack.core import iam_actions, iam_evaluator, responses, router  # type: ignore[import-not-found]
from ministack.services import codebuild, ecr, iam, iot, s3, sts  # type: ignore[import-not-found]
from ministack.services.cloudformation import provisioners  # type: ignore[import-not-found]

SUPPORTED_VERSION = "1.5.33"
_DEVICE_REQUEST_S = 10.0
"""A device that says it has a request sends it at once."""

Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body: what ministack's handlers return."""

Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Answer]]
"""An async service handler: method, path, headers, body, query parameters (lists of strings)."""

Operation = Callable[[dict[str, Any]], Answer]
"""One operation of a JSON service: takes the request's members."""

Properties = dict[str, Any]
"""Properties of a CloudFormation resource, intrinsic functions already resolved."""


class Scoped(Protocol):
    """A dictionary that holds a value per account and Region of the current request."""

    def __getitem__(self, key: str) -> Any: ...
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __contains__(self, key: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...
    def get(self, key: str, default: Any = None) -> Any: ...
    def pop(self, key: str, default: Any = None) -> Any: ...


def check_version() -> None:
    """Refuse to run on a ministack whose private names were not looked at."""
    found = importlib.metadata.version("ministack")
    if found != SUPPORTED_VERSION:
        raise RuntimeError(
            f"ministack {found} is installed, the plug-in was written for {SUPPORTED_VERSION}: "
            "install from sandbox/aws/uv.lock, or check every name in sandbox/aws/plugin/host.py"
        )


def scoped_store() -> Scoped:
    """An empty store whose entries belong to one account and one Region."""
    store: Scoped = responses.AccountRegionScopedDict()
    return store


def account_id() -> str:
    """The twelve digits of the account that the current request acts for."""
    return str(responses.get_account_id())


def region() -> str:
    """The Region of the current request."""
    return str(responses.get_region())


def arn(service: str, resource: str) -> str:
    """An ARN in the current request's account and Region."""
    return f"arn:aws:{service}:{region()}:{account_id()}:{resource}"


def answer_json(data: Mapping[str, Any], status: int = 200) -> Answer:
    """A REST-JSON answer."""
    answer: Answer = responses.json_response(dict(data), status, content_type="application/json")
    return answer


def answer_error(error_type: str, message: str, status: int, **extra: Any) -> Answer:
    """A REST-JSON error as the SDKs parse it; `extra` are further members of the modelled exception."""
    answer: Answer = responses.error_response_json(
        error_type, message, status, extra or None, content_type="application/json"
    )
    return answer


def port() -> int:
    """The port that the embedded AWS listens on."""
    return int(ministack_app._resolve_port())


def add_service(name: str, handler: Handler) -> None:
    """Route requests signed for `name` to `handler`."""
    router.SERVICE_PATTERNS[name] = {
        "host_patterns": [rf"{name}\."],
        "credential_scope": name,
    }
    ministack_app.SERVICE_HANDLERS[name] = handler


def replace_ecr_operations(
    repository_uri: Callable[[str], str],
    wrap_token: Callable[[Operation], Operation],
    wrap_describe_images: Callable[[Operation], Operation],
) -> None:
    """Exchange three functions of ECR, which ministack looks up by name at each request."""
    ecr._repo_uri = repository_uri
    ecr._get_authorization_token = wrap_token(ecr._get_authorization_token)
    ecr._describe_images = wrap_describe_images(ecr._describe_images)


def has_repository(name: str) -> bool:
    """Whether ECR has a repository of this name."""
    return name in ecr._repositories


def has_image(repository: str, image_id: Mapping[str, str]) -> bool:
    """Whether a repository holds an image, named by tag or digest."""
    return ecr._find_image(repository, image_id) is not None


def replace_start_build(wrap: Callable[[Operation], Operation]) -> None:
    """Exchange CodeBuild's StartBuild, which ministack looks up by name at each request."""
    codebuild._start_build = wrap(codebuild._start_build)


def name_resources(service: str, member: str, resource_of: Callable[[str], str]) -> None:
    """Check rights on what a request lists under `member` as AWS does: by the resource, here of the first.

    ministack looks at requests for one resource only and takes those for several as being about everything.
    """
    original = iam_actions.extract_resource_arn

    def extract(asked: str, method: str, path: str, headers: Any, body: bytes, *more: Any) -> Any:
        listed = json.loads(body).get(member) if asked == service and member.encode() in body else None
        if listed:
            return arn(service, resource_of(listed[0]))
        return original(asked, method, path, headers, body, *more)

    iam_actions.extract_resource_arn = extract


def build_project(name: str) -> dict[str, Any]:
    """A project of CodeBuild, in the API's words."""
    project: dict[str, Any] = codebuild._projects[name]
    return project


def build_record(build_id: str) -> dict[str, Any]:
    """A build as BatchGetBuilds answers it; changing it changes the answer."""
    record: dict[str, Any] = codebuild._builds[build_id]
    return record


def build_log(record: dict[str, Any]) -> Callable[[str], None]:
    """A function that adds a line to a build's log in CloudWatch."""
    write: Callable[[str], None] = codebuild._log_sink(record)
    return write


def in_background(work: Callable[[], None]) -> None:
    """Run `work` beside the requests, for the account and Region of the current one."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True).start()


def take_transport_as_secure() -> None:
    """Answer the IAM condition key aws:SecureTransport with true.

    Nothing here leaves the loopback interface, and every bucket policy that asks for TLS would deny all else.
    """
    original = iam_evaluator._resolve_condition_key

    def resolve(key: str, context: Any) -> Any:
        return "true" if key.lower() == "aws:securetransport" else original(key, context)

    iam_evaluator._resolve_condition_key = resolve


def know_metric_namespaces() -> None:
    """Answer the IAM condition key cloudwatch:namespace with what a PutMetricData request says.

    ministack knows no keys of CloudWatch, and would deny what a policy allows for one namespace.
    """
    original = iam_actions.request_tag_context

    def context(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = original(service, action, body, params)
        if action != "cloudwatch:PutMetricData":
            return found
        # JSON is what boto3 speaks to CloudWatch.
        return {**found, "cloudwatch:namespace": json.loads(body).get("Namespace", "")}

    iam_actions.request_tag_context = context


def listen_for_devices_on_loopback() -> None:
    """Let devices connect from this machine alone, and no sooner than they can be answered.

    ministack listens on every interface, and makes its certificate when the first device is there already,
    whose first words Python 3.11 loses meanwhile.
    """

    async def start() -> None:
        if iot._mtls_server is not None:
            return
        iot._mtls_ssl_context = await asyncio.to_thread(iot._mtls_build_ssl_context)
        iot._mtls_loop = asyncio.get_running_loop()
        iot._mtls_server = await iot._mtls_loop.create_server(
            iot._MtlsAcceptor, host="127.0.0.1", port=iot._mtls_port()
        )

    iot._mtls_start_locked = start


def certificate_allows(certificate_id: str, action: str, resource: str) -> bool:
    """Whether the policies attached to a certificate allow an action, asked for by HTTPS.

    There is no connection then, and so no thing and no client id that policy variables could stand for.
    """
    return bool(iot._mqtt_policy_allows(account_id(), region(), certificate_id, {}, action, resource))


def certificate_is_of(certificate_id: str, thing_name: str) -> bool:
    """Whether a certificate is attached to a thing."""
    record = iot._certificates.get(certificate_id) or {}
    return iot._thing_arn(thing_name) in record.get("attachedThings", [])


def answer_https_of_devices(protocol: str, answer: Callable[[str, str, str, dict[str, str]], Answer]) -> None:
    """Let `answer` serve one HTTPS request of each device that asks for `protocol` in the TLS handshake.

    Args:
        protocol: By its ALPN name; all other devices speak MQTT.
        answer: Gets the id of an active certificate, method, path, and headers in lower case.
    """
    build_context, serve_mqtt = iot._mtls_build_ssl_context, iot._mtls_serve_conn

    def context() -> Any:
        made = build_context()
        made.set_alpn_protocols([protocol])
        return made

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        if tls.selected_alpn_protocol() != protocol:
            await serve_mqtt(reader, writer)
            return
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _DEVICE_REQUEST_S)
            writer.write(_http_answer(*_answered(tls.getpeercert(binary_form=True), head, answer)))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the device has gone, or says nothing that could be answered
        finally:
            await iot._mtls_close(writer)

    iot._mtls_build_ssl_context = context
    iot._mtls_serve_conn = serve


def _answered(
    certificate: bytes | None, head: bytes, answer: Callable[[str, str, str, dict[str, str]], Answer]
) -> Answer:
    owner = iot._mtls_resolve_identity(certificate) if certificate else None
    if certificate is None or owner is None:
        return answer_error("ForbiddenException", "An active certificate must be shown", 403)
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    with iot.request_scope(*owner[:2]):
        return answer(hashlib.sha256(certificate).hexdigest(), method, path, headers)


def _http_answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "content-length"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def fill_policy_variables(fill: Callable[[str, Callable[[str], str | None]], str]) -> None:
    """Let `fill` put values into the resources and conditions of policies of version 2012-10-17.

    Args:
        fill: Gets a text of a policy and a function that looks up a condition key; returns the text.
    """
    parse, first_match = iam_evaluator.parse_policy_document, iam_evaluator._first_match

    def parse_with_version(document: Any) -> list[Any]:
        statements: list[Any] = parse(document)
        whole = json.loads(document) if isinstance(document, str) else document
        for statement in statements:
            statement.has_variables = whole.get("Version") == "2012-10-17"
        return statements

    def filled(statement: Any, context: Any) -> Any:
        def value_of(key: str) -> str | None:
            found = iam_evaluator._resolve_condition_key(key, context)
            return found if isinstance(found, str) else None

        def deep(value: Any) -> Any:
            if isinstance(value, str):
                return fill(value, value_of)
            if isinstance(value, list):
                return [deep(entry) for entry in value]
            return {key: deep(entry) for key, entry in value.items()} if isinstance(value, dict) else value

        if not getattr(statement, "has_variables", False):
            return statement
        return dataclasses.replace(
            statement,
            resources=deep(statement.resources),
            not_resources=deep(statement.not_resources),
            conditions=deep(statement.conditions),
        )

    def first_match_filled(context: Any, statements: list[Any], effect: str) -> Any:
        return first_match(context, [filled(statement, context) for statement in statements], effect)

    iam_evaluator.parse_policy_document = parse_with_version
    iam_evaluator._first_match = first_match_filled


def show_session_keys() -> None:
    """Let policies see the condition keys that `role_session` was given."""
    original = iam_evaluator._principal_keys

    def keys_of(credential: Any) -> dict[str, Any]:
        session = sts._sessions.get(credential.access_key_id) or {}
        return {**original(credential), **session.get("ConditionKeys", {})}

    iam_evaluator._principal_keys = keys_of


def extend_iot(prefix: str, handler: Handler) -> None:
    """Route control-plane requests of AWS IoT below `prefix` to `handler`, all others as before."""
    original: Handler = iot.handle_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        chosen = handler if path == prefix or path.startswith(f"{prefix}/") else original
        return await chosen(method, path, headers, body, query)

    iot.handle_request = handle


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """A CloudFormation resource type.

    `create` and `update` return physical id and attributes; they raise ValueError, whose text becomes the
    reason of the failed stack event. A change of a property in `create_only` replaces the resource.
    """

    name: str
    create: Callable[[str, Properties, str], tuple[str, dict[str, Any]]]
    update: Callable[[str, Properties, Properties, str], tuple[str, dict[str, Any]]]
    delete: Callable[[str, Properties], None]
    create_only: tuple[str, ...]


def add_resource_type(resource: ResourceType) -> None:
    """Let CloudFormation provision `resource`."""
    provisioners._RESOURCE_HANDLERS[resource.name] = {
        "create": resource.create,
        "update": resource.update,
        "delete": resource.delete,
    }
    provisioners._REPLACING_PROPERTIES[resource.name] = resource.create_only


def generated_name(stack_name: str, logical_id: str) -> str:
    """The name that CloudFormation gives to a resource without one."""
    return str(provisioners._physical_name(stack_name, logical_id))


def thing_groups_of(thing_name: str) -> list[str]:
    """Names of the thing groups that a thing is directly in; empty for an unknown thing."""
    thing = iot._things.get(thing_name)
    return list(thing.get("thingGroupNames", [])) if thing else []


def things_in_group(group_name: str) -> list[str]:
    """Names of the things directly in a group."""
    return [name for name in iot._things if group_name in thing_groups_of(name)]


def object_bytes(bucket: str, key: str) -> bytes | None:
    """Content of an S3 object, or None when bucket or key do not exist."""
    data = s3._get_object_data(bucket, key)
    return None if data is None else bytes(data)


def role_trust(role_arn: str) -> dict[str, Any] | None:
    """The trust policy of a role, or None when the role does not exist."""
    role = iam._roles.get(role_arn.rpartition("/")[2])
    if role is None or role.get("Arn") != role_arn:
        return None
    document = role["AssumeRolePolicyDocument"]
    trust: dict[str, Any] = json.loads(document) if isinstance(document, str) else document
    return trust


def role_session(
    role_arn: str, session_name: str, duration_s: int, condition_keys: Mapping[str, str]
) -> dict[str, str]:
    """Temporary credentials of a role, as AssumeRole would register them; policies see `condition_keys`."""
    access_key = sts._gen_session_access_key()
    secret, token = sts._gen_secret(), sts._gen_session_token()
    role_name = role_arn.rpartition("/")[2]
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account_id()}:assumed-role/{role_name}/{session_name}",
            "UserId": f"{sts._role_id(role_arn)}:{session_name}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + duration_s,
            "AccountId": account_id(),
            "PrincipalType": "AssumedRole",
            "SourceAccessKeyId": account_id(),
            "SourcePrincipalArn": f"arn:aws:iam::{account_id()}:root",
            "SessionTags": {},
            "SessionPolicies": None,
            "ConditionKeys": {key.lower(): value for key, value in condition_keys.items()},
        },
    )
    return {"accessKeyId": access_key, "secretAccessKey": secret, "sessionToken": token}


def serve() -> None:
    """Run ministack in the foreground until SIGTERM."""
    ministack_app.main()
