"""Nucleus Lite's core, with real deployments through the embedded AWS."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

SERVE = "echo started $VALUE; trap 'echo asked to stop; exit 0' TERM; exec 2>&-; while :; do sleep 0.1; done"
EXCHANGE = "aws.greengrass.TokenExchangeService"
ENDED = ("SUCCEEDED", "FAILED")
Until = Callable[..., Any]


def wanted(version: str, merge: dict[str, Any] | None = None, **update: Any) -> dict[str, Any]:
    """The part of a deployment that asks for one component."""
    if merge is not None:
        update["merge"] = json.dumps(merge)
    return {"componentVersion": version, **({"configurationUpdate": update} if update else {})}


def configured(value: Any, script: str = SERVE) -> dict[str, Any]:
    """Lifecycle step and defaults of a component that prints its configuration."""
    return {
        "run": {"Script": script, "Setenv": {"VALUE": "{configuration:/value}"}},
        "ComponentConfiguration": {"DefaultConfiguration": {"value": value}},
    }


def depends(kind: str) -> dict[str, Any]:
    """A dependency on the token exchange service."""
    return {"ComponentDependencies": {EXCHANGE: {"VersionRequirement": ">=0.0.0", "DependencyType": kind}}}


@pytest.fixture(params=["lite-2.6.0", "lite-newest"])
def lite(core_as: Callable[..., Any], request: pytest.FixtureRequest) -> Any:
    """A core with each release of Lite."""
    return core_as(None, nucleus=request.param)


@pytest.fixture
def release(core_as: Callable[..., Any]) -> Any:
    """A core with Lite 2.6.0, for what is the same in the newest source."""
    return core_as(None, nucleus="lite-2.6.0")


def status(core: Any, deployment_id: str) -> str:
    return str(core.finished(deployment_id)["coreDeviceExecutionStatus"])


def lines(core: Any, name: str) -> list[str]:
    return list(core.output(name).splitlines())


def test_component_is_installed_and_run_each_with_a_log_of_its_own(lite: Any, component_name: str) -> None:
    lite.register(component_name, "1.0.0", SERVE, install="echo install")
    assert status(lite, lite.deploy({component_name: wanted("1.0.0")})) == "SUCCEEDED"
    assert lines(lite, f"{component_name}.install") == ["install"]
    assert lines(lite, component_name) == ["started"]
    assert lite.states() == {component_name: "RUNNING"}


def test_deployment_to_a_thing_stays_queued_and_one_to_its_group_comes(
    release: Any, component_name: str
) -> None:
    release.register(component_name, "1.0.0", SERVE)
    to_thing = release.deploy({component_name: wanted("1.0.0")}, targetArn=release.thing_arn)
    # Jobs are taken in their order: what came before this one would have been begun.
    assert status(release, release.deploy({component_name: wanted("1.0.0")})) == "SUCCEEDED"
    assert release.execution(to_thing)["coreDeviceExecutionStatus"] == "QUEUED"


def test_new_configuration_restarts_the_component_and_so_does_an_unchanged_one(
    release: Any, component_name: str
) -> None:
    release.register(component_name, "1.0.0", **configured("first"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    release.finished(release.deploy({component_name: wanted("1.0.0", {"value": "second"})}))
    release.finished(release.deploy({component_name: wanted("1.0.0", {"value": "second"})}))
    assert lines(release, component_name) == [
        "started first",
        "asked to stop",
        "started second",
        "asked to stop",
        "started second",
    ]


def test_component_that_is_left_out_is_stopped_and_its_configuration_is_gone(
    release: Any, component_name: str
) -> None:
    release.register(component_name, "1.0.0", **configured("default"))
    release.finished(release.deploy({component_name: wanted("1.0.0", {"value": "deployed"})}))
    release.finished(release.deploy({}))
    assert release.states() == {}
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    assert lines(release, component_name) == ["started deployed", "asked to stop", "started default"]


def test_configuration_that_is_refused_leaves_the_defaults_for_the_next_start(
    release: Any, component_name: str, until: Until
) -> None:
    release.register(component_name, "1.0.0", **configured("default"))
    release.finished(release.deploy({component_name: wanted("1.0.0", {"value": "deployed"})}))
    refused = wanted("1.0.0", {"value": "x" * 1_100}, reset=[""])
    execution = release.finished(release.deploy({component_name: refused}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "reason" not in execution
    assert lines(release, component_name) == ["started deployed"]
    assert "Json encode failed for key /value: 1102 bytes, at most 1024" in release.process.log.read_text()
    release.reboot()
    until(lambda: len(lines(release, component_name)) > 2, "the component is started again")
    assert lines(release, component_name)[1:] == ["asked to stop", "started default"]


def test_version_whose_run_fails_leaves_nothing_running(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0", **configured("former"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    release.register(component_name, "2.0.0", "echo cannot go on; exit 3")
    execution = release.finished(release.deploy({component_name: wanted("2.0.0")}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "reason" not in execution
    assert lines(release, component_name) == [
        "started former",
        "asked to stop",
        *["cannot go on"] * 3,
    ]
    assert release.states() == {component_name: "BROKEN"}
    assert "Start request repeated too quickly" in release.process.log.read_text()


def test_version_whose_install_fails_runs_on_and_is_gone_after_a_reboot(
    release: Any, component_name: str
) -> None:
    release.register(component_name, "1.0.0", SERVE)
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    release.register(component_name, "2.0.0", SERVE, install="exit 3")
    assert status(release, release.deploy({component_name: wanted("2.0.0")})) == "FAILED"
    assert lines(release, component_name) == ["started"]
    assert release.states() == {component_name: "RUNNING"}
    release.reboot()
    # The next deployment shows that the core is up, and had nothing to start.
    release.finished(release.deploy({}))
    assert lines(release, component_name) == ["started", "asked to stop"]


def test_install_that_takes_longer_than_lite_waits_fails_whatever_its_timeout_is(
    core_as: Callable[..., Any], component_name: str
) -> None:
    core = core_as(None, nucleus="lite-2.6.0", install_limit_s=1.0)
    core.register(component_name, "1.0.0", SERVE, install={"Script": "sleep 60", "Timeout": 1200})
    assert status(core, core.deploy({component_name: wanted("1.0.0")})) == "FAILED"
    assert "not within 1 s" in core.process.log.read_text()


@pytest.mark.parametrize("nucleus", ["classic", "lite-2.6.0"])
def test_what_is_deployed_runs_again_after_a_reboot_without_another_deployment(
    core_as: Callable[..., Any], component_name: str, nucleus: str, until: Until
) -> None:
    core = core_as(None, nucleus=nucleus)
    core.register(component_name, "1.0.0", **configured("default"))
    deployment = core.deploy({component_name: wanted("1.0.0", {"value": "deployed"})})
    before = core.finished(deployment)
    core.reboot()
    until(lambda: len(lines(core, component_name)) > 2, "the component is started again")
    assert lines(core, component_name) == ["started deployed", "asked to stop", "started deployed"]
    until(lambda: core.states() == {component_name: "RUNNING"}, "the core reports it")
    assert core.execution(deployment)["modifiedTimestamp"] == before["modifiedTimestamp"]


def ask(address: str) -> int:
    """The status of the token exchange's answer; `address` is its URL, a blank and the token."""
    url, token = address.split()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Authorization": token}), timeout=5
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def shows_exchange(kind: str) -> dict[str, Any]:
    """A component that prints where it gets credentials."""
    shown = "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN"
    return {"run": f"{shown}; {SERVE}", **depends(kind)}


def test_death_of_the_token_exchange_stops_what_is_bound_to_it_until_a_reboot(
    release: Any, component_name: str, until: Until
) -> None:
    release.register(component_name, "1.0.0", **shows_exchange("HARD"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    release.command("kill-token-exchange")
    until(lambda: "asked to stop" in release.output(component_name), "the component is stopped")
    until(lambda: release.states() == {component_name: "FINISHED"}, "the core reports it")
    release.reboot()
    until(lambda: len(lines(release, component_name)) == 5, "the component is started again")


def test_death_of_the_token_exchange_leaves_what_depends_softly_with_a_dead_port(
    release: Any, component_name: str, until: Until
) -> None:
    release.register(component_name, "1.0.0", **shows_exchange("SOFT"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    address = lines(release, component_name)[0]
    assert ask(address) == 200
    release.command("kill-token-exchange")
    with pytest.raises(urllib.error.URLError):
        ask(address)
    until(lambda: release.process.log.read_text().count("started on port") == 2, "it is started again")
    with pytest.raises(urllib.error.URLError):
        ask(address)
    assert "asked to stop" not in release.output(component_name)


def test_death_of_the_ipc_daemon_makes_every_token_unknown(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0", **shows_exchange("SOFT"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    address = lines(release, component_name)[0]
    assert ask(address) == 200
    release.command("kill-ggipcd")
    assert ask(address) == 404
    release.finished(release.deploy({component_name: wanted("1.0.0", {})}))
    assert ask(lines(release, component_name)[-2]) == 200


def test_token_of_another_length_is_a_bad_request(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0", **shows_exchange("SOFT"))
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    url = lines(release, component_name)[0].split()[0]
    assert ask(f"{url} short") == 400
    assert ask(f"{url} 0123456789abcdef") == 404


PUBLISH = """
import os, sys
from edgecam.greengrass_ipc import Nucleus, address
try:
    with Nucleus(*address(os.environ)) as nucleus:
        nucleus.update_state("RUNNING")
        print("known")
except Exception as error:
    print("unknown", type(error).__name__)
"""


def test_ipc_after_the_daemons_death_is_there_and_knows_nobody(
    release: Any, component_name: str, tmp_path: Any, until: Until
) -> None:
    program = tmp_path / "publish.py"
    program.write_text(PUBLISH)
    publish = f"{sys.executable} {program}"
    release.register(
        component_name,
        "1.0.0",
        f"{publish}; touch asked; while test ! -e again; do sleep 0.1; done; {publish}; {SERVE}",
    )
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    work = release.root / "work" / component_name
    until((work / "asked").exists, "the component has asked once")
    release.command("kill-ggipcd")
    (work / "again").touch()
    until(lambda: "started" in release.output(component_name), "the component has asked twice")
    said = [line.split()[0] for line in lines(release, component_name)]
    assert [word for word in said if word in ("known", "unknown")] == ["known", "unknown"]
    assert "Requested svcuid not registered" in release.process.log.read_text()


def document_of(size: int) -> dict[str, Any]:
    """What is merged, in values that are small enough each."""
    return {f"key{number:02}": "x" * 900 for number in range(size // 900)}


def test_document_is_taken_refused_or_never_read_by_its_size(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0", SERVE)
    small = release.deploy({component_name: wanted("1.0.0", document_of(2_700))})
    assert status(release, small) == "SUCCEEDED"
    large = release.deploy({component_name: wanted("1.0.0", document_of(3_600))})
    assert status(release, large) == "FAILED"
    unread = release.deploy({component_name: wanted("1.0.0", document_of(4_500))})
    other = release.grouped(f"second-{release.thing}")
    # A job of another group is done meanwhile.
    assert status(release, release.deploy({}, targetArn=other)) == "SUCCEEDED"
    assert release.execution(unread)["coreDeviceExecutionStatus"] == "QUEUED"


def test_recipe_that_is_too_large_fails_the_deployment(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0", f"{SERVE}\n# {'x' * 8_000}")
    assert status(release, release.deploy({component_name: wanted("1.0.0")})) == "FAILED"
    assert "at most 8196" in release.process.log.read_text()


def test_version_with_a_prerelease_fails_the_deployment(release: Any, component_name: str) -> None:
    release.register(component_name, "1.0.0-3f2a91c04b7e", SERVE)
    assert status(release, release.deploy({component_name: wanted("1.0.0-3f2a91c04b7e")})) == "FAILED"


def test_component_of_aws_that_lite_has_not_fails_the_deployment(release: Any) -> None:
    deployment = release.deploy({"aws.greengrass.SecretManager": wanted("2.1.0", {"a": 1})})
    assert status(release, deployment) == "FAILED"


def test_end_that_was_asked_for_by_a_signal_starts_nothing_again(
    release: Any, component_name: str, until: Until
) -> None:
    release.register(component_name, "1.0.0", "echo started; sleep 1; kill -TERM $$; sleep 5")
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    until(lambda: release.states() == {component_name: "FINISHED"}, "the component has ended")
    assert lines(release, component_name) == ["started"]


def test_third_end_within_an_hour_is_the_last_whatever_came_between(
    release: Any, component_name: str, until: Until
) -> None:
    release.register(component_name, "1.0.0", "echo started; sleep 1.5; exit 1")
    release.finished(release.deploy({component_name: wanted("1.0.0")}))
    until(lambda: release.states() == {component_name: "BROKEN"}, "the component is given up")
    assert lines(release, component_name) == ["started"] * 3


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_sh_of_the_scripts_and_of_what_they_call_is_the_cores(
    core_as: Callable[..., Any], component_name: str, shell: str
) -> None:
    core = core_as(None, nucleus="lite-2.6.0", shell=shell)

    core.register(component_name, "1.0.1", f"echo $BASH_VERSION; sh -c 'echo $BASH_VERSION'; {SERVE}")
    core.finished(core.deploy({component_name: wanted("1.0.1")}))
    own, called, *_ = lines(core, component_name)
    assert (bool(own), bool(called)) == (shell == "bash", shell == "bash")
