"""ministack's process: its version, routes, answers, account and Region."""

from __future__ import annotations

import contextvars
import importlib.metadata
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

# The project's own environment, where types are checked, has no ministack.
import ministack.app as ministack_app  # type: ignore[import-not-found]
from ministack.core import responses, router  # type: ignore[import-not-found]

SUPPORTED_VERSION = "1.5.33"


Answer = tuple[int, dict[str, str], bytes]
"""HTTP status, headers, body: what ministack's handlers return."""


Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Answer]]
"""An async service handler: method, path, headers, body, query parameters (lists of strings)."""


Operation = Callable[[dict[str, Any]], Answer]
"""One operation of a JSON service: takes the request's members."""


class Scoped(Protocol):
    """A dictionary that holds a value per account and Region of the current request."""

    def __getitem__(self, key: str) -> Any: ...
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __delitem__(self, key: str) -> None: ...
    def __contains__(self, key: str) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def values(self) -> Iterator[Any]: ...
    def get(self, key: str, default: Any = None) -> Any: ...
    def pop(self, key: str, default: Any = None) -> Any: ...


def check_version() -> None:
    """Refuse to run on a ministack whose private names were not looked at."""
    found = importlib.metadata.version("ministack")
    if found != SUPPORTED_VERSION:
        raise RuntimeError(
            f"ministack {found} is installed, the plug-in was written for {SUPPORTED_VERSION}: "
            "install from sandbox/aws/uv.lock, or check every name in sandbox/aws/ministack"
        )


def scoped_store() -> Scoped:
    """An empty store whose entries belong to one account and one Region."""
    store: Scoped = responses.AccountRegionScopedDict()
    return store


def account_id() -> str:
    """The twelve digits of the account that the current request acts for."""
    return str(responses.get_account_id())


def region() -> str:
    """The Region of the current request."""
    return str(responses.get_region())


def arn(service: str, resource: str) -> str:
    """An ARN in the current request's account and Region."""
    return f"arn:aws:{service}:{region()}:{account_id()}:{resource}"


def answer_json(data: Mapping[str, Any], status: int = 200) -> Answer:
    """A REST-JSON answer."""
    answer: Answer = responses.json_response(dict(data), status, content_type="application/json")
    return answer


def answer_error(error_type: str, message: str, status: int, **extra: Any) -> Answer:
    """A REST-JSON error as the SDKs parse it; `extra` are further members of the modelled exception."""
    answer: Answer = responses.error_response_json(
        error_type, message, status, extra or None, content_type="application/json"
    )
    return answer


def port() -> int:
    """The port that the embedded AWS listens on."""
    return int(ministack_app._resolve_port())


def add_service(name: str, handler: Handler) -> None:
    """Route requests signed for `name` to `handler`."""
    router.SERVICE_PATTERNS[name] = {
        "host_patterns": [rf"{name}\."],
        "credential_scope": name,
    }
    ministack_app.SERVICE_HANDLERS[name] = handler


def in_background(work: Callable[[], None]) -> None:
    """Run `work` beside the requests, for the account and Region of the current one."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True).start()


def serve() -> None:
    """Run ministack in the foreground until SIGTERM."""
    ministack_app.main()
