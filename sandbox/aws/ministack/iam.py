"""Who may do what: condition keys, policy variables, roles and their sessions."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ministack.core import iam_actions, iam_evaluator, router  # type: ignore[import-not-found]
from ministack.services import iam, sts  # type: ignore[import-not-found]

from sandbox.aws.ministack.host import account_id, arn, region

_INLINE_CHARACTERS = 10_240
"""Of all inline policies of a role together (IAM user guide, "IAM and AWS STS quotas")."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Right:
    """What a caller has to be allowed: an action, on a resource, under condition keys of the request."""

    action: str
    resource: str
    keys: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def refusal(headers: Mapping[str, str], right: Right) -> str | None:
    """Why IAM refuses who has signed a request; None where it allows."""
    return _refusal(iam_evaluator.enforce, router.extract_access_key_id(dict(headers)), right)


def ask_also(rights_behind: Callable[[str, str], Iterable[Right]]) -> None:
    """Let actions of other services need rights as well, which `rights_behind(action, resource)` names."""
    original = iam_evaluator.enforce

    def enforce(
        access_key: str, action: str, service: str, asked_region: str, *more: Any, **keyed: Any
    ) -> Any:
        denied = original(access_key, action, service, asked_region, *more, **keyed)
        if denied is not None:
            return denied
        for right in rights_behind(action, keyed.get("resource_arn", "*")):
            if (why := _refusal(original, access_key, right)) is not None:
                return iam_evaluator.AuthError("AccessDenied", why)
        return None

    iam_evaluator.enforce = enforce


def _refusal(enforce: Callable[..., Any], access_key: str, right: Right) -> str | None:
    denied = enforce(
        access_key,
        right.action,
        right.action.partition(":")[0],
        region(),
        resource_arn=right.resource,
        service_context=dict(right.keys),
    )
    if denied is None:
        return None
    if isinstance(denied, iam_evaluator.AuthError):
        return str(denied.message)
    words = iam_actions.identity_denial_message(
        right.action, denied.principal_arn, right.resource, denied.decision == "Deny"
    )
    return str(words)


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


def limit_inline_policies() -> None:
    """Refuse what makes the inline policies of a role larger than IAM takes, from CloudFormation as well."""
    original = iam._put_role_policy

    def put(parameters: Any) -> Any:
        name, policy = (iam._p(parameters, key) for key in ("RoleName", "PolicyName"))
        kept = (iam._roles.get(name) or {}).get("InlinePolicies", {})
        documents = {**kept, policy: iam._p(parameters, "PolicyDocument")}
        if sum(map(_counted, documents.values())) > _INLINE_CHARACTERS:
            words = f"Maximum policy size of {_INLINE_CHARACTERS} bytes exceeded for role {name}"
            return iam._error(409, "LimitExceeded", words, ns="iam")
        return original(parameters)

    iam._put_role_policy = iam._IAM_HANDLERS["PutRolePolicy"] = put


def _counted(document: str) -> int:
    """The characters of a policy's document, white space left out."""
    return len("".join(document.split()))


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
