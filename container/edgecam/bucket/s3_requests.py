"""Requests to S3, signed by botocore and sent by `HttpClient`.

Neither botocore's own S3 client nor obstore: the model of S3 is among what the image leaves out of botocore,
and a signature and eight headers are all that its client would add; obstore is 16 MB that keep a whole object
in memory. The body is not signed (a second checksum over every byte, at ten times the price): its CRC-32C
is in a signed header, and S3 compares it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.session import Session as AwsSession

from edgecam.bucket import s3_errors
from edgecam.bucket.http_client import Body, HttpClient, Response
from edgecam.bucket.interface import RateLimit
from edgecam.clock import Clock
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS

DEFAULT_REGION = "us-east-1"
_LONGEST_MESSAGE = 300


class _Signature(S3SigV4Auth):  # type: ignore[misc]
    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - the base class' names
        return "UNSIGNED-PAYLOAD"


class Place(NamedTuple):
    """Where a bucket is served: the service's origin, and the path before the key."""

    origin: str
    base: str


def endpoint_of(environment: Mapping[str, str]) -> str | None:
    """What answers in Amazon S3's place, by the names that Amazon's own libraries read."""
    return environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")


def place_of(bucket: str, region: str, endpoint: str | None) -> Place:
    """By the bucket's name as host where that is possible; any other endpoint takes it as the path's start.

    A name with a dot has no host of its own that Amazon's certificate would cover.
    """
    if endpoint:
        return Place(endpoint.rstrip("/"), f"/{bucket}/")
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    if "." in bucket:
        return Place(f"https://s3.{region}.{domain}", f"/{bucket}/")
    return Place(f"https://{bucket}.s3.{region}.{domain}", "/")


class S3Requests:
    """Sends requests about one bucket. Safe to use from several threads at once.

    Args:
        uri: As configured, redacted.
        bucket: Its name.
        environment: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION. Credentials come
            from wherever botocore finds them: on a core, its token exchange service.
        stall_timeout_s: Of each request, seconds.
        clock: Time.
    """

    def __init__(
        self, uri: str, bucket: str, environment: Mapping[str, str], *, stall_timeout_s: float, clock: Clock
    ) -> None:
        self._uri = uri
        self._bucket = bucket
        endpoint = endpoint_of(environment)
        self._region = (
            environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        )
        self._place = place_of(bucket, self._region, endpoint)
        self._http = HttpClient(
            self._place.origin, stall_timeout_s=stall_timeout_s, clock=clock, named="AWS_ENDPOINT_URL(_S3)"
        )
        self._session = AwsSession()
        self._credentials: Any = None

    def ask(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        rate_limit: RateLimit,
        *,
        query: str = "",
        length: int = 0,
        body: Body = tuple,
    ) -> Response:
        """Send one request about the object `key` (percent-encoded); see `HttpClient.request`."""
        target = f"{self._place.base}{key}{'?' + query if query else ''}"
        request = AWSRequest(method=method, url=f"{self._place.origin}{target}", headers=dict(headers))
        _Signature(self._login(), "s3", self._region).add_auth(request)
        rate_limit.request()
        return self._http.request(
            method, target, dict(request.headers.items()), length=length, body=body, rate_limit=rate_limit
        )

    def explained(self, response: Response, what: str) -> StoreError:
        """The error that `response` stands for; `what` was tried, as "storing NAME"."""
        return s3_errors.explain(
            response,
            uri=self._uri,
            bucket=self._bucket,
            region=self._region,
            what=what,
            retry_after_s=self._http.retry_after_s(response),
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _login(self) -> Any:
        try:
            if self._credentials is None:
                self._credentials = self._session.get_credentials()
            if self._credentials is not None:
                return self._credentials.get_frozen_credentials()
        except (BotoCoreError, OSError) as error:
            self._credentials = None
            raise StoreUnavailable(
                f"{self._uri}: the core's AWS credentials cannot be had now: "
                f"{SECRETS.shown(str(error), _LONGEST_MESSAGE)}"
            ) from error
        raise StoreRefused(
            f"{self._uri}: expected AWS credentials, found none; on a core let the recipe depend on "
            "aws.greengrass.TokenExchangeService"
        )
