"""The core, with real deployments through the embedded AWS."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from sandbox.aws.topics import Topics

# The shell would report its sleep, which is terminated with it.
SERVE = "echo started $VALUE; trap 'echo asked to stop; exit 0' TERM; exec 2>&-; while :; do sleep 0.1; done"
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


def test_component_is_installed_and_run_and_the_deployment_succeeds(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", SERVE, install="echo installed > installed; echo install")
    execution = core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED", execution
    assert core.output(component_name).splitlines() == ["install", "started"]
    assert (core.root / "work" / component_name / "installed").read_text() == "installed\n"
    device = core.greengrass.get_core_device(coreDeviceThingName=core.thing)
    assert (device["status"], device["platform"]) == ("HEALTHY", "linux")
    installed = core.greengrass.list_installed_components(coreDeviceThingName=core.thing)
    states = {entry["componentName"]: entry["lifecycleState"] for entry in installed["installedComponents"]}
    assert states == {component_name: "RUNNING"}


def test_environment_is_that_of_a_component_and_not_that_of_the_core(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", f"env; {SERVE}")
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    environment = dict(line.split("=", 1) for line in core.output(component_name).splitlines() if "=" in line)
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_IOT_THING_NAME"] == core.thing
    assert environment["AWS_ENDPOINT_URL"] == core.aws.url
    assert environment["SVCUID"] == environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        assert name not in environment


def test_dependency_on_token_exchange_gives_its_address(core: Any, component_name: str) -> None:
    ask = 'python3 -c "import os, urllib.request as u; print(u.urlopen(u.Request('
    ask += "os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], headers=dict(Authorization="
    ask += "os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']))).status)\""
    core.register(
        component_name,
        "1.0.0",
        f"{ask}; {SERVE}",
        ComponentDependencies={"aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=2.0.0"}},
    )
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert core.output(component_name).splitlines() == ["200", "started"]


def tell_aws_iot(topic: str) -> str:
    """A script that publishes as edgecam does, and says what came of it."""
    program = f"""
import os
from edgecam.greengrass_ipc import Nucleus, address
with Nucleus(*address(os.environ)) as nucleus:
    nucleus.update_state("RUNNING")
    try:
        nucleus.publish("{topic}", b"connected")
        print("published")
    except Exception as error:
        print(type(error).__name__)
"""
    return f"{sys.executable} -c {shlex.quote(program)}; {SERVE}"


ACCESS = {
    "aws.greengrass.ipc.mqttproxy": {
        "states:1": {"operations": ["aws.greengrass#PublishToIoTCore"], "resources": ["edgecam/+/+/state"]}
    }
}


def test_component_publishes_to_aws_iot_core_what_its_access_control_allows(
    core: Any, component_name: str, until: Until
) -> None:
    topic = f"edgecam/{core.thing}/{component_name}/state"
    defaults = {"ComponentConfiguration": {"DefaultConfiguration": {"accessControl": ACCESS}}}
    core.register(component_name, "1.0.0", tell_aws_iot(topic), **defaults)
    with Topics(core.aws.url, "edgecam/+/+/state") as topics:
        core.finished(core.deploy({component_name: wanted("1.0.0")}))
        until(lambda: topics.newest(topic) == b"connected", "the state is in the cloud")
    assert core.output(component_name).splitlines()[0] == "published"


def test_component_without_access_control_may_not_publish(
    core: Any, component_name: str, until: Until
) -> None:
    core.register(component_name, "1.0.0", tell_aws_iot(f"edgecam/{core.thing}/lobby/state"))
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    until(lambda: "started" in core.output(component_name), "the component runs")
    assert core.output(component_name).splitlines()[0] == "UnauthorizedError"


def test_token_of_a_component_that_was_removed_is_worth_nothing(core: Any, component_name: str) -> None:
    print_variables = "echo $AWS_CONTAINER_CREDENTIALS_FULL_URI $AWS_CONTAINER_AUTHORIZATION_TOKEN"
    core.register(
        component_name,
        "1.0.0",
        f"{print_variables}; {SERVE}",
        ComponentDependencies={"aws.greengrass.TokenExchangeService": {"VersionRequirement": ">=2.0.0"}},
    )
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    url, token = core.output(component_name).splitlines()[0].split()
    request = urllib.request.Request(url, headers={"Authorization": token})
    urllib.request.urlopen(request, timeout=5).close()
    core.finished(core.deploy({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()
    assert caught.value.code == 403


def test_artifact_is_fetched_from_the_bucket_and_checked(core: Any, component_name: str) -> None:
    s3 = core.aws.client("s3")
    s3.create_bucket(Bucket=f"{component_name}-x")
    s3.put_object(Bucket=f"{component_name}-x", Key="a/file.txt", Body=b"content")
    artifact = {"Uri": f"s3://{component_name}-x/a/file.txt"}
    core.register(
        component_name, "1.0.0", f"cat {{artifacts:path}}/file.txt; echo; {SERVE}", Artifacts=[artifact]
    )
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert core.output(component_name).splitlines() == ["content", "started"]
    core.register(component_name, "1.0.1", SERVE, Artifacts=[artifact])
    s3.put_object(Bucket=f"{component_name}-x", Key="a/file.txt", Body=b"another")
    execution = core.finished(core.deploy({component_name: wanted("1.0.1")}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "promises SHA-256" in execution["reason"]


def test_artifact_that_the_role_may_not_read_fails_the_deployment(core: Any, component_name: str) -> None:
    s3 = core.aws.client("s3")
    bucket = f"private-{component_name}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="file.txt", Body=b"content")
    core.register(component_name, "1.0.0", SERVE, Artifacts=[{"Uri": f"s3://{bucket}/file.txt"}])
    execution = core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "cannot be fetched with the core's role" in execution["reason"]


def test_configuration_reaches_the_script_and_changing_it_restarts_the_component(
    core: Any, component_name: str
) -> None:
    core.register(component_name, "1.0.0", **configured({"a": 1, "quote": "it's $HOME"}))
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    core.finished(core.deploy({component_name: wanted("1.0.0", {"value": {"b": 2}})}))
    assert core.output(component_name).splitlines() == [
        'started {"a":1,"quote":"it\'s $HOME"}',
        "asked to stop",
        'started {"a":1,"quote":"it\'s $HOME","b":2}',
    ]


def test_deployment_that_changes_nothing_leaves_the_component_running(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", **configured(1))
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    execution = core.finished(core.deploy({component_name: wanted("1.0.0", {"value": 1})}))
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert core.output(component_name).splitlines() == ["started 1"]


def test_component_left_out_of_a_newer_deployment_is_stopped(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", SERVE)
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    core.finished(core.deploy({}))
    assert core.output(component_name).splitlines() == ["started", "asked to stop"]


def test_component_that_crashes_three_times_is_broken_and_the_former_comes_back(
    core: Any, component_name: str
) -> None:
    core.register(component_name, "1.0.0", **configured("good"))
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    core.register(component_name, "2.0.0", "echo cannot go on; exit 3")
    execution = core.finished(core.deploy({component_name: wanted("2.0.0", {"value": "lost"})}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "BROKEN" in execution["reason"]
    assert "cannot go on" in execution["reason"]
    assert f"Rolled back to {component_name} 1.0.0" in execution["reason"]
    output = core.output(component_name).splitlines()
    assert output[:5] == ["started good", "asked to stop", *["cannot go on"] * 3]
    assert output[5:] == ["started good"]
    core.register(component_name, "3.0.0", **configured("unused"))
    core.finished(core.deploy({component_name: wanted("3.0.0")}))
    assert core.output(component_name).splitlines()[-1] == "started good"


def test_broken_component_stays_where_the_deployment_says_so(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", "exit 3")
    execution = core.finished(
        core.deploy(
            {component_name: wanted("1.0.0")}, deploymentPolicies={"failureHandlingPolicy": "DO_NOTHING"}
        )
    )
    assert "Rolled back" not in execution["reason"]
    device = core.greengrass.get_core_device(coreDeviceThingName=core.thing)
    assert device["status"] == "UNHEALTHY"


def test_plan_that_fails_leaves_what_runs_untouched(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", SERVE)
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    core.register(component_name, "1.0.1", "echo {configuration:/missing}")
    execution = core.finished(core.deploy({component_name: wanted("1.0.1")}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "{configuration:/missing}" in execution["reason"]
    assert core.output(component_name).splitlines() == ["started"]


def test_component_that_crashes_once_is_started_again(core: Any, component_name: str) -> None:
    core.register(
        component_name, "1.0.0", f"if test ! -e crashed; then touch crashed; echo crash; exit 1; fi; {SERVE}"
    )
    execution = core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED"
    assert core.output(component_name).splitlines() == ["crash", "started"]


def test_install_that_takes_too_long_is_ended(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", SERVE, install={"Script": "sleep 100", "Timeout": 0.3})
    execution = core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "longer than its Timeout" in core.process.log.read_text()


def test_provided_components_are_taken_as_there(core: Any, component_name: str) -> None:
    core.register(component_name, "1.0.0", SERVE)
    execution = core.finished(
        core.deploy(
            {component_name: wanted("1.0.0"), "aws.greengrass.SecretManager": wanted("2.1.0", {"a": 1})}
        )
    )
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED"


def test_sigterm_stops_the_components_and_their_children(
    core: Any, component_name: str, until: Until
) -> None:
    core.register(component_name, "1.0.0", "sleep 1000 & " + SERVE)
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    children = psutil.Process(core.process.pid).children(recursive=True)
    assert {"sh", "sleep"} <= {child.name() for child in children}
    os.kill(core.process.pid, signal.SIGTERM)
    assert core.process.wait(10) == 0
    assert core.output(component_name).splitlines() == ["started", "asked to stop"]
    until(lambda: not any(child.is_running() for child in children), "the children are gone")


def test_scripts_run_as_the_named_user_unless_they_ask_for_privilege(
    core_as: Callable[[str], Any], component_name: str
) -> None:
    if os.geteuid() != 0:
        pytest.fail(
            "only root can start scripts as another user: run the tests as root, as the container does"
        )
    core = core_as("nobody")
    core.register(
        component_name, "1.0.0", f"id -un; {SERVE}", install={"Script": "id -un", "RequiresPrivilege": True}
    )
    core.finished(core.deploy({component_name: wanted("1.0.0")}))
    assert core.output(component_name).splitlines() == ["root", "nobody", "started"]
