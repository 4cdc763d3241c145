# ruff: noqa: E501 - tables stand as a user reads them
"""`edgecam-fleet`: what a fleet says, and what a deploy would change, as a user reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fleets import DEVICE_SITES, DEVICES, PROJECT

from bench.many_sites import write_fleet as write_many
from fleet.command.__main__ import main
from fleet.command.changes import SiteChange, changes_between, shown_value
from fleet.command.site_states import SiteState, States, states_of
from fleet.command.tables import changes_table
from fleet.command.templates import Tree, synthesized

PARTS = ("app.py", "cdk.json", "pyproject.toml", "uv.lock", "fleet", "stacks", "recipes", "container")
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"

OLD = f"""
sites:
  lobby:
    thing_group: lobby-cores
    cameras:
      - {{id: entrance, uri: "rtsp://192.0.2.10/1", frames: {{max_fps: 2}}}}
      - {{id: lift, uri: "rtsp://192.0.2.11/1"}}
    rollout: {{per_minute: 50}}
    components: {{aws.greengrass.Cli: 2.13.0}}
  gate:
    thing: gate-core
    nucleus: lite
    cameras: [{{id: gate, uri: "rtsp://192.0.2.20/1", credentials: {{secret: "{ARN}gate-AbCdEf"}}}}]
  yard: {{thing: yard-core, cameras: [{{id: a, uri: "test://"}}]}}
  same: {{thing: same-core, cameras: [{{id: a, uri: "test://"}}]}}
"""
NEW = (
    OLD.replace("max_fps: 2", "max_fps: 5, width: 640")
    .replace('      - {id: lift, uri: "rtsp://192.0.2.11/1"}\n', "")
    .replace("per_minute: 50", "per_minute: 100")
    .replace("2.13.0", "2.14.0")
    .replace("gate-AbCdEf", "north-gate-AbCdEf")
    .replace("yard: {thing: yard-core", "annex: {thing: annex-core")
)
TABLE = """\
SITE   TARGET                             VARIANT        WHAT CHANGES
annex  thing/annex-core                   frame-grabber  new: frame-grabber VERSION, cameras 1
gate   thinggroup/edgecam-core-gate-core  frame-grabber  cameras.gate.credentials.secret: secret gate → secret north-gate
lobby  thinggroup/lobby-cores             frame-grabber  cameras.lift: rtsp://192.0.2.11/1 (taken out)
                                                         cameras.entrance.frames.max_fps: 2 → 5
                                                         cameras.entrance.frames.width: 640 (new)
                                                         components.aws.greengrass.Cli.version: 2.13.0 → 2.14.0
                                                         rollout.JobExecutionsRolloutConfig.MaximumPerMinute: 50 → 100
yard   thing/yard-core                    frame-grabber  removed: its deployment is deleted, its cores keep what they have

4 sites: 1 new, 2 changed, 1 removed
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process: its exit code and what it wrote."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, States]:
    """The sites of OLD and NEW, as their templates say."""
    folder = tmp_path_factory.mktemp("states")
    texts = {"old": OLD, "new": NEW}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return dict(zip(texts, synthesized(*(Tree(folder / f"{name}.yaml") for name in texts)), strict=True))


def without_versions(text: str) -> str:
    return re.sub(r"1\.\d{1,6}\.\d{1,6}", "VERSION", text)


def test_check_counts_what_is_there(run: Run, tmp_path: Path) -> None:
    fleet = write_many(tmp_path, 2000, site_stacks=32)
    assert run("check", "--fleet", fleet) == (
        0,
        "fleet.yaml: no mistakes (2,000 sites, 8,000 cameras, 21 files)\n",
        "",
    )
    assert json.loads(run("check", "--json", "--fleet", fleet)[1]) == {
        "sites": 2000,
        "cameras": 8000,
        "files": 21,
    }


def test_check_tells_mistakes_and_ends_with_1(run: Run, tmp_path: Path) -> None:
    fleet = write_many(tmp_path, 20)
    fleet.write_text(fleet.read_text().replace("memory: 512m", "memory: 512"))
    assert run("check", "--fleet", fleet) == (
        1,
        "",
        'fleet.yaml: templates.shop.docker.memory: expected a text such as "512m" or "1g", found 512, '
        "for sites shop-0000, shop-0001, shop-0002 and 17 more\n",
    )


def test_two_thousand_sites_with_a_mistake_each_are_reported_in_their_files(run: Run, tmp_path: Path) -> None:
    fleet = write_many(tmp_path, 2000, site_stacks=32)
    for path in (tmp_path / "sites").iterdir():
        path.write_text(path.read_text().replace("template: shop,", "template: shop, nucleus: tiny,"))
    code, _, errors = run("check", "--fleet", fleet)
    assert (code, len(errors.splitlines())) == (1, 2000)
    assert errors.startswith(
        "sites/district-00.yaml: sites.shop-0000.nucleus: expected 'classic' or 'lite', found \"tiny\"\n"
    )


def test_list_is_a_table_of_all_sites(run: Run, tmp_path: Path) -> None:
    fleet = write_many(tmp_path, 2, site_stacks=32)
    with fleet.open("a") as file:
        file.write('sites: {hq: {thing_group: hq, stack: main, cameras: [{id: a, uri: "test://"}]}}\n')
    code, text, errors = run("list", "--fleet", fleet)
    assert (code, errors) == (0, "")
    assert text == (
        "SITE       TARGET                                  VARIANT        NUCLEUS  CAMERAS  TEMPLATE  STACK  FILE\n"
        "hq         thinggroup/hq                           frame-grabber  lite     1                  main   fleet.yaml\n"
        "shop-0000  thinggroup/edgecam-core-shop-0000-core  frame-grabber  lite     4        shop      05     "
        "sites/district-00.yaml\n"
        "shop-0001  thinggroup/edgecam-core-shop-0001-core  frame-grabber  lite     4        shop      27     "
        "sites/district-01.yaml\n"
    )
    first, *_ = json.loads(run("list", "--json", "--fleet", fleet)[1])
    assert first == {
        "site": "hq",
        "target": "thinggroup/hq",
        "variant": "frame-grabber",
        "nucleus": "lite",
        "cameras": 1,
        "template": "",
        "stack": "main",
        "file": "fleet.yaml",
    }


def test_diff_of_two_files_shows_each_site_that_gets_something_else(run: Run, tmp_path: Path) -> None:
    for name, text in (("old.yaml", OLD), ("new.yaml", NEW)):
        (tmp_path / name).write_text(text)
    code, text, errors = run("diff", "--fleet", tmp_path / "new.yaml", "--file", tmp_path / "old.yaml")
    assert (code, without_versions(text), errors) == (0, TABLE, "")


def test_diff_for_programs_has_paths_old_and_new(states: dict[str, States]) -> None:
    found = {change.site: change for change in changes_between(states["old"], states["new"])}
    assert {name: change.kind for name, change in found.items()} == {
        "annex": "new",
        "gate": "changed",
        "lobby": "changed",
        "yard": "removed",
    }
    paths = {change.path: (change.old, change.new) for change in found["lobby"].changes}
    assert paths["cameras.entrance.frames.max_fps"] == ("2", "5")
    assert paths["cameras.lift"] == ("rtsp://192.0.2.11/1", None)


def test_unchanged_fleet_changes_no_site(states: dict[str, States]) -> None:
    assert (
        changes_table(changes_between(states["old"], states["old"]), every_site=False) == "no site changes\n"
    )


def test_mistake_in_the_other_file_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.yaml").write_text(NEW)
    (tmp_path / "old.yaml").write_text(OLD.replace("nucleus: lite", "nucleus: tiny"))
    code, text, errors = run("diff", "--fleet", tmp_path / "new.yaml", "--file", tmp_path / "old.yaml")
    assert (code, text) == (1, "")
    assert errors == "old.yaml: sites.gate.nucleus: expected 'classic' or 'lite', found \"tiny\"\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The project under git, its fleet committed as OLD."""
    folder = tmp_path / "clone"
    for part in PARTS:
        if (PROJECT / part).is_dir():
            shutil.copytree(
                PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "build")
            )
        else:
            folder.mkdir(exist_ok=True)
            shutil.copy2(PROJECT / part, folder / part)
    (folder / "fleet.yaml").write_text(OLD)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.com"]
        subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)
    return folder


def in_clone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of the project in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "fleet.command", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{folder / 'container'}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_diff_with_a_revision_shows_settings_and_the_new_version_of_a_changed_program(
    repository: Path,
) -> None:
    (repository / "fleet.yaml").write_text(NEW)
    recipe = repository / "recipes" / "frame-grabber.yaml"
    recipe.write_text(recipe.read_text() + "\n")
    done = in_clone(repository, "diff", "--git", "HEAD")
    assert (done.returncode, done.stderr, without_versions(done.stdout)) == (0, "", TABLE)
    page = repository / "container" / "edgecam" / "web" / "index.html"
    page.write_text(page.read_text() + "\n")
    changed = in_clone(repository, "diff", "--git", "HEAD")
    versions = re.findall(r"^same .* frame-grabber: (\S+) → (\S+)$", changed.stdout, re.MULTILINE)
    ((old, new),) = versions
    assert old != new


def test_revision_that_is_none_is_reported(run: Run) -> None:
    code, _, errors = run("diff", "--git", "no-such-branch")
    assert (code, errors) == (1, f"revision no-such-branch: expected a commit of {PROJECT}, found none\n")


def test_file_outside_of_any_repository_has_no_revisions(run: Run, tmp_path: Path) -> None:
    fleet = write_many(tmp_path, 2)
    code, _, errors = run("diff", "--fleet", fleet, "--git", "HEAD")
    assert code == 1
    assert errors.startswith("git rev-parse: fatal: not a git repository")


@pytest.fixture
def cloud(aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """CloudFormation of an embedded AWS, which the environment's credentials lead to."""
    client = aws("cloudformation")
    credentials = client._request_signer._credentials
    for name, value in (
        ("AWS_ENDPOINT_URL", client.meta.endpoint_url),
        ("AWS_ACCESS_KEY_ID", credentials.access_key),
        ("AWS_SECRET_ACCESS_KEY", credentials.secret_key),
        ("AWS_DEFAULT_REGION", client.meta.region_name),
    ):
        monkeypatch.setenv(name, value)
    yield client
    for stack in client.list_stacks()["StackSummaries"]:
        client.delete_stack(StackName=stack["StackName"])


def test_diff_with_what_is_deployed_needs_no_more_than_reading_its_templates(
    run: Run, cloud: Any, tmp_path: Path
) -> None:
    for name, text in (("old.yaml", OLD), ("new.yaml", NEW)):
        (tmp_path / name).write_text(text)
    (tmp_path / "other.yaml").write_text(OLD.replace("  same: {", "  same: {stack: north, "))
    deploy(cloud, tmp_path / "other.yaml")
    code, text, errors = run("diff", "--fleet", tmp_path / "new.yaml")
    assert (code, errors) == (0, "")
    stacks = "EdgecamFrameGrabber-Sites-north → EdgecamFrameGrabber"
    moved = f"same   thing/same-core                    frame-grabber  stack: {stacks}"
    expected = (
        TABLE.replace("yard   ", f"{moved}\nyard   ").replace("4 sites", "5 sites").replace("2 ch", "3 ch")
    )
    assert without_versions(text) == expected


def test_diff_with_another_fleet_is_refused_where_the_foundation_keeps_no_identity_yet(
    run: Run, cloud: Any, tmp_path: Path
) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    deploy(cloud, tmp_path / "old.yaml")
    other = tmp_path / "other.yaml"
    other.write_text('sites: {same: {thing: anothers-core, cameras: [{id: a, uri: "test://"}]}}')
    code, text, errors = run("diff", "--fleet", other)
    assert (code, text) == (1, "")
    assert "the deployed stacks of these names are those of another fleet" in errors
    assert "expected one of its targets, thinggroup/lobby-cores, thing/" in errors
    assert "found thing/anothers-core." in errors


def deploy(cloud: Any, fleet: Path) -> None:
    """The deployments of a fleet's stacks and their groups, without what they depend on."""
    out = fleet.parent / "out"
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=PROJECT,
        env={
            **os.environ,
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({"fleet": str(fleet)}),
            "CDK_VALIDATION": "false",
        },
        check=True,
    )
    for path in sorted(out.glob("*.template.json")):  # the foundation comes first
        resources = {
            name: {**resource, "DependsOn": []}
            for name, resource in json.loads(path.read_text())["Resources"].items()
            if resource["Type"] in ("AWS::GreengrassV2::Deployment", "AWS::IoT::ThingGroup")
        }
        if resources:
            cloud.create_stack(
                StackName=path.name.removesuffix(".template.json"),
                TemplateBody=json.dumps({"Resources": resources}),
            )


@pytest.mark.parametrize(
    ("region", "found"),
    [("eu-central-1", "Unable to locate credentials"), (None, "You must specify a region.")],
)
def test_missing_credentials_are_reported_with_the_ways_that_need_none(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, region: str | None, found: str
) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    if region is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    code, _, errors = run("diff")
    assert (code, errors) == (
        1,
        "the deployed stacks: expected credentials that may read them and a Region (AWS_PROFILE, "
        f"AWS_DEFAULT_REGION), found: {found} (--git REVISION and --file FLEET compare without AWS)\n",
    )


LOBBY = {
    "DeploymentName": "edgecam lobby",
    "TargetArn": "arn:aws:iot:eu-central-1:123456789012:thinggroup/lobby-cores",
    "Components": {"com.edgecam.frame-grabber": {"ComponentVersion": "1.0.0"}},
}
GROUP = {"ThingGroupName": "lobby-cores"}


def state(name: str, **settings: Any) -> SiteState:
    return SiteState(name, f"thing/{name}", "frame-grabber", "1.0.0", "S", "", False, frozenset(), settings)


def test_same_change_at_many_sites_is_reported_once_unless_all_are_asked_for() -> None:
    names = [f"shop-{number}" for number in range(8)]
    changes = changes_between(
        {name: state(name, a=1) for name in names}, {name: state(name, a=2) for name in names}
    )
    text = changes_table(changes, every_site=False)
    assert text.splitlines()[1:] == [
        "shop-0      thing/shop-0  frame-grabber  a: 1 → 2",
        "and 7 more                               the same",
        "",
        "8 sites: 8 changed",
    ]
    assert changes_table(changes, every_site=True).count("a: 1 → 2") == 8


def test_new_and_removed_sites_are_always_reported_one_by_one() -> None:
    many = {f"shop-{number}": state(f"shop-{number}") for number in range(8)}
    for before, after in (({}, many), (many, {})):
        text = changes_table(changes_between(before, after), every_site=False)
        assert all(re.search(rf"^{name} ", text, re.MULTILINE) for name in many)


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("cameras.a.credentials.secret", f"{ARN}cameras/a-AbCdEf", "secret cameras/a"),
        ("cameras.a.credentials.password_file", "/etc/cameras/a", "/etc/cameras/a"),
        ("components.org.example.X.merge.password", "hunter2", "***"),
        ("components.org.example.X.merge.api_token", ["hunter2"], "***"),
        ("components.org.example.X.merge.url", "https://root:hunter2@h/", "https://***@h/"),
        ("command", ["--url=rtsp://root:hunter2@h/"], '["--url=rtsp://***@h/"]'),
        ("cameras.a.frames.max_fps", 0.5, "0.5"),
        ("docker.root", True, "true"),
        ("cameras.a.uri", "rtsp://h/" + "x" * 99, "rtsp://h/" + "x" * 51 + "…"),
    ],
)
def test_values_are_shown_short_and_secrets_by_name_only(path: str, value: Any, shown: str) -> None:
    assert shown_value(path, value) == shown


def test_changed_value_that_is_not_shown_is_reported_as_another_one() -> None:
    before, after = ({"a": state("a", password=value)} for value in ("hunter2", "hunter3"))
    (change,) = changes_between(before, after)
    assert isinstance(change, SiteChange)
    assert str(change.changes[0]) == "password: *** → ***, another one"


def test_thing_group_that_would_be_made_again_is_reported_before_its_cores_are_lost() -> None:
    before, after = (
        states_of(
            [
                ("S", {"Resources": {"D": {"Type": "AWS::GreengrassV2::Deployment", "Properties": LOBBY}}}),
                (stack, {"Resources": {"G": {"Type": "AWS::IoT::ThingGroup", "Properties": GROUP}}}),
            ]
        )
        for stack in ("EdgecamFoundation", "EdgecamFoundation-Groups-03")
    )
    ((change,),) = [found.changes for found in changes_between(before, after)]
    assert str(change) == (
        "thing group, whose cores have to join again: made in EdgecamFoundation → made in EdgecamFoundation-Groups-03"
    )


def test_removed_site_whose_components_leave_its_cores_is_reported_so() -> None:
    removal = {"Type": "Custom::EdgecamRemoval", "Properties": {"Site": "lobby"}}
    deployment = {"Type": "AWS::GreengrassV2::Deployment", "Properties": LOBBY}
    for resources, expected in (
        ({"D": deployment, "R": removal}, "its components leave its cores"),
        ({"D": deployment}, "its cores keep what they have"),
    ):
        before = states_of([("S", {"Resources": resources})])
        text = changes_table(changes_between(before, {}), every_site=False)
        assert f"removed: its deployment is deleted, {expected}\n" in text


def test_moved_site_whose_cores_are_emptied_in_between_is_reported_so() -> None:
    removal = {"Type": "Custom::EdgecamRemoval", "Properties": {"Site": "lobby"}}
    deployment = {"Type": "AWS::GreengrassV2::Deployment", "Properties": LOBBY}
    for resources, warned in (({"D": deployment, "R": removal}, True), ({"D": deployment}, False)):
        before, after = (states_of([(stack, {"Resources": resources})]) for stack in ("S", "S-Sites-07"))
        text = changes_table(changes_between(before, after), every_site=False)
        assert "stack: S → S-Sites-07" in text
        assert ("remove_on_destroy: its cores lose their components → and get them again" in text) is warned


IDS = "    device_ids: {bell: front-bell}\n"
GATE = '      - {id: gate, uri: "rtsp://192.0.2.20/1"}\n'


def test_devices_that_are_made_and_removed_are_counted(tmp_path: Path) -> None:
    for name, text in (
        ("none", DEVICE_SITES.replace("    devices: true\n", "").replace(IDS, "")),
        ("made", DEVICES),
        ("fewer", DEVICES.replace("front-bell", "back-bell").replace(GATE, "")),
        ("moved", DEVICES.replace("  gate:\n", "  gate:\n    stack: north\n")),
        ("gone", DEVICE_SITES.partition("  gate:")[0]),
    ):
        (tmp_path / f"{name}.yaml").write_text(text)
    names = ("none", "made", "fewer", "moved", "gone")
    found = dict(zip(names, synthesized(*(Tree(tmp_path / f"{name}.yaml") for name in names)), strict=True))

    def changes(before: str, after: str) -> list[str]:
        text = changes_table(changes_between(found[before], found[after]), every_site=False)
        return [line for line in text.splitlines() if re.search(r"devices(?!/)", line)]

    assert [line.split("devices: ")[1] for line in changes("none", "made")] == ["2 (new)"]
    assert [line.split("devices: ")[1] for line in changes("made", "fewer")] == ["2 (taken out)", "1 (new)"]
    assert [line.split("devices: ")[1] for line in changes("made", "moved")] == [
        "made in EdgecamCloudIot → made in EdgecamCloudIot-Sites-north"
    ]
    assert "cores keep what they have, 2 devices with their keys go" in changes("made", "gone")[0]
    assert "cameras 2, devices 2" in changes("gone", "made")[0]
