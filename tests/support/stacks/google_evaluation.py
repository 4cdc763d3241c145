"""What Google makes of an AWS identity and of a bucket's policy: the part of its language that edgecam uses.

Sources: Google Cloud IAM, "Workload identity federation" (attribute mapping, `extract`), "IAM Conditions",
"Cloud Storage roles".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fleets import PROJECT

GUIDE = PROJECT / "design" / "google-side.md"
ACCOUNT = "123456789012"
POOL = "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/edgecam"

PERMISSIONS = {
    "roles/storage.objectCreator": {"create"},
    "roles/storage.objectViewer": {"get", "list"},
    "roles/storage.objectUser": {"create", "get", "list", "delete", "update"},
}


@dataclass(frozen=True)
class Provider:
    """How the guide has the provider made: what it maps, and whom it lets in."""

    mapping: Mapping[str, str]
    condition: str

    def members(self, arn: str) -> set[str]:
        """Who an AWS identity is in Google's IAM; nobody where it is not let in."""
        values = {name: extracted(arn, template) for name, template in self.mapping.items()}
        if not all(_holds(part, arn, values) for part in self.condition.split(" && ")):
            return set()
        attributes = {f"principalSet://{POOL}/{name}/{value}" for name, value in values.items()}
        return attributes | {f"principal://{POOL}/subject/{values['google.subject']}"}


def provider_of_the_guide(**names: str) -> Provider:
    """From the command in design/google-side.md, with its shell variables filled in."""
    text = GUIDE.read_text()
    (mapping,) = re.findall(r'--attribute-mapping="([^"]+)"', text)
    (condition,) = re.findall(r'--attribute-condition="([^"]+)"', text)
    for name, value in {"AWS_ACCOUNT": ACCOUNT, **names}.items():
        condition = condition.replace(f"${name}", value)
    assert "$" not in condition
    pairs = re.findall(r"([\w.]+)=assertion\.arn\.extract\('([^']+)'\)", mapping)
    assert len(pairs) == mapping.count("=")
    return Provider(dict(pairs), condition)


def extracted(text: str, template: str) -> str:
    """`text.extract(template)` of Google's language: what stands between the parts of the template."""
    before, _, rest = template.partition("{")
    after = rest.partition("}")[2]
    start = text.find(before)
    if start < 0:
        return ""
    found = text[start + len(before) :]
    end = found.find(after) if after else len(found)
    return found[:end] if end >= 0 else ""


def may(bindings: Iterable[Mapping[str, Any]], members: set[str], permission: str, name: str) -> bool:
    """Whether a bucket's policy lets one of `members` do something with a resource of that name."""
    return any(
        permission in PERMISSIONS[binding["role"]]
        and members & set(binding["members"])
        and any(_resource_holds(part, name) for part in binding["condition"]["expression"].split(" || "))
        for binding in bindings
    )


def _resource_holds(expression: str, name: str) -> bool:
    if found := re.fullmatch(r'resource\.name\.startsWith\("([^"]+)"\)', expression):
        return name.startswith(found[1])
    assert expression == 'resource.type == "storage.googleapis.com/Object"', expression
    return "/objects/" in name


def _holds(expression: str, arn: str, values: Mapping[str, str]) -> bool:
    if found := re.fullmatch(r"assertion\.arn\.startsWith\('([^']+)'\)", expression):
        return arn.startswith(found[1])
    found = re.fullmatch(r"([\w.]+) in \[('[^']+'(?:, '[^']+')*)\]", expression)
    assert found is not None, expression
    return values[found[1]] in re.findall(r"'([^']+)'", found[2])
