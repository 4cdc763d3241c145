# ruff: noqa: E501 - messages stand as a user reads them
"""Which core may read which camera secret, of the policies that the templates give to the cores' role."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fleets import EXISTING, Synthesize
from policy_evaluation import Statement, allows
from role_statements import role_statements

from edgecam.errors import ConfigurationError
from fleet.camera_secrets import (
    MOST_POLICIES,
    POLICY_BYTES,
    open_sites,
    policies_of,
)
from fleet.load import load_fleet

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret"


def site(name: str, target: str, secret: str) -> str:
    camera = f'{{id: a, uri: "rtsp://h/1", credentials: {{secret: "{ARN}:{secret}"}}}}'
    return f"  {name}: {{{target}, cameras: [{camera}]}}\n"


FLEET = "sites:\n" + "".join(
    [
        site("gate", "thing: core", "gate-AbCdEf"),
        site("yard", "thing: core-2", "yard-AbCdEf"),
        site("dock", "thing: lobby-core-99", "yard-AbCdEf"),
        site("lobby", "thing_group: lobby-cores", "lobby"),
        site("roof", "thing_group: roof-cores", "roof-AbCdEf"),
    ]
)
PROVISIONING = (
    'cores: {provisioning: {things: {lobby-cores: ["lobby-core-*", porter], roof-cores: [lobby-core-roof]}}}'
)
READERS = {
    "gate-AbCdEf": {"core"},
    "yard-AbCdEf": {"core-2", "lobby-core-99"},
    "lobby-GhIjKl": {"lobby-core-7", "porter"},
    "roof-AbCdEf": {"lobby-core-roof"},
}
THINGS = set().union(*READERS.values()) | {"core-22", "cor", "porter-2", "stranger"}


def readers(statements: list[Statement], secret: str, things: set[str] = THINGS) -> set[str]:
    return {
        thing
        for thing in things
        if allows(
            statements,
            "secretsmanager:GetSecretValue",
            f"{ARN}:{secret}",
            {"credentials-iot:ThingName": thing},
        )
    }


@pytest.mark.parametrize("role", ["", EXISTING], ids=["new role", "existing role"])
@pytest.mark.parametrize("secret", READERS)
def test_core_reads_the_secrets_of_its_own_site_and_no_others(
    synthesize: Synthesize, role: str, secret: str
) -> None:
    alias = "cores: {provisioning: {role_alias: Ours, " if role else "cores: {provisioning: {"
    fleet = FLEET + PROVISIONING.replace("cores: {provisioning: {", alias) + role
    statements = role_statements(synthesize(fleet)["EdgecamFoundation"])
    assert readers(statements, secret) == READERS[secret]
    assert not allows(statements, "secretsmanager:GetSecretValue", f"{ARN}:{secret}")


def test_group_whose_cores_nobody_knows_is_warned_about(write_fleet: Callable[[str], Path]) -> None:
    import aws_cdk as cdk
    from aws_cdk.assertions import Annotations, Match

    from app import build

    def warned(text: str) -> list[str]:
        app = cdk.App()
        build(app, load_fleet(write_fleet(text)))
        stack = app.node.find_child("EdgecamFoundation")
        found = Annotations.from_stack(stack).find_warning("*", Match.string_like_regexp("camera secrets"))
        return [str(each.entry.data) for each in found]

    (warning,) = warned(FLEET)
    assert warning.startswith("sites lobby, roof: every core may read their camera secrets")
    assert warned(FLEET + PROVISIONING) == []
    assert open_sites(load_fleet(write_fleet(FLEET))) == ["lobby", "roof"]


NAMED = "sites:\n" + "".join(
    [
        site("gate", "thing: core", "cameras/core/gate-AbCdEf"),
        site("yard", "thing: core-2", "cameras/core-2/yard-AbCdEf"),
        site("lobby", "thing_group: lobby-cores", "cameras/lobby-AbCdEf"),
    ]
)
BY_THING = "\naws: {camera_secrets: 'cameras/{thing}/*'}\n"


def test_secrets_named_after_things_are_read_by_these(synthesize: Synthesize) -> None:
    statements = role_statements(synthesize(NAMED + PROVISIONING + BY_THING)["EdgecamFoundation"])
    assert readers(statements, "cameras/core/gate-AbCdEf") == {"core"}
    assert readers(statements, "cameras/core-2/yard-AbCdEf") == {"core-2"}
    assert readers(statements, "cameras/core-22/any-AbCdEf") == {"core-22"}
    assert readers(statements, "cameras/lobby-AbCdEf") == {"lobby-core-7", "porter", "lobby-core-99"}
    assert readers(statements, "elsewhere/core/gate-AbCdEf") == set()


def mistakes(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_fleet(path)
    return str(caught.value).splitlines()


def test_secret_outside_the_names_that_its_core_may_read_is_a_mistake(
    write_fleet: Callable[[str], Path],
) -> None:
    text = "sites:\n" + site("a", "thing: core", "cameras/core-2/gate-AbCdEf") + BY_THING
    assert mistakes(write_fleet(text)) == [
        "fleet.yaml: sites.a: expected secrets of this site to be named cameras/core/…, as aws.camera_secrets says, "
        "found cameras/core-2/gate-AbCdEf"
    ]


@pytest.mark.parametrize("names", ["cameras/*", "cameras/{thing}*", "{thing}", "cameras/{things}/*"])
def test_names_that_would_let_every_core_read_are_refused(
    write_fleet: Callable[[str], Path], names: str
) -> None:
    text = f"{FLEET}aws: {{camera_secrets: '{names}'}}\n"
    (line,) = mistakes(write_fleet(text))
    assert line.startswith("fleet.yaml: aws.camera_secrets: expected names below that of a thing")


def many(count: int, shared: bool = False) -> str:
    return "sites:\n" + "".join(
        site(f"s{n}", f"thing: core-{n:04}", "vendor-AbCdEf" if shared else f"cameras/site-{n:04}-AbCdEf")
        for n in range(count)
    )


def test_secrets_of_many_sites_stand_in_several_policies_each_within_its_limit(
    synthesize: Synthesize,
) -> None:
    template = synthesize(many(100) + "aws: {site_stacks: 4}\n")["EdgecamFoundation"]
    documents = [
        resource["Properties"]["PolicyDocument"]
        for resource in template["Resources"].values()
        if "GetSecretValue" in str(resource)
    ]
    assert 2 < len(documents) <= MOST_POLICIES
    for document in documents:
        assert len(str(document).replace(" ", "")) <= 6_144
    things = {f"core-{number:04}" for number in range(100)}
    statements = role_statements(template)
    assert readers(statements, "cameras/site-0042-AbCdEf", things) == {"core-0042"}


def test_one_secret_of_many_sites_is_one_statement_as_long_as_it_fits(
    write_fleet: Callable[[str], Path],
) -> None:
    ((grant,),) = policies_of(load_fleet(write_fleet(many(100, shared=True))))
    assert len(grant.cores) == 100
    parts = [
        each
        for policy in policies_of(load_fleet(write_fleet(many(170, shared=True) + "aws: {site_stacks: 4}")))
        for each in policy
    ]
    assert sorted(core for part in parts for core in part.cores) == [f"core-{n:04}" for n in range(170)]
    assert all(part.size_bytes <= POLICY_BYTES for part in parts)


def test_secrets_that_no_policies_have_room_for_ask_for_names_after_things(
    write_fleet: Callable[[str], Path],
) -> None:
    (line,) = mistakes(write_fleet(many(400) + "aws: {site_stacks: 8}"))
    assert line.startswith(
        "fleet.yaml: aws.camera_secrets: expected names of secrets by the thing that reads them, such as "
        "cameras/{thing}/*: a role has room for 8 policies"
    )
