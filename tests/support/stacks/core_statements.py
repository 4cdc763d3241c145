"""The IoT policy statements that a provisioned core's certificate gets."""

from __future__ import annotations

import json
from typing import Any

from fleets import of_type
from policy_evaluation import Statement, statements_of, text_of


def provisioned(template: dict[str, Any], thing: str) -> list[Statement]:
    """The policy that fleet provisioning makes for a core that registers as `thing`."""
    (found,) = of_type(template, "AWS::IoT::ProvisioningTemplate")
    body = json.loads(text_of(found["TemplateBody"], {}))
    properties = body["Resources"]["policy"]["Properties"]
    assert properties.keys() == {"PolicyDocument"}
    return statements_of(properties["PolicyDocument"], {"ThingName": thing})
