"""Settings that fit into no deployment: fetched from the artifact bucket, and kept on the core.

Kept, so that a core starts without network; the one before as well, so that it can go back without. Neither
room of buckets is here: the frame grabber's image has none. One object is signed and fetched with botocore,
which fetches the cameras' secrets too: the same credentials (of the token exchange service), the same
proxies, the same authorities.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecam import durable
from edgecam.backoff import doubled_s
from edgecam.clock import Clock, SystemClock
from edgecam.errors import ConfigurationError, InstallationError, StoreRefused, StoreUnavailable
from edgecam.launch.dead_credentials import DeadCredentials
from edgecam.launch.settings import (
    MOST_PACKED_BYTES,
    SettingsObject,
    check_hash,
    content_of,
    object_of,
    unpacked,
)
from edgecam.redaction import SECRETS

_log = logging.getLogger(__name__)

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 60.0
_TIMEOUTS_S = (10, 30)  # to connect, to read
_READABLE = 0o644  # the container's user is another one where the component runs as root; no secret is in it
_KEPT = 2
_NAME = re.compile(r"settings-[0-9a-f]{64}")
_CODE = re.compile(rb"<Code>([A-Za-z]{1,80})</Code>")
_ERROR_BYTES = 4096
_PASSING = frozenset({"RequestTimeTooSkewed", "ExpiredToken", "RequestTimeout", "SlowDown", "InternalError"})
"""Codes of S3 that pass by themselves, the first when a core without a clock of its own hears the time."""
_S3_HEADER = "x-amz-request-id"
"""S3 names each of its answers by it, and so does whatever speaks its protocol."""
_REFUSED_LASTS_S = 30.0
"""Three starts that end at once would be the last on either nucleus, and a right that was just granted, or an
object that was just put, takes seconds until each machine of S3 knows of it."""
_DEFAULT_REGION = "us-east-1"


def fetch_settings(folder: Path, environment: Mapping[str, str], *, clock: Clock | None = None) -> None:
    """Have the settings that `EDGECAM_SETTINGS` names in `folder`. Waits for network and credentials.

    Raises:
        ConfigurationError: the object holds something else than its name says.
        StoreRefused: it is not there, or may not be read, for half a minute.
        NucleusError: only another start gets credentials that the nucleus accepts.
        InstallationError: nothing can be written to `folder`.
    """
    stored = object_of(environment)
    if stored is None or _is_here(folder / stored.file_name, stored):
        return
    content = _fetched_in_the_end(stored, environment, folder, clock or SystemClock())
    unpacked(content)
    try:
        durable.replace(folder / stored.file_name, content, mode=_READABLE)
    except OSError as error:
        raise InstallationError(
            f"settings: expected a folder on the core that they can be kept in, found: {error.strerror}"
        ) from None
    _log.info("fetched the settings %s", stored.uri)
    _remove_older(folder, stored)


def _is_here(path: Path, stored: SettingsObject) -> bool:
    try:
        unpacked(content_of(path, stored))
    except FileNotFoundError:
        return False
    except (OSError, ConfigurationError) as error:
        _log.warning("fetches the settings again: %s", error)
        return False
    with contextlib.suppress(OSError):
        os.utime(path)  # the newest are kept
    return True


def _remove_older(folder: Path, stored: SettingsObject) -> None:
    with contextlib.suppress(OSError):
        durable.remove_leftovers(folder / stored.file_name)
        others = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
        others.sort(key=lambda path: (path.name == stored.file_name, path.lstat().st_mtime_ns), reverse=True)
        for path in others[_KEPT:]:
            path.unlink()


class _CredentialsUnavailable(StoreUnavailable):
    pass


def _fetched_in_the_end(
    stored: SettingsObject, environment: Mapping[str, str], folder: Path, clock: Clock
) -> bytes:
    """However long the network is away: giving up would be final on a nucleus that starts three times."""
    never = threading.Event()
    dead = DeadCredentials(environment, folder, clock)
    failures, has_credentials, refused_since_s = 0, True, clock.monotonic_s()
    while True:
        failures += 1
        delay_s = doubled_s(failures, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
        fault = None if has_credentials else dead.fault()
        if fault is not None:
            delay_s = min(delay_s, dead.lasting(fault))
            refused_since_s = clock.monotonic_s() + delay_s
        else:
            dead.over()
            try:
                return _fetched(stored, environment)
            except StoreUnavailable as error:
                has_credentials = not isinstance(error, _CredentialsUnavailable)
                _log.warning("%s; tried again until it answers", error)
                refused_since_s = clock.monotonic_s() + delay_s
            except (StoreRefused, ConfigurationError) as error:
                if clock.monotonic_s() - refused_since_s >= _REFUSED_LASTS_S:
                    raise
                _log.warning("%s; tried again for %.0f s", error, _REFUSED_LASTS_S)
        clock.wait(never, delay_s)


def _fetched(stored: SettingsObject, environment: Mapping[str, str]) -> bytes:
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    response = _asked(stored, region, endpoint)
    elsewhere = response.headers.get("x-amz-bucket-region")
    if response.status_code != 200 and elsewhere and elsewhere != region and not endpoint:
        response = _asked(stored, elsewhere, endpoint)
    return _content(response, stored)


def _asked(stored: SettingsObject, region: str, endpoint: str | None) -> Any:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError
    from botocore.httpsession import URLLib3Session
    from botocore.utils import get_environ_proxies

    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    # The bucket's name in the path: as a host's name it would have no certificate where it has a dot.
    url = f"{(endpoint or f'https://s3.{region}.{domain}').rstrip('/')}/{stored.bucket}/{stored.key}"
    request = AWSRequest(method="GET", url=url, stream_output=True)
    try:
        S3SigV4Auth(_credentials(stored), "s3", region).add_auth(request)
        proxies = get_environ_proxies(url)
        if "all" in proxies:  # which botocore knows nothing of, and curl does
            proxies.setdefault(url.partition(":")[0], proxies["all"])
        session = URLLib3Session(timeout=_TIMEOUTS_S, proxies=proxies)
        return session.send(request.prepare())
    except (BotoCoreError, OSError) as error:
        raise StoreUnavailable(f"{stored.uri}: {SECRETS.shown(str(error))}") from error


def _credentials(stored: SettingsObject) -> Any:
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    try:
        credentials = Session().get_credentials()
        if credentials is not None:
            return credentials.get_frozen_credentials()
    except (BotoCoreError, OSError) as error:
        raise _CredentialsUnavailable(f"{stored.uri}: {SECRETS.shown(str(error))}") from error
    raise _CredentialsUnavailable(f"{stored.uri}: expected the core's AWS credentials, found none")


def _content(response: Any, stored: SettingsObject) -> bytes:
    """The object's bytes. Nothing is final of what others than S3 answer: a proxy, a network's login page."""
    status = response.status_code
    content = _body(response, stored, MOST_PACKED_BYTES + 1 if status == 200 else _ERROR_BYTES)
    if status == 200:
        try:
            check_hash(content, stored)
        except ConfigurationError:
            if _S3_HEADER in response.headers:
                raise
            raise StoreUnavailable(f"{stored.uri}: another machine than S3 answered, with a page") from None
        return content
    match = _CODE.search(content)
    if match is None:
        raise StoreUnavailable(f"{stored.uri}: answered {status} without a reason of S3's, as a proxy does")
    code = match[1].decode()
    answer = f"{stored.uri}: answered {status} ({code})"
    if status in (408, 429) or status >= 500 or code in _PASSING:
        raise StoreUnavailable(answer)
    folder = stored.key.rpartition("/")[0]
    raise StoreRefused(
        f"{answer}; expected settings that the core may read, found none: deploy the site again, which puts "
        f"them there, and grant s3:GetObject on arn:aws:s3:::{stored.bucket}/{folder}/* to the core's role "
        "(and name the KMS key in aws.artifact_key, where the bucket has one of yours)"
    )


def _body(response: Any, stored: SettingsObject, most_bytes: int) -> bytes:
    """All of it, up to so many bytes."""
    from urllib3.exceptions import HTTPError

    content = b""
    try:
        # One read may return less; that the body ends before its length is found by the read after it.
        while len(content) < most_bytes and (part := response.raw.read(most_bytes - len(content))):
            content += part
    except (HTTPError, OSError) as error:
        raise StoreUnavailable(f"{stored.uri}: the answer ended early ({type(error).__name__})") from error
    return content
