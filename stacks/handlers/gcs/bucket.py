"""Custom::EdgecamGcsBucket: the bucket of the recordings, made and looked after at every deploy.

- Create, Update: a bucket that is not there is made, with all its settings in one request. One that this
  stack made (known by a label; a stack of that name, account and Region counts as the same) is adopted, and
  what of our settings has drifted is reconciled. Anybody else's is refused and not touched.
- A request that is repeated finds the bucket of the first one: the name is the identity.
- Delete: data is kept. An empty bucket goes, so that a rollback leaves nothing behind. A full one never goes:
  with `DeleteWithStack` that is a failure, whose message has the remedy. What cannot be removed, and need not
  be, is logged and left: it must not keep a stack from going.
- A bucket that was made by a request that then failed is removed at once.

Properties: Bucket, Project, Location, StorageClass, NearlineAfterDays, DeleteAfterDays, DeleteWithStack,
Writers, Prefixes, Parts (each a Prefix and its Writers), Login (Audience and ServiceAccount, or Secret),
Checked (a check follows when it changes). Attributes: Name, Uri. The resource's id is the
bucket's URI.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from google.api_core.exceptions import Conflict, GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Bucket, Client

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
    respond,
)
from ..ownership import OWNER_LABEL, owner_of
from .bucket_settings import Desired, reconcile
from .client import client_for
from .refusals import explained
from .writers import reconcile_writers


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    uri = f"gs://{event['ResourceProperties']['Bucket']}"
    # A failed creation gets an id of its own: what is deleted after it may not be held to be ours.
    respond(event, context, lambda request: apply(request, client_for), fallback_id=f"{uri} (not made)")


def apply(event: Event, connect: Callable[[Any], Client]) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the client that `connect` makes of the resource's properties.

    Raises:
        RequestFailed: with Google's message and the remedy.
    """
    desired = Desired.of(event["ResourceProperties"])
    if event["RequestType"] == "Delete":
        _delete(event, desired, connect)
    else:
        with _explained(desired):
            # Where there never were writers, the login needs no right to look at who has which.
            former = event.get("OldResourceProperties", {})
            had_writers = bool(former.get("Writers") or former.get("Parts"))
            client = connect(event["ResourceProperties"])
            _ensure(client, desired, owner_of(event), has_writers=desired.has_writers or had_writers)
    return CloudFormationResponse(
        physical_id=desired.uri, attributes={"Name": desired.name, "Uri": desired.uri}
    )


def _ensure(client: Client, desired: Desired, owner: str, *, has_writers: bool) -> None:
    bucket, is_new = _found_or_made(client, desired, owner)
    try:
        if (bucket.location or "").upper() != desired.location.upper():
            raise RequestFailed(
                f"{desired.uri} lies in {bucket.location}, and a bucket cannot move to {desired.location}: "
                "set gcp.bucket.location back, or choose another name for a new bucket"
            )
        if changed := reconcile(bucket, desired, owner):
            bucket.patch(if_metageneration_match=bucket.metageneration)
            logger.info("%s: set %s", desired.uri, ", ".join(changed))
        if has_writers and reconcile_writers(bucket, desired):
            logger.info("%s: set who may write", desired.uri)
    except Exception:
        if is_new:
            _remove_again(bucket)
        raise


def _found_or_made(client: Client, desired: Desired, owner: str) -> tuple[Bucket, bool]:
    """The bucket, and whether it was made just now."""
    bucket = client.lookup_bucket(desired.name)
    if bucket is None:
        new = client.bucket(desired.name)
        reconcile(new, desired, owner)
        try:
            made = client.create_bucket(new, project=desired.project, location=desired.location)
        except Conflict:
            # Somebody was faster, perhaps this very request, before its answer was lost.
            bucket = client.lookup_bucket(desired.name)
            if bucket is None:
                raise
        else:
            logger.info("made %s", desired.uri)
            return made, True
    if bucket.labels.get(OWNER_LABEL) != owner:
        raise RequestFailed(
            f"{desired.uri} exists, and this stack did not make it: set gcp.bucket.create: false to use it "
            f"as it is, choose another name, or hand it to this stack by the label {OWNER_LABEL}={owner}"
        )
    return bucket, False


def _delete(event: Event, desired: Desired, connect: Callable[[Any], Client]) -> None:
    # Another id is that of a creation that failed, or of one whose answer never came.
    must_go = desired.delete_with_stack and event.get("PhysicalResourceId") == desired.uri
    try:
        with _explained(desired):
            _delete_empty(connect(event["ResourceProperties"]), desired, owner_of(event), must_go=must_go)
    except RequestFailed as error:
        if must_go:
            raise
        logger.error("%s stays: %s", desired.uri, error)


def _delete_empty(client: Client, desired: Desired, owner: str, *, must_go: bool) -> None:
    bucket = client.lookup_bucket(desired.name)
    if bucket is None or bucket.labels.get(OWNER_LABEL) != owner:
        logger.info("%s is not there, or not ours", desired.uri)
        return
    try:
        # Google deletes no bucket that holds anything: no listing is needed.
        bucket.delete()
        logger.info("deleted %s, which was empty", desired.uri)
    except Conflict as error:
        if must_go:
            raise RequestFailed(
                f"{desired.uri} still holds recordings, and gcp.bucket.delete_with_stack deletes none: "
                f"remove them (gcloud storage rm --recursive '{desired.uri}/**'), or delete the stack and "
                "retain this resource"
            ) from error
        logger.info("keeping %s and what is in it", desired.uri)


def _remove_again(bucket: Bucket) -> None:
    try:
        bucket.delete()
    except (GoogleAPICallError, GoogleAuthError) as error:
        logger.error("gs://%s was made and could not be removed again: %s", bucket.name, error)


@contextlib.contextmanager
def _explained(desired: Desired) -> Iterator[None]:
    """Turn what Google's client raises into a sentence for CloudFormation's events."""
    try:
        yield
    except GoogleAuthError as error:
        raise RequestFailed(
            f"Google does not accept the login of gcp.login for {desired.uri}: {error}"
        ) from error
    except Conflict as error:
        raise RequestFailed(
            f"{desired.uri} is somebody else's (names of buckets are worldwide): choose another "
            f"gcp.bucket.name. Google says: {error.message}"
        ) from error
    except GoogleAPICallError as error:
        raise RequestFailed(explained(desired.uri, int(error.code or 0), str(error.message))) from error
