"""The organisation that the embedded store's project belongs to: what its policies refuse.

The answers are those of Google: a constraint is a 412 with the reason of a precondition that does not hold, a
perimeter and a missing billing account are a 403. Everything can be changed while the store runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.gcs.semantics import Answer

SOFT_DELETE_DEFAULT_S = 7 * 24 * 60 * 60


@dataclass
class Organisation:
    """What is in force; by default nothing.

    Attributes:
        locations: `gcp.resourceLocations`: where buckets may be, in lower case; None for everywhere.
        soft_delete_s: `storage.softDeletePolicySeconds`: durations that buckets may have; None for any.
        wants_key: `gcp.restrictNonCmekServices`: buckets need a default key of the customer's.
        own_members_only: `iam.allowedPolicyMemberDomains`: no identity of another domain gets a right.
        has_perimeter: VPC Service Controls, with no ingress rule that lets a request through.
        has_billing: Whether the project's billing account works.
    """

    locations: frozenset[str] | None = None
    soft_delete_s: frozenset[int] | None = None
    wants_key: bool = False
    own_members_only: bool = False
    has_perimeter: bool = False
    has_billing: bool = True

    def refused_request(self) -> Answer | None:
        """The answer to any request, where a perimeter keeps it out."""
        if not self.has_perimeter:
            return None
        words = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: AbC-1"
        return Answer.failed(403, "forbidden", words)

    def refused_bucket(self, bucket: Mapping[str, Any]) -> Answer | None:
        """The answer to a request for a bucket with these settings, where it may not be."""
        if not self.has_billing:
            words = "The billing account for the owning project is disabled in state absent"
            return Answer.failed(403, "accountDisabled", words)
        location = str(bucket.get("location", "US")).lower()
        if self.locations is not None and location not in self.locations:
            return _violated("gcp.resourceLocations", f"'{location}'")
        kept_s = (bucket.get("softDeletePolicy") or {}).get("retentionDurationSeconds", SOFT_DELETE_DEFAULT_S)
        if self.soft_delete_s is not None and int(kept_s) not in self.soft_delete_s:
            return _violated("storage.softDeletePolicySeconds")
        if self.wants_key and not (bucket.get("encryption") or {}).get("defaultKmsKeyName"):
            return _violated("gcp.restrictNonCmekServices")
        return None

    def refused_policy(self, policy: Mapping[str, Any]) -> Answer | None:
        """The answer to an IAM policy that lets somebody in, where nobody of another domain may be."""
        if not self.own_members_only or not policy.get("bindings"):
            return None
        words = "One or more users named in the policy do not belong to a permitted customer."
        return Answer.failed(412, "conditionNotMet", words)


def _violated(constraint: str, what: str = "Request") -> Answer:
    return Answer.failed(412, "conditionNotMet", f"{what} violates constraint 'constraints/{constraint}'")
