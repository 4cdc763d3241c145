"""AWS IoT: things, certificates, and the port that devices connect to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from ministack.services import iot  # type: ignore[import-not-found]

from sandbox.aws.ministack.host import Answer, Handler, account_id, answer_error, region

_DEVICE_REQUEST_S = 10.0
"""A device that says it has a request sends it at once."""


def listen_for_devices_on_loopback() -> None:
    """Let devices connect from this machine alone, and no sooner than they can be answered.

    ministack listens on every interface, and makes its certificate when the first device is there already,
    whose first words Python 3.11 loses meanwhile.
    """

    async def start() -> None:
        if iot._mtls_server is not None:
            return
        iot._mtls_ssl_context = await asyncio.to_thread(iot._mtls_build_ssl_context)
        iot._mtls_loop = asyncio.get_running_loop()
        iot._mtls_server = await iot._mtls_loop.create_server(
            iot._MtlsAcceptor, host="127.0.0.1", port=iot._mtls_port()
        )

    iot._mtls_start_locked = start


def certificate_allows(certificate_id: str, action: str, resource: str) -> bool:
    """Whether the policies attached to a certificate allow an action, asked for by HTTPS.

    There is no connection then, and so no thing and no client id that policy variables could stand for.
    """
    return bool(iot._mqtt_policy_allows(account_id(), region(), certificate_id, {}, action, resource))


def certificate_is_of(certificate_id: str, thing_name: str) -> bool:
    """Whether a certificate is attached to a thing."""
    record = iot._certificates.get(certificate_id) or {}
    return iot._thing_arn(thing_name) in record.get("attachedThings", [])


def answer_https_of_devices(protocol: str, answer: Callable[[str, str, str, dict[str, str]], Answer]) -> None:
    """Let `answer` serve one HTTPS request of each device that asks for `protocol` in the TLS handshake.

    Args:
        protocol: By its ALPN name; all other devices speak MQTT.
        answer: Gets the id of an active certificate, method, path, and headers in lower case.
    """
    build_context, serve_mqtt = iot._mtls_build_ssl_context, iot._mtls_serve_conn

    def context() -> Any:
        made = build_context()
        made.set_alpn_protocols([protocol])
        return made

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        if tls.selected_alpn_protocol() != protocol:
            await serve_mqtt(reader, writer)
            return
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _DEVICE_REQUEST_S)
            writer.write(_http_answer(*_answered(tls.getpeercert(binary_form=True), head, answer)))
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the device has gone, or says nothing that could be answered
        finally:
            await iot._mtls_close(writer)

    iot._mtls_build_ssl_context = context
    iot._mtls_serve_conn = serve


def _answered(
    certificate: bytes | None, head: bytes, answer: Callable[[str, str, str, dict[str, str]], Answer]
) -> Answer:
    owner = iot._mtls_resolve_identity(certificate) if certificate else None
    if certificate is None or owner is None:
        return answer_error("ForbiddenException", "An active certificate must be shown", 403)
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    with iot.request_scope(*owner[:2]):
        return answer(hashlib.sha256(certificate).hexdigest(), method, path, headers)


def _http_answer(status: int, headers: dict[str, str], body: bytes) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "content-length"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def extend(prefix: str, handler: Handler) -> None:
    """Route control-plane requests of AWS IoT below `prefix` to `handler`, all others as before."""
    original: Handler = iot.handle_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        chosen = handler if path == prefix or path.startswith(f"{prefix}/") else original
        return await chosen(method, path, headers, body, query)

    iot.handle_request = handle


def group_exists(group_name: str) -> bool:
    """Whether there is a thing group of this name."""
    return group_name in iot._thing_groups


def change_answers(change: Callable[[str, str, dict[str, Any], Answer], Answer]) -> None:
    """Let `change(method, path, query, answer)` make of each answer of the control plane what is sent."""
    original: Handler = iot.handle_request

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Answer:
        return change(method, path, query, await original(method, path, headers, body, query))

    iot.handle_request = handle


def thing_groups_of(thing_name: str) -> list[str]:
    """Names of the thing groups that a thing is directly in; empty for an unknown thing."""
    thing = iot._things.get(thing_name)
    return list(thing.get("thingGroupNames", [])) if thing else []


def things_in_group(group_name: str) -> list[str]:
    """Names of the things directly in a group."""
    return [name for name in iot._things if group_name in thing_groups_of(name)]
