"""Why Google refuses a bucket, and what to do about it: one sentence for each reason.

A policy of the organisation answers 412, as a precondition that does not hold does, and a perimeter 403, as a
missing right does. Google's words tell them apart (https://cloud.google.com/storage/docs/org-policy-constraints
and https://cloud.google.com/vpc-service-controls/docs/troubleshooting).
"""

from __future__ import annotations

import re

_MOST_SHOWN = 400
"""Characters of Google's words: CloudFormation shows a thousand, and the advice comes last."""

_MOST_READ = 10_000
"""Characters of Google's words that are looked at."""

_CONSTRAINT = re.compile(r"constraints/(?P<name>[a-zA-Z.]{1,100})")

_POLICY = "a policy of your organisation"
_OWN_BUCKET = "make the bucket as the policy asks for it and set gcp.bucket.create: false"

_ADVICE_OF_CONSTRAINT = {
    "gcp.resourceLocations": f"{_POLICY} allows buckets in other locations only: set gcp.bucket.location to "
    "one of those that gcloud org-policies describe gcp.resourceLocations --effective --project=PROJECT "
    "lists, or have this one allowed",
    "storage.softDeletePolicySeconds": f"{_POLICY} asks for soft delete, which edgecam switches off, since "
    "each newest picture replaces one every few seconds and each would be kept and paid for: have 0 seconds "
    f"allowed for this project, or {_OWN_BUCKET}",
    "gcp.restrictNonCmekServices": f"{_POLICY} asks for buckets that a key of yours encrypts, and edgecam "
    "sets none: make the bucket with one (gcloud storage buckets create --default-encryption-key=KEY) and "
    "set gcp.bucket.create: false",
    "storage.retentionPolicySeconds": f"{_POLICY} asks for a retention policy, under which no newest picture "
    "and no status could be replaced: have this project excepted",
    "iam.allowedPolicyMemberDomains": f"{_POLICY} lets in members of its own domains only, and a workload "
    "identity pool is none: have the pool's project allowed, or name service accounts of the organisation as "
    "writers",
}

_PERIMETER = (
    "a perimeter of VPC Service Controls keeps the function out: have an ingress rule let the identity of "
    "gcp.login reach storage.googleapis.com in this project (the identifier finds the refusal in the audit "
    "log)"
)
_BILLING = (
    "gcp.project has no billing account that works: link one (gcloud billing projects link PROJECT "
    "--billing-account=ACCOUNT)"
)

_ADVICE_OF_CODE = {
    400: "see gcp in fleet.yaml",
    401: "see gcp.login in fleet.yaml",
    403: "the login needs the role of design/google-side.md; a bucket that is somebody else's, another name",
    404: "see gcp.project in fleet.yaml",
    412: "a condition of the request does not hold, which Google's words name",
    429: "deploy again in a minute",
}


def explained(uri: str, code: int, message: str) -> str:
    """A refusal in one sentence: what is refused, Google's words, and what to do.

    Args:
        uri: Of the bucket.
        code: HTTP's.
        message: Google's words.
    """
    return f"Google refuses {uri} ({code} {message[:_MOST_SHOWN]}): {_advice(code, message[:_MOST_READ])}"


def _advice(code: int, message: str) -> str:
    words = message.lower()
    if (constraint := _constraint_in(message)) is not None:
        general = f"{_POLICY}, {constraint}, forbids it: have this project excepted, or {_OWN_BUCKET}"
        return _ADVICE_OF_CONSTRAINT.get(constraint, general)
    if "vpcservicecontrols" in words:
        return _PERIMETER
    if "billing" in words:
        return _BILLING
    if "pre-conditions you specified" in words:
        return "somebody else changed the bucket at this moment: deploy again"
    return _ADVICE_OF_CODE.get(code, "deploy again; if it stays so, Google's status page may say more")


def _constraint_in(message: str) -> str | None:
    """The constraint that an organisation's policy is about, without `constraints/`."""
    if found := _CONSTRAINT.search(message):
        return found["name"].rstrip(".")
    # The one that Google's answer does not name.
    return "iam.allowedPolicyMemberDomains" if "permitted customer" in message else None
