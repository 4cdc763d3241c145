"""The REST API of Greengrass v2, as far as deploying and running components needs it.

One path is not of AWS: `PUT /greengrass/v2/coreDevices/<thing>/report` takes what a real core publishes
over MQTT: its platform, the states of its components, and how a deployment went.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import yaml

from sandbox.aws.ministack import host, iot
from sandbox.aws.plugin import components, deployments, greengrass_rights, pages, recipes
from sandbox.aws.plugin.failures import InvalidError, NotFoundError, ServiceError

Query = dict[str, Any]
Body = dict[str, Any]
Route = Callable[..., host.Answer]

_cores = host.scoped_store()


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> host.Answer:
    """Answer one request, errors in the service's own form."""
    try:
        request = json.loads(body) if body else {}
        decoded = unquote(path)
        for route_method, pattern, route, operation in _ROUTES:
            match = pattern.fullmatch(decoded)
            if match and method == route_method:
                arguments = match.groupdict()
                _check_rights(operation, headers, request, query, arguments)
                if operation == "CreateComponentVersion":
                    return route(request, query, may_read=greengrass_rights.artifact_reader(headers))
                return route(request, query, **arguments)
        raise InvalidError(f"The embedded AWS has no Greengrass operation {method} {decoded}")
    except ServiceError as error:
        return error.answer()
    except ValueError as error:
        return InvalidError(f"The request's body is not JSON: {error}").answer()


def _check_rights(
    operation: str, headers: dict[str, str], body: Body, query: Query, arguments: dict[str, str]
) -> None:
    if not operation:
        return
    listed: list[deployments.Deployment] = []
    if operation == "ListDeployments":
        listed = _chosen(query)
    elif operation == "ListEffectiveDeployments":
        listed = deployments.effective_for(arguments["thing"])
    greengrass_rights.check(headers, greengrass_rights.needed(operation, body, arguments, listed))


def _chosen(query: Query) -> list[deployments.Deployment]:
    latest_only = pages.first(query, "historyFilter", "LATEST_ONLY") == "LATEST_ONLY"
    return deployments.listed(pages.first(query, "targetArn"), latest_only=latest_only)


def _create_component(body: Body, query: Query, may_read: Callable[[str, str], bool]) -> host.Answer:
    del query
    return host.answer_json(
        components.create(recipes.text_of(body), body.get("tags"), may_read).summary(), 201
    )


def _list_components(body: Body, query: Query) -> host.Answer:
    del body
    newest: dict[str, components.ComponentVersion] = {}
    if pages.first(query, "scope", "PRIVATE") == "PRIVATE":
        for version in components.all_versions():
            newest.setdefault(version.component_arn, version)
    return _page(
        "components",
        [
            {
                "arn": component_arn,
                "componentName": version.name,
                "latestVersion": {
                    key: entry
                    for key, entry in version.description().items()
                    if key not in ("componentName", "status", "tags")
                },
            }
            for component_arn, version in newest.items()
        ],
        query,
    )


def _list_versions(body: Body, query: Query, arn: str) -> host.Answer:
    del body
    found = [version for version in components.all_versions() if version.component_arn == arn]
    if not found:
        raise NotFoundError(f"The component {arn} does not exist", resourceId=arn, resourceType="component")
    return _page(
        "componentVersions",
        [
            {"componentName": entry.name, "componentVersion": entry.version, "arn": entry.arn}
            for entry in found
        ],
        query,
    )


def _get_component(body: Body, query: Query, arn: str) -> host.Answer:
    del body
    found = components.get(arn)
    output = pages.first(query, "recipeOutputFormat", "JSON")
    text = json.dumps(found.recipe) if output == "JSON" else yaml.safe_dump(found.recipe, sort_keys=False)
    recipe = base64.b64encode(text.encode()).decode()
    return host.answer_json({"recipeOutputFormat": output, "recipe": recipe, "tags": found.tags})


def _describe_component(body: Body, query: Query, arn: str) -> host.Answer:
    del body, query
    return host.answer_json(components.get(arn).description())


def _delete_component(body: Body, query: Query, arn: str) -> host.Answer:
    del body, query
    components.delete(arn)
    return host.answer_json({}, 204)


def _create_deployment(body: Body, query: Query) -> host.Answer:
    del query
    created = deployments.create({key: entry for key, entry in body.items() if key != "clientToken"})
    description = created.description()
    return host.answer_json({key: description[key] for key in ("deploymentId", "iotJobId", "iotJobArn")}, 201)


def _list_deployments(body: Body, query: Query) -> host.Answer:
    del body
    return _page("deployments", [entry.summary() for entry in _chosen(query)], query)


def _get_deployment(body: Body, query: Query, deployment_id: str) -> host.Answer:
    del body, query
    return host.answer_json(deployments.get(deployment_id).description())


def _cancel_deployment(body: Body, query: Query, deployment_id: str) -> host.Answer:
    del body, query
    deployments.cancel(deployment_id)
    return host.answer_json({"message": "SUCCESS"})


def _delete_deployment(body: Body, query: Query, deployment_id: str) -> host.Answer:
    del body, query
    deployments.delete(deployment_id)
    return host.answer_json({}, 204)


def _list_cores(body: Body, query: Query) -> host.Answer:
    del body
    group_arn = pages.first(query, "thingGroupArn")
    members = None if group_arn is None else iot.things_in_group(group_arn.rpartition("/")[2])
    status = pages.first(query, "status")
    listed = [
        {key: core[key] for key in core if key not in ("components", "coreVersion")}
        for core in _cores.values()
        if (members is None or core["coreDeviceThingName"] in members)
        and (status is None or core["status"] == status)
    ]
    return _page("coreDevices", listed, query)


def _get_core(body: Body, query: Query, thing: str) -> host.Answer:
    del body, query
    return host.answer_json({key: entry for key, entry in _core(thing).items() if key != "components"})


def _delete_core(body: Body, query: Query, thing: str) -> host.Answer:
    del body, query
    _core(thing)
    del _cores[thing]
    return host.answer_json({}, 204)


def _list_effective(body: Body, query: Query, thing: str) -> host.Answer:
    del body
    return _page(
        "effectiveDeployments", [entry.effective(thing) for entry in deployments.effective_for(thing)], query
    )


def _list_installed(body: Body, query: Query, thing: str) -> host.Answer:
    del body
    return _page("installedComponents", _core(thing)["components"], query)


def _report(body: Body, query: Query, thing: str) -> host.Answer:
    del query
    now_s = time.time()
    states = [
        {**state, "lastReportedTimestamp": now_s, "lastStatusChangeTimestamp": now_s, "isRoot": True}
        for state in body.get("components", [])
    ]
    broken = any(state.get("lifecycleState") == "BROKEN" for state in states)
    _cores[thing] = {
        "coreDeviceThingName": thing,
        "coreVersion": str(body.get("coreVersion", "")),
        "platform": str(body.get("platform", "")),
        "architecture": str(body.get("architecture", "")),
        "status": "UNHEALTHY" if broken else "HEALTHY",
        "lastStatusUpdateTimestamp": now_s,
        "components": states,
    }
    for entry in body.get("deployments", []):
        deployments.report(thing, entry["deploymentId"], entry["status"], entry.get("reason", ""))
    return host.answer_json({})


def _tags_of(arn: str) -> dict[str, str]:
    prefix = host.arn("greengrass", "deployments:")
    if arn.startswith(prefix):
        return deployments.get(arn.removeprefix(prefix)).tags
    return components.get(arn).tags


def _list_tags(body: Body, query: Query, arn: str) -> host.Answer:
    del body, query
    return host.answer_json({"tags": _tags_of(arn)})


def _tag(body: Body, query: Query, arn: str) -> host.Answer:
    del query
    _tags_of(arn).update(body.get("tags") or {})
    return host.answer_json({})


def _untag(body: Body, query: Query, arn: str) -> host.Answer:
    del body
    tags = _tags_of(arn)
    for key in query.get("tagKeys") or []:
        tags.pop(key, None)
    return host.answer_json({})


def _core(thing: str) -> dict[str, Any]:
    if thing not in _cores:
        raise NotFoundError(
            f"The core device {thing} has not reported yet", resourceId=thing, resourceType="coreDevice"
        )
    core: dict[str, Any] = _cores[thing]
    return core


def _page(member: str, entries: list[dict[str, Any]], query: Query) -> host.Answer:
    """One page of a listing."""
    listed, following = pages.page(entries, query)
    answer: dict[str, Any] = {member: listed}
    if following is not None:
        answer["nextToken"] = following
    return host.answer_json(answer)


def _route(
    method: str, template: str, route: Route, operation: str = ""
) -> tuple[str, re.Pattern[str], Route, str]:
    pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", template)
    return method, re.compile(pattern), route, operation


_V2 = "/greengrass/v2"
_ROUTES = (
    _route("POST", f"{_V2}/createComponentVersion", _create_component, "CreateComponentVersion"),
    _route("GET", f"{_V2}/components", _list_components, "ListComponents"),
    _route("GET", f"{_V2}/components/<arn>", _get_component, "GetComponent"),
    _route("DELETE", f"{_V2}/components/<arn>", _delete_component, "DeleteComponent"),
    _route("GET", f"{_V2}/components/<arn>/metadata", _describe_component, "DescribeComponent"),
    _route("GET", f"{_V2}/components/<arn>/versions", _list_versions, "ListComponentVersions"),
    _route("POST", f"{_V2}/deployments", _create_deployment, "CreateDeployment"),
    _route("GET", f"{_V2}/deployments", _list_deployments, "ListDeployments"),
    _route("GET", f"{_V2}/deployments/<deployment_id>", _get_deployment, "GetDeployment"),
    _route("DELETE", f"{_V2}/deployments/<deployment_id>", _delete_deployment, "DeleteDeployment"),
    _route("POST", f"{_V2}/deployments/<deployment_id>/cancel", _cancel_deployment, "CancelDeployment"),
    _route("GET", f"{_V2}/coreDevices", _list_cores, "ListCoreDevices"),
    _route("GET", f"{_V2}/coreDevices/<thing>", _get_core, "GetCoreDevice"),
    _route("DELETE", f"{_V2}/coreDevices/<thing>", _delete_core, "DeleteCoreDevice"),
    _route(
        "GET", f"{_V2}/coreDevices/<thing>/effectiveDeployments", _list_effective, "ListEffectiveDeployments"
    ),
    _route(
        "GET", f"{_V2}/coreDevices/<thing>/installedComponents", _list_installed, "ListInstalledComponents"
    ),
    _route("PUT", f"{_V2}/coreDevices/<thing>/report", _report),
    _route("GET", "/tags/<arn>", _list_tags, "ListTagsForResource"),
    _route("POST", "/tags/<arn>", _tag, "TagResource"),
    _route("DELETE", "/tags/<arn>", _untag, "UntagResource"),
)


def install() -> None:
    """Offer the service; the SDKs sign for `greengrass`."""
    host.add_service("greengrass", handle)
