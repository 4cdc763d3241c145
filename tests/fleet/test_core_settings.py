"""Mistakes in `cores:` and `watch:`, as synth tells them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from core_fleets import EXISTING_CORES, WATCHED_SITES
from fleets import RECORDED_SITES

from edgecam.errors import ConfigurationError
from fleet.load import load_fleet

TOPIC = "arn:aws:sns:eu-central-1:123456789012:cameras"


def mistakes(write_fleet: Callable[[str], Path], text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        load_fleet(write_fleet(text))
    return [line.removeprefix("fleet.yaml: ") for line in str(raised.value).splitlines()]


def test_watch_needs_a_site_that_sends_states(write_fleet: Callable[[str], Path]) -> None:
    assert mistakes(write_fleet, RECORDED_SITES + "watch: {}") == [
        "watch: expected a site with aws_iot: {enabled: true}, which sends the states of its cameras, "
        "found none"
    ]


def test_topic_and_address_exclude_each_other(write_fleet: Callable[[str], Path]) -> None:
    (line,) = mistakes(write_fleet, f"{WATCHED_SITES}watch: {{topic: '{TOPIC}', email: a@example.com}}")
    assert line.startswith("watch: expected topic or email, not both")


@pytest.mark.parametrize("setting", ["topic: cameras", "email: nobody", "alarms: {silent_cameras: 0}"])
def test_target_and_thresholds_are_checked(write_fleet: Callable[[str], Path], setting: str) -> None:
    (line,) = mistakes(write_fleet, f"{WATCHED_SITES}watch: {{{setting}}}")
    assert line.startswith(f"watch.{setting.split(':')[0]}")


def test_misspelt_alarm_is_refused(write_fleet: Callable[[str], Path]) -> None:
    (line,) = mistakes(write_fleet, f"{WATCHED_SITES}watch: {{alarms: {{silent: 1}}}}")
    assert line.startswith("watch.alarms.silent")


def test_role_that_is_there_already_needs_its_alias(write_fleet: Callable[[str], Path]) -> None:
    bare = EXISTING_CORES.replace("{role_alias: OurRoleAlias, iot_policy: OurCorePolicy}", "{}")
    assert mistakes(write_fleet, WATCHED_SITES + bare) == [
        "cores.provisioning.role_alias: expected its name, since aws.token_exchange_role is "
        "GreengrassV2TokenExchangeRole (or a new role, without that), found none"
    ]


def test_alias_of_a_new_role_cannot_be_named(write_fleet: Callable[[str], Path]) -> None:
    lines = mistakes(write_fleet, f"{WATCHED_SITES}cores: {{provisioning: {{role_alias: ours}}}}")
    assert lines == [
        "cores.provisioning.role_alias: expected it only with aws.token_exchange_role: else one is made, "
        'found "ours"'
    ]


def test_core_comes_into_one_group(write_fleet: Callable[[str], Path]) -> None:
    things = "{lobby-cores: [core-1, core-2], gate-cores: [core-2]}"
    assert mistakes(write_fleet, f"{WATCHED_SITES}cores: {{provisioning: {{things: {things}}}}}") == [
        "cores.provisioning.things.gate-cores: expected each core or pattern in one group, "
        'found "core-2", which is in lobby-cores as well'
    ]


@pytest.mark.parametrize("name", ["*", "core 1", "core[12]", "co?re"])
def test_core_that_may_register_is_a_name_or_a_pattern_with_more_than_an_asterisk(
    write_fleet: Callable[[str], Path], name: str
) -> None:
    (line,) = mistakes(write_fleet, f"{WATCHED_SITES}cores: {{provisioning: {{things: {{g: ['{name}']}}}}}}")
    assert "expected the name of a core, or a pattern such as lobby-core-*" in line


def test_retention_is_one_that_cloudwatch_knows(write_fleet: Callable[[str], Path]) -> None:
    (line,) = mistakes(write_fleet, f"{WATCHED_SITES}cores: {{logs: {{retention_days: 31}}}}")
    assert line.startswith("cores.logs.retention_days: expected")


def test_group_that_a_core_is_named_in_goes_before_that_of_all_cores(
    write_fleet: Callable[[str], Path],
) -> None:
    from stacks.greengrass.cores import known_cores  # takes seconds, for the CDK

    things = "{dock-cores: [dock-core]}"
    fleet = load_fleet(write_fleet(f"{WATCHED_SITES}cores: {{provisioning: {{things: {things}}}}}"))
    assert known_cores(fleet) == {
        "yard-core": "edgecam-core-yard-core",  # with Nucleus Lite: a group of one
        "roof-core": "edgecam-core-roof-core",
        "dock-core": "dock-cores",
    }


def test_fleet_that_records_nothing_has_the_usual_limits(write_fleet: Callable[[str], Path]) -> None:
    from stacks.watch.stack import limits_of  # takes seconds, for the CDK

    site = "{thing: c, aws_iot: {enabled: true}, cameras: [{id: a, uri: 'rtsp://h/1'}]}"
    fleet = load_fleet(write_fleet(f"sites: {{a: {site}}}\nwatch: {{}}\n"))
    assert fleet.watch is not None
    limits = limits_of(fleet, fleet.watch)
    assert (limits["spool_bytes"], limits["no_chunks_after_s"]) == (None, 300)


def test_limits_that_settings_name_are_taken(write_fleet: Callable[[str], Path]) -> None:
    from stacks.watch.stack import limits_of  # takes seconds, for the CDK

    fleet = load_fleet(
        write_fleet(f"{WATCHED_SITES}watch: {{spool_bytes: 5, no_chunks_after_s: 45, forget_after_days: 1}}")
    )
    assert fleet.watch is not None
    limits = limits_of(fleet, fleet.watch)
    assert [limits[name] for name in ("spool_bytes", "no_chunks_after_s", "forget_after_s")] == [
        5,
        45,
        86_400,
    ]
