"""The pre-provisioning hook's decisions; test_fleet_provisioning_deployed.py has AWS IoT call it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.provisioning.hook import decide, group_of

KNOWN = {
    "gate-core": "edgecam-cores",
    "lobby-core-*": "lobby-cores",
    "lobby-core-special": "special-cores",
}


@pytest.mark.parametrize(
    ("thing", "group"),
    [
        ("gate-core", "edgecam-cores"),
        ("lobby-core-7", "lobby-cores"),
        ("lobby-core-special", "special-cores"),
        ("gate-core-2", None),
        ("Gate-core", None),
        ("lobby-core-*", None),
        ("lobby-core-?", None),
        ("lobby-core-7/../gate-core", None),
        ("lobby-core-${iot:ClientId}", None),
        ("lobby-core-" + "7" * 128, None),
        ("", None),
    ],
)
def test_core_is_known_by_name_or_pattern_and_its_own_name_comes_first(thing: str, group: str | None) -> None:
    assert group_of(thing, KNOWN) == group


@pytest.mark.parametrize("parameters", [None, {}, {"ThingName": ["gate-core"]}, {"SerialNumber": "1"}])
def test_request_without_a_name_is_refused(aws: Callable[[str], Any], parameters: Any) -> None:
    answer = decide({"parameters": parameters}, KNOWN, aws("iot"), may_replace=False)
    assert answer == {"allowProvisioning": False}


def test_refusal_names_core_and_claim_in_the_log(
    aws: Callable[[str], Any], caplog: pytest.LogCaptureFixture
) -> None:
    event = {"parameters": {"ThingName": "stranger\nroot"}, "claimCertificateId": "abc"}
    with caplog.at_level(logging.WARNING):
        decide(event, KNOWN, aws("iot"), may_replace=False)
    assert caplog.messages == [
        "refused 'stranger\\nroot' by claim abc: expected a core of fleet.yaml or cores.provisioning.things"
    ]


def test_replacing_certificates_is_a_setting(aws: Callable[[str], Any]) -> None:
    iot = aws("iot")
    iot.create_thing(thingName="gate-core")
    principal = iot.create_keys_and_certificate(setAsActive=True)["certificateArn"]
    iot.attach_thing_principal(thingName="gate-core", principal=principal)
    event = {"parameters": {"ThingName": "gate-core"}}
    assert not decide(event, KNOWN, iot, may_replace=False)["allowProvisioning"]
    assert decide(event, KNOWN, iot, may_replace=True) == {
        "allowProvisioning": True,
        "parameterOverrides": {"ThingGroupName": "edgecam-cores"},
    }
