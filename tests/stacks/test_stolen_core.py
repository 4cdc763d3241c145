"""What a thief of one core reaches, by its certificate, its AWS role and its identity at Google.

The templates of a fleet of five things and a group are made, and what they allow is worked out for each core
towards its own site and each other one. The tables of design/rights.md are written from that:
`make test ARGS="tests/stacks/test_stolen_core.py --snapshot-update"`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from core_statements import provisioned
from fleets import ACCOUNT_SECRET, AUDIENCE, PROJECT, Synthesize, Templates
from google_evaluation import POOL, Provider, may, provider_of_the_guide
from policy_evaluation import ACCOUNT, REGION, Statement, allows, several
from role_statements import role_statements

from stacks.handlers.gcs.bucket_settings import Desired
from stacks.handlers.gcs.writers import bindings_of

DESIGN = PROJECT / "design" / "rights.md"
BEGIN, END = "<!-- made by tests/stacks/test_stolen_core.py -->", "<!-- end -->"
ROLE = "GreengrassV2TokenExchangeRole"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret"
BUCKET = "projects/_/buckets/our-recordings/objects"
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}"
SHADOW = "shadow/name/AWSManagedGreengrassV2Deployment"

SITES = {
    "gate": ["core"],
    "yard": ["core-2"],
    "roof": ["core-22"],
    "dock": ["dock-core"],
    "dock-2": ["dock-core-2"],
    "lobby": ["lobby-core-1", "lobby-core-12"],
}
"""Names of cores: of five things, some beginning like others, and of two cores of a group."""


def certificate_of(core: str) -> str:
    """Stands for the id that AWS IoT gives to the core's certificate."""
    return core.encode().hex().ljust(64, "0")


def session_of(core: str) -> str:
    """Who a core is to AWS."""
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{certificate_of(core)}"


def fleet() -> str:
    """Cameras with passwords, as devices at things, recorded everywhere, states sent to AWS IoT."""
    text = "sites:\n"
    for name, cores in SITES.items():
        target = "thing_group: lobby-cores" if name == "lobby" else f"thing: {cores[0]}\n    devices: true"
        writers = [f"principal://{POOL}/subject/{ROLE}/{certificate_of(core)}" for core in cores]
        text += f"""\
  {name}:
    variant: gcs-uploader
    {target}
    bucket: gs://our-recordings/{name}
    google: {{audience: "{AUDIENCE}"}}
    aws_iot: {{enabled: true}}
    writers: {json.dumps(writers)}
    spool: {{max_bytes: 1000000000}}
    cameras:
      - id: door
        uri: rtsp://192.0.2.1/1
        credentials: {{secret: "{SECRET}:{name}-AbCdEf"}}
        recording: {{enabled: true}}
"""
    return (
        text
        + f"""\
aws: {{token_exchange_role: {ROLE}}}
cores:
  provisioning: {{role_alias: EdgecamCoreRoleAlias, things: {{lobby-cores: ["lobby-core-*"]}}}}
  logs: {{}}
gcp:
  project: our-project
  login: {{audience: "{AUDIENCE}"}}
  bucket: {{name: our-recordings, location: EU}}
  registry: {{name: cameras, region: europe-west1, provider: clearblade, secret: "{ACCOUNT_SECRET}"}}
image: {{delivery: ecr}}
"""
    )


@dataclass(frozen=True)
class Loot:
    """A core in somebody's hands: what its certificate, its role and its identity at Google allow."""

    core: str
    certificate: list[Statement]
    role: list[Statement]
    bindings: list[dict[str, Any]]
    members: set[str]

    def by_certificate(self, action: str, resource: str) -> bool:
        return allows(self.certificate, action, f"{IOT}:{resource}")

    def by_role(self, secret: str) -> bool:
        keys = {"credentials-iot:ThingName": self.core}
        return allows(self.role, "secretsmanager:GetSecretValue", f"{SECRET}:{secret}", keys)

    def at_google(self, permission: str, name: str) -> bool:
        return may(self.bindings, self.members, permission, f"{BUCKET}/{name}")


Reaches = Callable[[Loot, str, str], bool]
"""Whether a core reaches something of a site, by the site's name, of one of the site's cores."""


def iot(action: str, resource: str) -> Reaches:
    return lambda loot, _, core: loot.by_certificate(f"iot:{action}", resource.format(core=core))


def google(permission: str, name: str) -> Reaches:
    return lambda loot, site, _: loot.at_google(permission, name.format(site=site))


WAYS: dict[str, dict[str, Reaches]] = {
    "certificate": {
        "connect as a core, and throw it off": iot("Connect", "client/{core}"),
        "deploy to a core by its shadow": iot("Publish", f"topic/$aws/things/{{core}}/{SHADOW}/update"),
        "the same by HTTPS": iot("UpdateThingShadow", "thing/{core}"),
        "read what is deployed": iot("Subscribe", f"topicfilter/$aws/things/{{core}}/{SHADOW}/get/accepted"),
        "read or end jobs": iot("Publish", "topic/$aws/things/{core}/jobs/J/update"),
        "report a core's health": iot("Publish", "topic/$aws/things/{core}/greengrassv2/health/json"),
        "publish a camera's state": iot("Publish", "topic/edgecam/{core}/door/state"),
    },
    "AWS role": {
        "read a camera's password": lambda loot, site, _: loot.by_role(f"{site}-AbCdEf"),
        "read a device's key": lambda loot, _, core: loot.by_role(f"edgecam/devices/{core}/door/key-AbCdEf"),
    },
    "identity at Google": {
        "add a recording": google("create", "{site}/door/1.mp4"),
        "read a recording": google("get", "{site}/door/1.mp4"),
        "overwrite or delete a recording": google("delete", "{site}/door/1.mp4"),
        "replace the newest picture": google("delete", "{site}/latest/door.jpg"),
        "forge the status": google("delete", "{site}/status/door.json"),
        "list the bucket": lambda loot, _, __: may(
            loot.bindings, loot.members, "list", "projects/_/buckets/our-recordings"
        ),
    },
}


@pytest.fixture(scope="module")
def templates(synthesize: Synthesize) -> Templates:
    return synthesize(fleet())


@pytest.fixture(scope="module")
def provider() -> Provider:
    return provider_of_the_guide(CORES=ROLE, MAKER=f"EdgecamGcsBucket-{REGION}")


@pytest.fixture(scope="module")
def stolen(templates: Templates, provider: Provider) -> list[Loot]:
    """Each core in turn."""
    foundation = templates["EdgecamFoundation"]
    (bucket,) = [
        resource["Properties"]
        for resource in templates["EdgecamGcsUploader"]["Resources"].values()
        if resource["Type"] == "Custom::EdgecamGcsBucket"
    ]
    role, bindings = role_statements(foundation), bindings_of(Desired.of(bucket))
    return [
        Loot(core, provisioned(foundation, core), role, bindings, provider.members(session_of(core)))
        for cores in SITES.values()
        for core in cores
    ]


def reached(stolen: list[Loot], reaches: Reaches) -> tuple[set[bool], set[bool]]:
    """Of a core's own site, and of every other: with several cores, what is its own is what it is itself."""
    own, others = set(), set()
    for loot in stolen:
        for site, cores in SITES.items():
            for core in cores:
                if loot.core == core:
                    own.add(reaches(loot, site, core))
                elif loot.core not in cores:
                    others.add(reaches(loot, site, core))
    return own, others


@pytest.mark.parametrize(("identity", "what"), [(one, what) for one in WAYS for what in WAYS[one]])
def test_core_reaches_nothing_of_another_site(stolen: list[Loot], identity: str, what: str) -> None:
    assert reached(stolen, WAYS[identity][what])[1] == {False}


@pytest.mark.parametrize("what", ["read a camera's password", "connect as a core, and throw it off"])
def test_cores_of_a_group_share_its_passwords_and_are_not_each_other(stolen: list[Loot], what: str) -> None:
    first, second = [loot for loot in stolen if loot.core in SITES["lobby"]]
    reaches = next(ways[what] for ways in WAYS.values() if what in ways)
    assert reaches(first, "lobby", second.core) is (what == "read a camera's password")


SHARED = {
    "greengrass:GetComponentVersionArtifact, greengrass:ResolveComponentCandidates": (
        "which components the account has registered, and public ones"
    ),
    "greengrass:GetDeploymentConfiguration": "a deployment's document by its random id; no passwords in it",
    "greengrass:ListThingGroupsForCoreDevice": "names of the thing groups of a core",
    "iot:AssumeRoleWithCertificate": "the role of all cores, in its own name only",
    "s3:GetBucketLocation, s3:GetObject": "images, and a site's settings by their hash; no passwords in them",
    "ecr:GetAuthorizationToken": "a login to the account's registry, without a right by itself",
    "ecr:BatchGetImage, ecr:GetDownloadUrlForLayer": "the images in edgecam's repository",
    "logs:CreateLogStream, logs:DescribeLogStreams, logs:PutLogEvents": (
        "the log groups of the cores: adds lines, in any core's name, and reads none"
    ),
}
"""What is the same for all cores: by actions, and in words."""


def shared(stolen: list[Loot]) -> Iterator[str]:
    """Actions of each statement that is not bound to the thing, by its resources or a condition."""
    loot = stolen[0]
    bound = re.compile(rf"[/:]{loot.core}(#\*)?(/|$)|\$\{{credentials-iot:ThingName\}}")
    for statement in [*loot.certificate, *loot.role]:
        named = [resource for resource in several(statement["Resource"]) if bound.search(resource)]
        if len(named) < len(several(statement["Resource"])) and "Condition" not in statement:
            yield from several(statement["Action"])


def test_what_is_the_same_for_all_cores_is_known(stolen: list[Loot]) -> None:
    known = {action for actions in SHARED for action in actions.split(", ")}
    assert set(shared(stolen)) == known


def test_core_and_function_are_let_in_at_google(provider: Provider) -> None:
    assert f"principal://{POOL}/subject/{ROLE}/{certificate_of('core')}" in provider.members(
        session_of("core")
    )
    maker = f"arn:aws:sts::{ACCOUNT}:assumed-role/EdgecamGcsBucket-{REGION}/made"
    assert f"principalSet://{POOL}/attribute.role/EdgecamGcsBucket-{REGION}" in provider.members(maker)


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:sts::{ACCOUNT}:assumed-role/Admin/core",
        f"arn:aws:iam::{ACCOUNT}:user/assumed-role/{ROLE}/{certificate_of('core')}",
        f"arn:aws:iam::{ACCOUNT}:user/arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/{certificate_of('core')}",
        f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        f"arn:aws:sts::999999999999:assumed-role/{ROLE}/{certificate_of('core')}",
        f"arn:aws:sts::{ACCOUNT}:federated-user/assumed-role/{ROLE}/x",
    ],
)
def test_who_imitates_the_role_is_not_let_in_at_google(provider: Provider, arn: str) -> None:
    assert provider.members(arn) == set()


def test_tables_of_the_design_are_made_of_the_templates(
    stolen: list[Loot], request: pytest.FixtureRequest
) -> None:
    before, rest = DESIGN.read_text().split(BEGIN)
    after = rest.split(END)[1]
    wanted = f"{before}{BEGIN}\n{tables(stolen)}{END}{after}"
    if request.config.option.update_snapshots:
        DESIGN.write_text(wanted)
    assert DESIGN.read_text() == wanted


def tables(stolen: list[Loot]) -> str:
    """Both tables, in Markdown."""
    lines = ["| by its | a thief may | of its own site | of any other |", "| --- | --- | --- | --- |"]
    for identity, ways in WAYS.items():
        for what, reaches in ways.items():
            own, others = (_word(found) for found in reached(stolen, reaches))
            lines.append(f"| {identity} | {what} | {own} | {others} |")
    lines += ["", "| whichever core it is, a thief reaches | by |", "| --- | --- |"]
    lines += [f"| {what} | `{actions}` |" for actions, what in SHARED.items()]
    return "\n".join(["", *lines, "", ""])


def _word(found: set[bool]) -> str:
    return {frozenset({True}): "yes", frozenset({False}): "no"}.get(frozenset(found), "some")
