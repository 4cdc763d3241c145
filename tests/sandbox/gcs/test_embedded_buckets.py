"""Buckets of the embedded GCS as Google's own client sees them, and what an organisation forbids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, GoogleAPICallError, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from sandbox.gcs.server import BUCKET, EmbeddedGcs


@pytest.fixture
def gcs(tmp_path: Path) -> Iterator[EmbeddedGcs]:
    with EmbeddedGcs(folder=tmp_path / "gcs") as running:
        yield running


@pytest.fixture
def client(gcs: EmbeddedGcs) -> Client:
    return Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs.url})


def test_new_bucket_has_the_settings_of_the_request_that_makes_it(client: Client) -> None:
    asked = client.bucket("made")
    asked.storage_class = "NEARLINE"
    asked.labels = {"a": "b"}
    client.create_bucket(asked, location="europe-west3")
    made = client.get_bucket("made")
    found = made.location, made.storage_class, made.labels, made.metageneration
    assert found == ("EUROPE-WEST3", "NEARLINE", {"a": "b"}, 1)


def test_answers_have_their_keys_in_an_order_of_their_own(client: Client) -> None:
    bucket = client.get_bucket(BUCKET)
    rule = {"action": {"type": "SetStorageClass", "storageClass": "NEARLINE"}, "condition": {"age": 30}}
    bucket.lifecycle_rules = [rule]
    bucket.patch()
    (found,) = client.get_bucket(BUCKET).lifecycle_rules
    assert found == rule
    assert list(found["action"]) == ["storageClass", "type"]


def test_change_of_a_bucket_that_somebody_else_has_changed_is_refused(client: Client) -> None:
    first, second = client.get_bucket(BUCKET), client.get_bucket(BUCKET)
    for bucket in (first, second):
        bucket.labels = {"a": "b"}
    first.patch(if_metageneration_match=first.metageneration)
    with pytest.raises(PreconditionFailed, match="pre-conditions you specified"):
        second.patch(if_metageneration_match=second.metageneration)


@pytest.mark.parametrize(
    ("forbidden", "words"),
    [
        ({"locations": frozenset({"eu"})}, "'us' violates constraint 'constraints/gcp.resourceLocations'"),
        ({"soft_delete_s": frozenset({0})}, "'constraints/storage.softDeletePolicySeconds'"),
        ({"wants_key": True}, "'constraints/gcp.restrictNonCmekServices'"),
        ({"has_billing": False}, "billing account"),
        ({"has_perimeter": True}, "vpcServiceControlsUniqueIdentifier"),
    ],
)
def test_bucket_that_the_organisation_forbids_is_not_made(
    gcs: EmbeddedGcs, client: Client, forbidden: dict[str, Any], words: str
) -> None:
    vars(gcs.organisation).update(forbidden)
    with pytest.raises(GoogleAPICallError, match=words):
        client.create_bucket("made", location="us")
    gcs.organisation.has_perimeter = False
    assert client.lookup_bucket("made") is None


def test_perimeter_keeps_uploads_out_as_well(gcs: EmbeddedGcs, client: Client) -> None:
    gcs.organisation.has_perimeter = True
    with pytest.raises(Forbidden, match="vpcServiceControls"):
        client.bucket(BUCKET).blob("a").upload_from_string("x")
