"""The REST API of Greengrass v2, as far as deploying and running components needs it.

One path is not of AWS: `PUT /greengrass/v2/coreDevices/<thing>/report` takes what a real core publishes
over MQTT: its platform, the states of its components, and how a deployment went.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import yaml

from sandbox.aws.ministack import host, iot
from sandbox.aws.plugin import components, deployments
from sandbox.aws.plugin.failures import InvalidError, NotFoundError, ServiceError

MAX_PAGE = 100
Query = dict[str, Any]
Body = dict[str, Any]
Route = Callable[..., host.Answer]

_cores = host.scoped_store()


async def handle(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> host.Answer:
    """Answer one request, errors in the service's own form."""
    del headers
    try:
        request = json.loads(body) if body else {}
        decoded = unquote(path)
        for route_method, pattern, route in _ROUTES:
            match = pattern.fullmatch(decoded)
            if match and method == route_method:
                return route(request, query, **match.groupdict())
        raise InvalidError(f"The embedded AWS has no Greengrass operation {method} {decoded}")
    except ServiceError as error:
        return error.answer()
    except ValueError as error:
        return InvalidError(f"The request's body is not JSON: {error}").answer()


def _create_component(body: Body, query: Query) -> host.Answer:
    del query
    if "inlineRecipe" not in body:
        raise InvalidError("inlineRecipe is missing; components from Lambda functions are not offered here")
    try:
        recipe_text = base64.b64decode(body["inlineRecipe"], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidError(f"inlineRecipe must be base64 of UTF-8 text: {error}") from error
    return host.answer_json(components.create(recipe_text, body.get("tags")).summary(), 201)


def _list_components(body: Body, query: Query) -> host.Answer:
    del body
    newest: dict[str, components.ComponentVersion] = {}
    if _first(query, "scope", "PRIVATE") == "PRIVATE":
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
    output = _first(query, "recipeOutputFormat", "JSON")
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
    target = _first(query, "targetArn")
    latest_only = _first(query, "historyFilter", "LATEST_ONLY") == "LATEST_ONLY"
    chosen = [
        entry.summary()
        for entry in deployments.all_deployments()
        if (target is None or entry.target_arn == target) and (entry.latest or not latest_only)
    ]
    return _page("deployments", chosen, query)


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
    group_arn = _first(query, "thingGroupArn")
    members = None if group_arn is None else iot.things_in_group(group_arn.rpartition("/")[2])
    status = _first(query, "status")
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


def _first(query: Query, key: str, default: str | None = None) -> str | None:
    found = query.get(key)
    return default if not found else str(found[0] if isinstance(found, list) else found)


def _page(member: str, entries: list[dict[str, Any]], query: Query) -> host.Answer:
    """One page of a listing; the token is the offset of the next."""
    start = int(_first(query, "nextToken", "0") or 0)
    size = min(int(_first(query, "maxResults", str(MAX_PAGE)) or MAX_PAGE), MAX_PAGE)
    answer: dict[str, Any] = {member: entries[start : start + size]}
    if start + size < len(entries):
        answer["nextToken"] = str(start + size)
    return host.answer_json(answer)


def _route(method: str, template: str, route: Route) -> tuple[str, re.Pattern[str], Route]:
    pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", template)
    return method, re.compile(pattern), route


_V2 = "/greengrass/v2"
_ROUTES = (
    _route("POST", f"{_V2}/createComponentVersion", _create_component),
    _route("GET", f"{_V2}/components", _list_components),
    _route("GET", f"{_V2}/components/<arn>", _get_component),
    _route("DELETE", f"{_V2}/components/<arn>", _delete_component),
    _route("GET", f"{_V2}/components/<arn>/metadata", _describe_component),
    _route("GET", f"{_V2}/components/<arn>/versions", _list_versions),
    _route("POST", f"{_V2}/deployments", _create_deployment),
    _route("GET", f"{_V2}/deployments", _list_deployments),
    _route("GET", f"{_V2}/deployments/<deployment_id>", _get_deployment),
    _route("DELETE", f"{_V2}/deployments/<deployment_id>", _delete_deployment),
    _route("POST", f"{_V2}/deployments/<deployment_id>/cancel", _cancel_deployment),
    _route("GET", f"{_V2}/coreDevices", _list_cores),
    _route("GET", f"{_V2}/coreDevices/<thing>", _get_core),
    _route("DELETE", f"{_V2}/coreDevices/<thing>", _delete_core),
    _route("GET", f"{_V2}/coreDevices/<thing>/effectiveDeployments", _list_effective),
    _route("GET", f"{_V2}/coreDevices/<thing>/installedComponents", _list_installed),
    _route("PUT", f"{_V2}/coreDevices/<thing>/report", _report),
    _route("GET", "/tags/<arn>", _list_tags),
    _route("POST", "/tags/<arn>", _tag),
    _route("DELETE", "/tags/<arn>", _untag),
)


def install() -> None:
    """Offer the service; the SDKs sign for `greengrass`."""
    host.add_service("greengrass", handle)
